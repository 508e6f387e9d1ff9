import { describe, expect, it } from 'vitest';
import { readableBound } from '../../src/cli/percentiles.js';

const of = (...counts: number[]) => ({ bounds: [1, 5, 10], counts, sum: 0 });

describe('a percentile of a histogram', () => {
  it('is shown as a bound', () => {
    expect(readableBound(of(0, 1, 0, 0), 0.5)).toBe('≤ 5 ms');
    expect(readableBound(of(0, 0, 0, 1), 0.5)).toBe('> 10 ms');
    expect(readableBound(of(0, 0, 0, 0), 0.5)).toBe('-');
  });
});
