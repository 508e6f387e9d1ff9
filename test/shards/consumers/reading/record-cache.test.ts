import { describe, expect, it } from 'vitest';
import { KIB } from '../../../../src/protocol/limits/units.js';
import { RecordCache } from '../../../../src/shards/consumers/reading/record-cache.js';

const recordOf = (sequence: number, length: number): Buffer => Buffer.alloc(length, sequence);

function textOf(cache: RecordCache, sequence: number): Buffer | undefined {
  const found = cache.find(sequence);
  return found && Buffer.from(found.bytes.subarray(found.offset, found.offset + found.length));
}

/** Compared as bytes: the matchers take many times as long for large buffers. */
function isAsAdded(cache: RecordCache, sequence: number, length: number): boolean {
  return textOf(cache, sequence)?.equals(recordOf(sequence, length)) === true;
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
    expect(kept.every((sequence) => isAsAdded(cache, sequence, length))).toBe(true);
  });

  it('may be as large as all of them, and no larger', () => {
    const cache = new RecordCache(300 * KIB);
    cache.add(1, recordOf(1, 300 * KIB), 0, 300 * KIB);
    cache.add(2, recordOf(2, 301 * KIB), 0, 301 * KIB);
    expect([textOf(cache, 1)?.length, cache.find(2)]).toEqual([300 * KIB, undefined]);
  });

  it('go when each of those who wanted them has used them', () => {
    const cache = new RecordCache(512 * KIB);
    for (const sequence of [1, 2, 1]) cache.add(sequence, recordOf(sequence, 10), 0, 10);
    cache.used(1);
    expect(textOf(cache, 1)).toEqual(recordOf(1, 10));
    cache.used(1);
    cache.used(1);
    cache.used(3);
    expect([cache.find(1), textOf(cache, 2)]).toEqual([undefined, recordOf(2, 10)]);
  });

  /** Records of a chunk each: another finds no room behind one. */
  const large = 200 * KIB;
  const add = (cache: RecordCache, ...sequences: readonly number[]): void => {
    for (const sequence of sequences) cache.add(sequence, recordOf(sequence, large), 0, large);
  };
  const keptOf = (cache: RecordCache, count: number): number[] =>
    Array.from({ length: count }, (_, n) => n + 1).filter((n) => cache.find(n) !== undefined);

  it('give back the room of a chunk once nobody wants any of it', () => {
    const cache = new RecordCache(3 * 256 * KIB);
    add(cache, 1, 2, 3);
    cache.used(2);
    // In place of the second.
    add(cache, 4);
    expect(keptOf(cache, 4)).toEqual([1, 3, 4]);
    expect([1, 3, 4].every((sequence) => isAsAdded(cache, sequence, large))).toBe(true);
    add(cache, 5);
    expect(keptOf(cache, 5)).toEqual([3, 4, 5]);
  });

  it('leave the room of those that are wanted no more to the next, in the last chunk too', () => {
    const cache = new RecordCache(2 * 256 * KIB);
    add(cache, 1, 2);
    cache.used(2);
    expect(keptOf(cache, 2)).toEqual([1]);
    add(cache, 3);
    expect(keptOf(cache, 3)).toEqual([1, 3]);
  });

  it('of chunks larger than others give back as much as they took', () => {
    const cache = new RecordCache(1024 * KIB);
    const huge = 700 * KIB;
    cache.add(1, recordOf(1, huge), 0, huge);
    add(cache, 2);
    cache.used(1);
    add(cache, 3, 4, 5);
    expect(keptOf(cache, 5)).toEqual([2, 3, 4, 5]);
    add(cache, 6);
    expect(keptOf(cache, 6)).toEqual([3, 4, 5, 6]);
    cache.used(3);
    // A chunk of the usual length does not hold it.
    cache.add(7, recordOf(7, huge), 0, huge);
    expect([keptOf(cache, 7), isAsAdded(cache, 7, huge)]).toEqual([[6, 7], true]);
  });

  it('find room behind the last, or in a chunk of their own that is no more than allowed', () => {
    const cache = new RecordCache(2048 * KIB);
    expect(cache.hasRoom(1, 256 * KIB - 1)).toBe(false);
    expect(cache.hasRoom(1, 256 * KIB)).toBe(true);
    expect(cache.hasRoom(300 * KIB, 300 * KIB - 1)).toBe(false);
    add(cache, 1);
    const left = 56 * KIB;
    expect([cache.hasRoom(left, 0), cache.hasRoom(left + 1, 511 * KIB)]).toEqual([true, false]);
    expect(cache.hasRoom(left + 1, 512 * KIB)).toBe(true);
    cache.clear();
    expect(cache.hasRoom(1, 256 * KIB)).toBe(true);
  });

  it('are found where they were added again after their first chunk was given up', () => {
    const cache = new RecordCache(2 * 256 * KIB);
    add(cache, 1, 2);
    cache.used(1);
    add(cache, 1);
    expect(keptOf(cache, 2)).toEqual([1, 2]);
    add(cache, 3);
    expect(keptOf(cache, 3)).toEqual([1, 3]);
  });
});
