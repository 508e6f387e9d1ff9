import { describe, expect, it } from 'vitest';
import { boundOf, countedSince, readableBound } from '../../src/cli/percentiles.js';

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

  it('is shown as a bound', () => {
    expect(readableBound(of(0, 1, 0, 0), 0.5)).toBe('≤ 5 ms');
    expect(readableBound(of(0, 0, 0, 1), 0.5)).toBe('> 10 ms');
    expect(readableBound(of(0, 0, 0, 0), 0.5)).toBe('-');
  });
});
