import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs, retryMs } from '../../src/client/backoff.js';

const limits = { baseMs: 500, maxMs: 20_000, floorMs: 100 };

describe('the wait before a new try', () => {
  it('is random below a bound that doubles up to its maximum, and never below the floor', () => {
    const bounds = Array.from({ length: 8 }, (_, attempt) => backoffMs(attempt, limits, 1));
    expect(bounds).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
    for (const attempt of [0, 3, 60, 5000]) expect(backoffMs(attempt, limits, 0)).toBe(100);
    expect(backoffMs(2, limits, 0.5)).toBe(1050);
    expect(backoffMs(1e9, limits, 1)).toBe(20_000);
  });

  it('is the floor if that is above the bound', () => {
    expect(backoffMs(0, { baseMs: 10, maxMs: 20, floorMs: 50 }, 0.9)).toBe(50);
  });
});

describe('the wait that a server asked for', () => {
  const asked = fc.double({ min: 1, max: 2 ** 31 - 1, noNaN: true });
  const drawn = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const attempts = fc.nat({ max: 100 });

  it('is kept, and exceeded by at most half, or by the wait that earlier tries cost', () => {
    fc.assert(
      fc.property(attempts, asked, drawn, (attempt, askedMs, random) => {
        const waitMs = retryMs(attempt, limits, askedMs, random);
        expect(waitMs).toBeGreaterThanOrEqual(Math.floor(askedMs));
        const most = Math.max(backoffMs(attempt, limits, 1), Math.ceil(askedMs * 1.5));
        expect(waitMs).toBeLessThanOrEqual(most);
        // Beyond, a timer ends at once.
        expect(waitMs).toBeLessThan(2 ** 31);
      }),
    );
  });

  it('varies with the random number, so that clients refused together do not come back together', () => {
    fc.assert(
      fc.property(attempts, asked, drawn, drawn, (attempt, askedMs, one, other) => {
        const waits = [one, other].map((random) => retryMs(attempt, limits, askedMs, random));
        expect(Math.sign(waits[0]! - waits[1]!) * Math.sign(one - other)).toBeGreaterThanOrEqual(0);
      }),
    );
    const drawnEvenly = Array.from({ length: 1000 }, (_, n) =>
      retryMs(0, limits, 30_000, n / 1000),
    );
    const slots = new Set(drawnEvenly.map((ms) => Math.floor(ms / 1000)));
    expect([...slots]).toEqual(Array.from({ length: 15 }, (_, n) => 30 + n));
  });

  it('is the usual wait if it asked for none', () => {
    expect(retryMs(2, limits, 0, 0.5)).toBe(backoffMs(2, limits, 0.5));
  });
});
