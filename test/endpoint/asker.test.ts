import { expect, test } from 'vitest';
import { type Asker, ITSELF } from '../../src/endpoint/asker.js';
import type { HistorySource } from '../../src/endpoint/read/history-source.js';
import { parseQuery } from '../../src/endpoint/read/parse-query.js';
import { QueryRunner } from '../../src/endpoint/read/query.js';
import { PAGE_PREFIX_BYTES, type Page, type PageRequest } from '../../src/store/page.js';
import { record } from '../store/records.js';

/** A log without end in which nothing matches. */
function emptyPages() {
  const asked = { pages: 0, limit: 0 };
  const page = async (_shard: number, { limit }: PageRequest): Promise<Page> => {
    asked.limit = limit;
    asked.pages++;
    const records = new ArrayBuffer(0);
    const next = asked.pages;
    return { records, count: 0, next, done: false, head: 1e6, prunedThrough: 0 };
  };
  return { asked, source: { page } as Partial<HistorySource> as HistorySource };
}

const shard = {
  control: { head: 1e6 },
  call: async () => ({ sequences: [], next: null }),
};

test('a query that finds nothing ends when nobody waits for it any more', async () => {
  const { asked, source } = emptyPages();
  const asker: Asker = {
    ...ITSELF,
    get isGone() {
      return asked.pages >= 7;
    },
  };
  const runner = new QueryRunner(source, [shard], 'epoch');
  const events = runner.read(parseQuery({ topic: 'a' }), asker);
  await expect(events.next()).rejects.toMatchObject({ code: 'ABORTED' });
  expect(asked.pages).toBe(7);
});

test('each read of a query waits for its turn', async () => {
  const { asked, source } = emptyPages();
  let turns = 0;
  const asker: Asker = {
    ...ITSELF,
    readInTurn: async (_bytesMax, read) => {
      if (++turns > 3) throw new Error('no more turns');
      return read();
    },
  };
  const runner = new QueryRunner(source, [shard], 'epoch');
  const events = runner.read(parseQuery({ topic: 'a' }), asker);
  await expect(events.next()).rejects.toThrow('no more turns');
  expect(asked.pages).toBe(3);
});

test.each([1, 100])(
  'a query asks for pages of no more than the %i events that it wants',
  async (limit) => {
    const { asked, source } = emptyPages();
    const asker: Asker = {
      ...ITSELF,
      get isGone() {
        return asked.pages > 0;
      },
    };
    const runner = new QueryRunner(source, [shard], 'epoch');
    const events = runner.read(parseQuery({ topic: 'a', limit }), asker);
    await expect(events.next()).rejects.toMatchObject({ code: 'ABORTED' });
    expect(asked.limit).toBe(limit);
  },
);

const LAST = 2000;

/** A log in which only the event `LAST` is of the wanted type, and all others have expired. */
function oneAtLast() {
  const asked = { pages: 0 };
  const page = async (_shard: number, request: PageRequest): Promise<Page> => {
    const { after, until = LAST, limit, sequences } = request;
    asked.pages++;
    const range = Array.from({ length: until - after }, (_, n) => after + 1 + n);
    const looked = (sequences ?? range).slice(0, limit);
    const next = looked.at(-1) ?? until;
    // A topic's newest event is judged by the query itself.
    const kept = sequences === undefined ? looked.filter((one) => one === LAST) : looked;
    const records = kept.map((one) => {
      const type = one === LAST ? 'wanted' : 'other';
      const prefix = Buffer.alloc(PAGE_PREFIX_BYTES);
      prefix.writeDoubleLE(one, 0);
      return Buffer.concat([prefix, record({ type })]);
    });
    const bytes = new Uint8Array(Buffer.concat(records));
    return {
      records: bytes.buffer,
      count: kept.length,
      next,
      done: next >= until,
      head: LAST,
      prunedThrough: 0,
    };
  };
  const sequences = Array.from({ length: LAST }, (_, n) => n + 1);
  const shard = { control: { head: LAST }, call: async () => ({ sequences, next: null }) };
  return { asked, shard, source: { page } as Partial<HistorySource> as HistorySource };
}

test.each([false, true])(
  'a query for one event does not ask for each that it passes over (latest: %s)',
  async (latest) => {
    const { asked, shard, source } = oneAtLast();
    const runner = new QueryRunner(source, [shard], 'epoch');
    const query = parseQuery({ topic: '*', types: ['wanted'], limit: 1, latest });
    const found = await runner.query(query);
    expect(found.map(({ sequence }) => sequence)).toEqual([LAST]);
    expect(asked.pages).toBeLessThan(20);
  },
);
