import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  boundOf,
  countedSince,
  countedTogether,
  percentilesOf,
} from '../../src/protocol/percentiles.js';

const of = (...counts: number[]) => ({ bounds: [1, 5, 10], counts, sum: 0 });

describe('a percentile of a histogram', () => {
  it('is the bound below which a share of the values lies', () => {
    expect(boundOf(of(50, 49, 1, 0), 0.5)).toBe(1);
    expect(boundOf(of(49, 50, 1, 0), 0.5)).toBe(5);
    expect(boundOf(of(50, 49, 1, 0), 0.99)).toBe(5);
    expect(boundOf(of(50, 48, 2, 0), 0.99)).toBe(10);
    expect(boundOf(of(0, 0, 0, 1), 0.5)).toBe(Number.POSITIVE_INFINITY);
    expect(boundOf(of(0, 0, 0, 0), 0.5)).toBeUndefined();
  });

  it('counts the values since the last look, and is never negative after a restart', () => {
    expect(countedSince(of(5, 4, 3, 2), of(1, 1, 1, 1)).counts).toEqual([4, 3, 2, 1]);
    expect(countedSince(of(5, 4, 3, 2), undefined).counts).toEqual([5, 4, 3, 2]);
    expect(countedSince(of(1, 0, 0, 0), of(9, 9, 9, 9)).counts).toEqual([0, 0, 0, 0]);
  });

  it('is interpolated within its bucket', () => {
    expect(percentilesOf(of(100, 0, 0, 0))).toEqual({ p50: 0.5, p95: 0.95, p99: 0.99 });
    expect(percentilesOf(of(50, 50, 0, 0))).toEqual({ p50: 1, p95: 4.6, p99: 4.92 });
    expect(percentilesOf(of(0, 0, 1, 0))).toEqual({ p50: 7.5, p95: 9.75, p99: 9.95 });
  });

  it('is the last bound beyond it, and undefined where nothing was counted', () => {
    expect(percentilesOf(of(0, 0, 0, 3))).toEqual({ p50: 10, p95: 10, p99: 10 });
    expect(percentilesOf(of(0, 0, 0, 0))).toBeUndefined();
    expect(percentilesOf({ bounds: [], counts: [], sum: 0 })).toBeUndefined();
  });

  it('lies in the bucket that holds the value at its rank, whatever was counted', () => {
    const counts = fc.array(fc.nat(1000), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(counts, (many) => {
        const histogram = of(...many);
        const found = percentilesOf(histogram);
        if (many.every((count) => count === 0)) {
          expect(found).toBeUndefined();
          return;
        }
        const { p50, p95, p99 } = found!;
        expect(p50).toBeLessThanOrEqual(p95);
        expect(p95).toBeLessThanOrEqual(p99);
        for (const [share, value] of [
          [0.5, p50],
          [0.95, p95],
          [0.99, p99],
        ] as const) {
          const upper = boundOf(histogram, share)!;
          const lower = [0, 1, 5, 10][[1, 5, 10, Number.POSITIVE_INFINITY].indexOf(upper)]!;
          expect(value).toBeGreaterThanOrEqual(lower);
          expect(value).toBeLessThanOrEqual(upper);
        }
      }),
    );
  });

  it('of several shards is that of all their values', () => {
    const together = countedTogether([of(1, 2, 3, 4), of(5, 0, 0, 1)]);
    expect(together.counts).toEqual([6, 2, 3, 5]);
  });
});
