import type { Event } from 'millrace/client';
import { describe, expect, it, vi } from 'vitest';
import { HITS_MAX } from '../../src/dashboard/screens/stream/bounds.js';
import { type HistoryReader, HistorySearch } from '../../src/dashboard/screens/stream/history.js';

const timestamp = (n: number): string => new Date(Date.UTC(2026, 0, 31) + n).toISOString();

const eventOf = (sequence: number): Event => ({
  id: `e${sequence}`,
  topic: 'a.b',
  type: 't',
  source: 's',
  timestamp: timestamp(sequence),
  shard: 0,
  sequence,
  cursor: String(sequence),
  payload: sequence,
});

/**
 * A log of events that is read in pages. The page that holds the event `stopAt` waits for `go`, or fails with its
 * error.
 */
class PagedLog {
  readonly #events: readonly Event[];
  readonly #page: number;
  #go: ((error?: Error) => void) | undefined;
  stopAt = Number.POSITIVE_INFINITY;
  reads = 0;

  constructor(events: number, page: number) {
    this.#events = Array.from({ length: events }, (_, index) => eventOf(index + 1));
    this.#page = page;
  }

  get isWaiting(): boolean {
    return this.#go !== undefined;
  }

  go(error?: Error): void {
    this.#go!(error);
    this.#go = undefined;
  }

  readonly client: HistoryReader = {
    read: ({ after = '0' }) => this.#read(Number(after)),
    query: async () => this.#events.slice(-1),
  };

  async *#read(after: number): AsyncGenerator<Event> {
    this.reads++;
    for (let start = after; start < this.#events.length; start += this.#page) {
      const page = this.#events.slice(start, start + this.#page);
      if (page.some(({ sequence }) => sequence === this.stopAt)) {
        this.stopAt = Number.POSITIVE_INFINITY;
        await new Promise<void>((resolve, reject) => {
          this.#go = (error) => (error === undefined ? resolve() : reject(error));
        });
      }
      yield* page;
    }
  }
}

/** Nothing is drawn. */
const noFrames = () => () => {};

const QUERY = { query: { topic: '*' } };

function shown(search: HistorySearch): number[] {
  return Array.from({ length: search.rows.count }, (_, index) => {
    const row = search.rows.at(index)!;
    return row.kind === 'event' ? row.event.sequence! : -1;
  });
}

const numbers = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe('a search through history', () => {
  it('goes on behind the last event that it has looked at, after it was stopped between two pages', async () => {
    const log = new PagedLog(25, 10);
    log.stopAt = 11;
    const search = new HistorySearch(noFrames);
    search.start(log.client, QUERY);
    await vi.waitUntil(() => log.isWaiting);
    search.cancel();
    search.goOn(log.client);
    await vi.waitUntil(() => search.state.value.kind === 'done');
    log.go();
    expect(shown(search)).toEqual(numbers(25));
    expect(search.counts).toEqual({ looked: 25, matched: 25, missed: 0 });
  });

  it('goes on behind the last event that it has looked at, after a page could not be read', async () => {
    const log = new PagedLog(25, 10);
    log.stopAt = 21;
    const search = new HistorySearch(noFrames);
    search.start(log.client, QUERY);
    await vi.waitUntil(() => log.isWaiting);
    log.go(new Error('away'));
    await vi.waitUntil(() => search.state.value.kind === 'failed');
    search.goOn(log.client);
    await vi.waitUntil(() => search.state.value.kind === 'done');
    expect(shown(search)).toEqual(numbers(25));
    expect(search.counts.looked).toBe(25);
  });

  it('stops after a bounded number of hits, and goes on behind the last of them', async () => {
    const log = new PagedLog(HITS_MAX + 5, 100);
    const search = new HistorySearch(noFrames);
    search.start(log.client, QUERY);
    await vi.waitUntil(() => search.state.value.kind === 'stopped');
    expect(search.counts.matched).toBe(HITS_MAX);
    search.goOn(log.client);
    await vi.waitUntil(() => search.state.value.kind === 'done');
    expect(shown(search)).toEqual(numbers(HITS_MAX + 5));
  });

  it('does not go on with an earlier search where the present one was refused', async () => {
    const log = new PagedLog(5, 10);
    const search = new HistorySearch(noFrames);
    search.start(log.client, QUERY);
    await vi.waitUntil(() => search.state.value.kind === 'done');
    search.refuse('It cannot be read.');
    expect(search.state.value).toEqual({ kind: 'refused', reason: 'It cannot be read.' });
    search.goOn(log.client);
    expect(search.state.value.kind).toBe('refused');
    expect(log.reads).toBe(1);
  });

  it('says how far it has come: by the time of its events, up to that of the newest', async () => {
    const log = new PagedLog(21, 10);
    log.stopAt = 11;
    const search = new HistorySearch(noFrames);
    search.start(log.client, QUERY);
    expect(search.progress).toBeUndefined();
    await vi.waitUntil(() => log.isWaiting && search.progress !== undefined);
    expect(search.progress).toBeCloseTo(9 / 20);
    log.go();
    await vi.waitUntil(() => search.state.value.kind === 'done');
    expect(search.progress).toBe(1);
  });

  it('leaves the progress of the present search alone when the answer for an earlier one comes late', async () => {
    let answer = (_: readonly Event[]): void => {};
    const early: HistoryReader = {
      read: async function* () {
        yield eventOf(1);
        await new Promise(() => {});
      },
      query: () =>
        new Promise<readonly Event[]>((resolve) => {
          answer = resolve;
        }),
    };
    const log = new PagedLog(11, 10);
    log.stopAt = 11;
    const search = new HistorySearch(noFrames);
    search.start(early, QUERY);
    search.start(log.client, QUERY);
    await vi.waitUntil(() => log.isWaiting && search.progress !== undefined);
    answer([eventOf(1)]);
    await Promise.resolve();
    expect(search.progress).toBeCloseTo(9 / 10);
  });
});
