import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shardOf, topicHash } from '../../src/protocol/topic-hash.js';

describe('the hash of a topic', () => {
  // Test vectors for implementations in other languages. A hash with other values breaks every directory.
  it.each([
    ['a', 0x1a80b1b3],
    ['worker.task.complete', 0x36e2b6f6],
    ['worker.1.progress', 0xccb8282d],
    ['findings.größe', 0x10e20d05],
    ['文件.更改', 0x55f43b03],
    ['run.🚂', 0x64198159],
    ['$sys.shards', 0x9a4b9409],
  ])('of %j is %i', (topic, hash) => {
    expect(topicHash(topic)).toBe(hash);
  });

  it('is the documented one, over the bytes of UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (topic) => {
        expect(topicHash(topic)).toBe(hashByTheBook(topic));
      }),
      { numRuns: 1000 },
    );
  });

  it('treats half a surrogate pair as U+FFFD, as encoders do', () => {
    for (const text of ['\ud83d', 'a\ude82b', '\ude82\ud83d', '\ud83d\ud83d\ude82']) {
      expect(topicHash(text)).toBe(hashByTheBook(text));
    }
  });
});

describe('topics spread over shards', () => {
  const families: [string, (i: number) => string][] = [
    ['worker progress', (i) => `worker.${i}.progress`],
    ['padded numbers', (i) => `sensors.s${String(i).padStart(6, '0')}`],
    ['two levels', (i) => `org.${i % 40}.user.${Math.floor(i / 40)}.state`],
    ['numbers last', (i) => `t.${i}`],
    ['hexadecimal ids', (i) => `task.${(i * 2654435761).toString(16)}.log`],
  ];
  const cases = families.flatMap(([name, topicOf]) =>
    [2, 3, 4, 7, 8, 16].map((shards) => [name, shards, topicOf] as const),
  );

  it.each(cases)('%s, over %i shards, evenly', (_name, shards, topicOf) => {
    const topics = 8000;
    const counts = new Array<number>(shards).fill(0);
    for (let i = 0; i < topics; i++) counts[shardOf(topicOf(i), shards)]!++;
    // Chi-squared of a fair spread: mean `shards - 1`, deviation sqrt(2 * (shards - 1)).
    // The topics are fixed, so this is not a matter of chance.
    const expected = topics / shards;
    const chiSquared = counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    expect(chiSquared).toBeLessThan(shards - 1 + 4 * Math.sqrt(2 * (shards - 1)));
  });

  it('with a single shard all go to it', () => {
    expect(shardOf('anything', 1)).toBe(0);
  });
});

function hashByTheBook(topic: string): number {
  const modulus = 2n ** 32n;
  let h = 0x811c9dc5n;
  for (const byte of new TextEncoder().encode(topic)) {
    h = ((h ^ BigInt(byte)) * 0x01000193n) % modulus;
  }
  h ^= h >> 16n;
  h = (h * 0x85ebca6bn) % modulus;
  h ^= h >> 13n;
  h = (h * 0xc2b2ae35n) % modulus;
  return Number(h ^ (h >> 16n));
}
