import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ITSELF } from '../../../src/endpoint/asker.js';
import { newestPositions } from '../../../src/endpoint/subscribe/newest.js';
import { parseFilter } from '../../../src/protocol/filter.js';
import type { Page, PageRequest } from '../../../src/store/page.js';
import { record } from '../../store/records.js';

/** The times at which a shard's events were recorded; the first has sequence 1. */
type Log = readonly number[];

/** Pages of the newest events below `until`, of three events at most. */
function pageOf(log: Log, { until = log.length, limit }: PageRequest): Page {
  const count = Math.min(until, limit, 3);
  const parts: Buffer[] = [];
  for (let sequence = until; sequence > until - count; sequence--) {
    const prefix = Buffer.alloc(16);
    prefix.writeDoubleLE(sequence, 0);
    prefix.writeDoubleLE(log[sequence - 1]!, 8);
    parts.push(prefix, record({ topic: 't', payload: sequence }));
  }
  const bytes = Buffer.concat(parts);
  const records = new ArrayBuffer(bytes.length);
  bytes.copy(new Uint8Array(records));
  const next = until - count;
  return { records, count, next, done: next === 0, head: log.length, prunedThrough: 0 };
}

function readersOf(logs: readonly Log[]) {
  const asked = { pages: 0 };
  const page = async (shard: number, request: PageRequest): Promise<Page> => {
    asked.pages++;
    return pageOf(logs[shard]!, request);
  };
  return { services: { page, segments: 0 }, asked };
}

const filter = parseFilter('*');
const asker = ITSELF;

test('finds the newest events of all shards together, however they are distributed', async () => {
  const log = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 12 }).map((steps) => {
    let now = 0;
    return steps.map((step) => (now += step));
  });
  await fc.assert(
    fc.asyncProperty(fc.array(log, { minLength: 1, maxLength: 4 }), fc.nat(20), async (logs, n) => {
      const last = n + 1;
      const heads = logs.map(({ length }) => length);
      const { services } = readersOf(logs);
      const found = await newestPositions(services, {
        filter,
        last,
        heads,
        isOver: () => false,
        asker,
      });
      const left = found.map((position, shard) => heads[shard]! - position);
      const total = heads.reduce((sum, head) => sum + head, 0);
      expect(left.reduce((sum, count) => sum + count, 0)).toBe(Math.min(last, total));
      const timesOf = (isTaken: boolean): number[] =>
        logs.flatMap((times, shard) => times.filter((_, i) => i >= found[shard]! === isTaken));
      const oldestTaken = Math.min(...timesOf(true));
      expect(Math.max(...timesOf(false), Number.NEGATIVE_INFINITY)).toBeLessThanOrEqual(
        oldestTaken,
      );
    }),
  );
});

test('asks for no more pages than hold the wanted events', async () => {
  const logs = [Array.from({ length: 900 }, (_, n) => n), Array.from({ length: 900 }, () => 0)];
  const { services, asked } = readersOf(logs);
  const newest = { filter, last: 30, heads: [900, 900], isOver: () => false, asker };
  expect(await newestPositions(services, newest)).toEqual([870, 900]);
  expect(asked.pages).toBeLessThanOrEqual(12);
});

test('asks for no more pages once the subscription has ended', async () => {
  const logs = [Array.from({ length: 900 }, (_, n) => n)];
  const { services, asked } = readersOf(logs);
  const isOver = (): boolean => asked.pages >= 4;
  await newestPositions(services, { filter, last: 1_000_000, heads: [900], isOver, asker });
  expect(asked.pages).toBe(4);
});
