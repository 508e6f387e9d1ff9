import { describe, expect, it } from 'vitest';
import { backoffMs } from '../../src/client/backoff.js';

const limits = { baseMs: 500, maxMs: 20_000, floorMs: 100 };

describe('the wait before a new try', () => {
  it('is drawn below a bound that doubles up to its greatest, and never below its floor', () => {
    const bounds = Array.from({ length: 8 }, (_, attempt) => backoffMs(attempt, limits, 1));
    expect(bounds).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
    for (const attempt of [0, 3, 60, 5000]) expect(backoffMs(attempt, limits, 0)).toBe(100);
    expect(backoffMs(2, limits, 0.5)).toBe(1050);
    expect(backoffMs(1e9, limits, 1)).toBe(20_000);
  });

  it('is the floor where that is above the bound', () => {
    expect(backoffMs(0, { baseMs: 10, maxMs: 20, floorMs: 50 }, 0.9)).toBe(50);
  });
});
