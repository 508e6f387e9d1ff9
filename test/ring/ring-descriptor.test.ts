import { describe, expect, it } from 'vitest';
import { RING_BYTES_MAX } from '../../src/protocol/limits/links.js';
import * as ring from '../../src/ring/ring-descriptor.js';

type Word = readonly [name: string, index: number, bytes: number];

/** The words of the header by who writes them. An index counts words of the word's own length. */
const OWNERS: Record<string, readonly Word[]> = {
  producer: [
    ['PRODUCER_POSITION', ring.PRODUCER_POSITION, 4],
    ['PRODUCER_GENERATION', ring.PRODUCER_GENERATION, 4],
    ['DURABLE_WATERMARK', ring.DURABLE_WATERMARK, 8],
  ],
  consumer: [
    ['CONSUMER_POSITION', ring.CONSUMER_POSITION, 4],
    ['CONSUMER_MARK', ring.CONSUMER_MARK, 4],
    ['CONSUMER_REFUSED', ring.CONSUMER_REFUSED, 4],
    ['CONSUMER_TOTAL', ring.CONSUMER_TOTAL, 8],
    ['CONSUMER_MARKED_AT', ring.CONSUMER_MARKED_AT, 8],
  ],
  both: [['PRODUCER_WAITING', ring.PRODUCER_WAITING, 4]],
};
const OF_ONE_OWNER_BYTES = 64;
const APART_BYTES = 256;

function placesOf(words: readonly Word[]) {
  const places = words.map(([name, index, bytes]) => ({
    name,
    start: index * bytes,
    end: (index + 1) * bytes,
  }));
  return places.sort((one, other) => one.start - other.start);
}

describe('the words of a ring', () => {
  const places = placesOf(Object.values(OWNERS).flat());

  it.each(places)('hold $name whole, before the records', ({ start, end }) => {
    expect(Number.isInteger(start / (end - start))).toBe(true);
    expect(start).toBeGreaterThanOrEqual(0);
    expect(end).toBeLessThanOrEqual(ring.RING_HEADER_LENGTH);
  });

  it('do not overlap', () => {
    for (const [at, { name, start }] of places.entries()) {
      const before = places[at - 1]?.end ?? 0;
      expect({ name, isBehind: start >= before }).toEqual({ name, isBehind: true });
    }
  });

  it('stand together if one side writes them, and two pairs of cache lines apart if not', () => {
    const groups = Object.values(OWNERS).map(placesOf);
    const spans = groups.map((group) => ({ start: group[0]!.start, end: group.at(-1)!.end }));
    for (const [at, { start, end }] of spans.entries()) {
      expect(end - start).toBeLessThanOrEqual(OF_ONE_OWNER_BYTES);
      const next = spans[at + 1]?.start ?? ring.RING_HEADER_LENGTH;
      expect(next - start).toBeGreaterThanOrEqual(APART_BYTES);
    }
  });
});

describe('the size of a ring', () => {
  it.each([ring.RING_CAPACITY_MIN, RING_BYTES_MAX])('may be %d bytes', (capacity) => {
    expect(() => ring.checkCapacity(capacity)).not.toThrow();
  });

  it.each([ring.RING_CAPACITY_MIN / 2, RING_BYTES_MAX * 2, RING_BYTES_MAX - 1])(
    'may not be %d bytes, and the refusal says what may be',
    (capacity) => {
      expect(() => ring.checkCapacity(capacity)).toThrow(
        new RegExp(`from 64 to ${RING_BYTES_MAX} bytes, not ${capacity}`),
      );
    },
  );
});
