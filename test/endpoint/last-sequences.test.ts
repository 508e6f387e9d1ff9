import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ITSELF } from '../../src/endpoint/asker.js';
import { type LastsShard, lastSequences } from '../../src/endpoint/read/last-sequences.js';
import type { LastsRequest } from '../../src/link/calls.js';

/** The last sequences of a shard's topics in order, with a bound on how many are held. */
function shardOf(lasts: readonly number[], perPage: number) {
  const asked = { calls: 0 };
  const shard: LastsShard = {
    call: async (_name, request) => {
      asked.calls++;
      const { topic, after, until }: LastsRequest = request();
      const page = lasts.slice(topic, topic + perPage);
      const next = topic + perPage;
      return {
        sequences: page.filter((last) => last > after && last <= until),
        next: next < lasts.length ? next : null,
      };
    },
  };
  return { shard, asked };
}

test('they come in order, whole and once, however few are held', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 1, max: 500 }), { maxLength: 120 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      fc.nat(200),
      async (lasts, held, perPage, reverse, after) => {
        const { shard } = shardOf(lasts, perPage);
        const range = { patterns: ['*'], after, until: 400, reverse, asker: ITSELF };
        const found: number[] = [];
        for await (const part of lastSequences(shard, range, held)) {
          expect(part.length).toBeLessThanOrEqual(2 * held);
          found.push(...part);
        }
        const wanted = lasts.filter((last) => last > after && last <= 400).sort((a, b) => a - b);
        expect(found).toEqual(reverse ? wanted.reverse() : wanted);
      },
    ),
  );
});

test('topics that fit are asked for once', async () => {
  const { shard, asked } = shardOf([5, 3, 9, 1], 2);
  const range = { patterns: ['*'], after: 0, until: 9, reverse: false, asker: ITSELF };
  for await (const part of lastSequences(shard, range)) expect([...part]).toEqual([1, 3, 5, 9]);
  expect(asked.calls).toBe(2);
});

test('nobody is asked any more when the asker is gone', async () => {
  const { shard, asked } = shardOf([1], 1);
  const asker = { ...ITSELF, isGone: true };
  const range = { patterns: ['*'], after: 0, until: 9, reverse: false, asker };
  await expect(lastSequences(shard, range).next()).rejects.toMatchObject({ code: 'ABORTED' });
  expect(asked.calls).toBe(0);
});
