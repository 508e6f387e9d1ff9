import { expect, test } from 'vitest';
import { ITSELF } from '../../src/endpoint/asker.js';
import type { HistorySource } from '../../src/endpoint/read/history-source.js';
import { newestPages } from '../../src/endpoint/read/newest-events.js';
import { parseLatest } from '../../src/endpoint/read/parse-query.js';
import { QueryRunner } from '../../src/endpoint/read/query.js';
import type { LastsRequest } from '../../src/link/calls.js';
import { EventRecordEncoder } from '../../src/record/event-record.js';
import type { PageRequest } from '../../src/store/page.js';
import { pageOf } from '../../src/store/page-of.js';

/** The newest events of a shard whose log changes while they are read. */
class ChangingShard {
  readonly control = { head: 0 };
  readonly #records = new Map<number, Uint8Array>();
  readonly #lasts = new Map<string, number>();
  /** Called before each page, as events that come in between. */
  beforePage = (): void => {};
  /** Called before the shard tells where the newest events are. */
  beforeLasts = (): void => {};
  /** The most events of a page. */
  pageEvents = 100;

  publish(topic: string): void {
    const encoder = new EventRecordEncoder();
    const sequence = ++this.control.head;
    encoder.topic = topic;
    encoder.type = 'note';
    encoder.source = 'test';
    encoder.id = `e${sequence}`;
    encoder.payload = '1';
    const bytes = Buffer.alloc(encoder.measure());
    encoder.writeTo(bytes, 0);
    this.#records.set(sequence, bytes);
    this.#lasts.set(topic, sequence);
  }

  /** Publishes on a topic, and removes its event before. */
  supersede(topic: string): void {
    this.#records.delete(this.#lasts.get(topic)!);
    this.publish(topic);
  }

  async call(_name: 'lasts', request: () => LastsRequest) {
    this.beforeLasts();
    const { after, until } = request();
    const sequences = [...this.#lasts.values()].filter((last) => last > after && last <= until);
    return { sequences, next: null };
  }

  get source(): HistorySource {
    const page = async (_shard: number, request: PageRequest) => {
      this.beforePage();
      const wanted = [...this.#records]
        .map(([sequence, bytes]) => ({ sequence, recordedAt: sequence, bytes }))
        .filter(({ sequence }) => sequence > request.after && sequence <= request.until!);
      const records = request.reverse ? wanted.reverse() : wanted;
      const limit = Math.min(this.pageEvents, request.limit);
      return pageOf(records, { ...request, limit }, this.control.head);
    };
    return { segments: 0, page } as Partial<HistorySource> as HistorySource;
  }
}

async function newestOf(shard: ChangingShard, options = {}): Promise<string[]> {
  const runner = new QueryRunner(shard.source, [shard], 'epoch');
  const topics: string[] = [];
  for await (const { topic } of runner.read(parseLatest('*', options))) topics.push(topic);
  return topics;
}

test.each([1, 2, 100])('pages of %i events give each topic once', async (pageEvents) => {
  const shard = new ChangingShard();
  shard.pageEvents = pageEvents;
  for (const topic of ['a', 'b', 'c', 'a', 'd']) shard.publish(topic);
  expect(await newestOf(shard)).toEqual(['b', 'c', 'a', 'd']);
  expect(await newestOf(shard, { reverse: true })).toEqual(['d', 'a', 'c', 'b']);
});

test('a topic whose event is removed meanwhile comes with its next event', async () => {
  const shard = new ChangingShard();
  for (const topic of ['a', 'b', 'c']) shard.publish(topic);
  let times = 0;
  shard.beforePage = () => {
    if (++times <= 2) shard.supersede('b');
  };
  expect(await newestOf(shard)).toEqual(['a', 'c', 'b']);
  expect(times).toBe(3);
});

test.each([false, true])(
  'a topic that gets an event before the shard is asked is not missing (reverse: %s)',
  async (reverse) => {
    const shard = new ChangingShard();
    for (const topic of ['a', 'b', 'c']) shard.publish(topic);
    shard.beforeLasts = () => {
      shard.beforeLasts = () => {};
      shard.publish('a');
    };
    const topics = await newestOf(shard, { reverse });
    expect(topics).toEqual(reverse ? ['a', 'c', 'b'] : ['b', 'c', 'a']);
  },
);

test('a topic that gets an event meanwhile comes once, also where the range behind is read', async () => {
  const shard = new ChangingShard();
  for (const topic of ['a', 'b', 'c']) shard.publish(topic);
  shard.beforeLasts = () => {
    shard.beforeLasts = () => {};
    shard.publish('a');
  };
  shard.beforePage = () => {
    shard.beforePage = () => {};
    shard.supersede('b');
  };
  expect(await newestOf(shard)).toEqual(['c', 'a', 'b']);
});

test('backwards through more topics than are held, a topic may have been passed over', async () => {
  const shard = new ChangingShard();
  for (const topic of ['a', 'b', 'c', 'd', 'e']) shard.publish(topic);
  const asked = { patterns: ['*'], after: 0, until: 5, asker: ITSELF };
  const newest = { source: shard.source, shard: 0, end: shard, pageEvents: 9, roomBytes: 0 };
  const parts = async (reverse: boolean) => {
    const lacks: boolean[] = [];
    const range = { ...asked, reverse };
    for await (const page of newestPages({ ...newest, range, held: 2 })) {
      lacks.push(page.lacksEvents);
    }
    return lacks;
  };
  expect(await parts(true)).toEqual([false, true, true]);
  expect(await parts(false)).toEqual([false, false, false]);
});

test('new events alone do not prolong the answer', async () => {
  const shard = new ChangingShard();
  for (const topic of ['a', 'b']) shard.publish(topic);
  let pages = 0;
  shard.beforePage = () => {
    pages++;
    shard.publish('b');
  };
  expect(await newestOf(shard)).toEqual(['a', 'b']);
  expect(pages).toBe(1);
});
