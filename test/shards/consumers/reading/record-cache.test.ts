import { describe, expect, it } from 'vitest';
import { KIB } from '../../../../src/protocol/limits/units.js';
import { RecordCache } from '../../../../src/shards/consumers/reading/record-cache.js';

const recordOf = (sequence: number, length: number): Buffer => Buffer.alloc(length, sequence);

function textOf(cache: RecordCache, sequence: number): Buffer | undefined {
  const found = cache.find(sequence);
  return found && Buffer.from(found.bytes.subarray(found.offset, found.offset + found.length));
}

describe('the records that were read ahead', () => {
  it('are copies, as they were when they were kept', () => {
    const cache = new RecordCache(512 * KIB);
    const bytes = Buffer.concat([recordOf(9, 5), recordOf(1, 100), recordOf(9, 5)]);
    cache.add(1, bytes, 5, 100);
    cache.add(2, recordOf(2, 7), 0, 7);
    bytes.fill(0);
    expect([textOf(cache, 1), textOf(cache, 2)]).toEqual([recordOf(1, 100), recordOf(2, 7)]);
    cache.add(1, recordOf(3, 3), 0, 3);
    expect(textOf(cache, 1)).toEqual(recordOf(1, 100));
    cache.clear();
    expect(cache.find(1)).toBeUndefined();
  });

  it('are no more than so many bytes: the oldest go', () => {
    const cache = new RecordCache(1024 * KIB);
    const length = 10 * KIB;
    for (let sequence = 1; sequence <= 200; sequence++) {
      cache.add(sequence, recordOf(sequence, length), 0, length);
    }
    const kept = Array.from({ length: 200 }, (_, n) => n + 1).filter((n) => cache.find(n));
    expect(kept.length * length).toBeLessThanOrEqual(1024 * KIB);
    expect(kept.length * length).toBeGreaterThan(512 * KIB);
    expect(kept.at(-1)).toBe(200);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, n) => kept[0]! + n));
    for (const sequence of kept)
      expect(textOf(cache, sequence)).toEqual(recordOf(sequence, length));
  });

  it('may be as large as all of them, and no larger', () => {
    const cache = new RecordCache(300 * KIB);
    cache.add(1, recordOf(1, 300 * KIB), 0, 300 * KIB);
    cache.add(2, recordOf(2, 301 * KIB), 0, 301 * KIB);
    expect([textOf(cache, 1)?.length, cache.find(2)]).toEqual([300 * KIB, undefined]);
  });
});
