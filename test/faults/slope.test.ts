import { describe, expect, it } from 'vitest';
import { percentilesOf } from '../../fuzz/faults/percentiles.js';
import { slopeOf } from '../../fuzz/faults/slope.js';

describe('the slope of samples', () => {
  it('is exact for points on a line', () => {
    const { slope, error } = slopeOf([
      [0, 1],
      [1, 3],
      [2, 5],
      [4, 9],
    ]);
    expect(slope).toBeCloseTo(2);
    expect(error).toBeCloseTo(0);
  });

  it('has an error that says how far it may be off', () => {
    // By hand: the mean of x is 1.5, of y 1; the squares of x sum to 5, the products to 4, the squared residuals to 2.8.
    const { slope, error } = slopeOf([
      [0, 0],
      [1, 1],
      [2, 0],
      [3, 3],
    ]);
    expect(slope).toBeCloseTo(0.8);
    expect(error).toBeCloseTo(Math.sqrt(2.8 / 2 / 5));
  });

  it('needs three points', () => {
    expect(() =>
      slopeOf([
        [0, 0],
        [1, 1],
      ]),
    ).toThrow(RangeError);
  });
});

describe('percentiles', () => {
  it('are values that were there', () => {
    expect(percentilesOf(Array.from({ length: 100 }, (_, n) => 99 - n))).toEqual({
      p50: 50,
      p99: 99,
    });
    expect(percentilesOf([7])).toEqual({ p50: 7, p99: 7 });
    expect(percentilesOf([])).toBeNull();
  });
});
