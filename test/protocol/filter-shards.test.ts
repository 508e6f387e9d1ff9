import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shardsOf } from '../../src/protocol/filter-shards.js';
import { matchesPattern } from '../../src/protocol/topic.js';
import { shardOf } from '../../src/protocol/topic-hash.js';

const segment = fc.constantFrom('a', 'b', 'é', 'long-one');
const topic = fc.array(segment, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('.'));
const pattern = fc
  .array(fc.oneof(segment, segment, fc.constantFrom('+', '*')), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join('.'));

test('every topic that a pattern matches is in one of the shards of the pattern', () => {
  fc.assert(
    fc.property(
      pattern,
      topic,
      fc.nat(4),
      fc.integer({ min: 1, max: 16 }),
      (of, to, segments, shards) => {
        fc.pre(matchesPattern(of, to));
        const found = shardsOf({ topics: [of] }, { shards, segments });
        expect(found).toContain(shardOf(to, shards, segments));
      },
    ),
    { numRuns: 2000 },
  );
});

test('topics with the same first segments share a shard, and a pattern below them needs that one alone', () => {
  fc.assert(
    fc.property(
      topic,
      topic,
      topic,
      fc.integer({ min: 2, max: 16 }),
      (start, one, other, shards) => {
        const segments = start.split('.').length;
        const shard = shardOf(`${start}.${one}`, shards, segments);
        expect(shardOf(`${start}.${other}`, shards, segments)).toBe(shard);
        expect(shardOf(start, shards, segments)).toBe(shard);
        for (const rest of ['*', '+', '+.b', 'b.*']) {
          const filter = { topics: [`${start}.${rest}`] };
          expect(shardsOf(filter, { shards, segments })).toEqual([shard]);
        }
      },
    ),
  );
});

test('a pattern whose first segments are not all literal needs all shards', () => {
  const layout = { shards: 3, segments: 2 };
  for (const one of ['*', 'a.*', 'a.+', '+.b.c', 'a.+.c', '*.b.*']) {
    expect(shardsOf({ topics: [one] }, layout)).toEqual([0, 1, 2]);
  }
  expect(shardsOf({ topics: ['a.*'] }, { shards: 3, segments: 0 })).toEqual([0, 1, 2]);
});
