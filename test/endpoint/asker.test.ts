import { expect, test } from 'vitest';
import { type Asker, ITSELF } from '../../src/endpoint/asker.js';
import type { HistorySource } from '../../src/endpoint/read/history-source.js';
import { parseQuery } from '../../src/endpoint/read/parse-query.js';
import { QueryRunner } from '../../src/endpoint/read/query.js';
import type { Page, PageRequest } from '../../src/store/page.js';

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
