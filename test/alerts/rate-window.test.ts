import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateWindow } from '../../src/alerts/rate-window.js';

const OVER_MS = 6000;
/** The window moves on in steps of this. */
const STEP_MS = OVER_MS / 60;

const steps = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 1, max: 500 }),
    events: fc.oneof(fc.constant(0), fc.nat({ max: 100 })),
  }),
  { minLength: 1, maxLength: 300, size: 'max' },
);

describe('a rate', () => {
  it('is the mean over its time, with a window that is late by a step and a judgement at most', () => {
    fc.assert(
      fc.property(steps, (given) => {
        const window = new RateWindow(OVER_MS, 0, 0);
        const seen = [{ at: 0, events: 0 }];
        let now = 0;
        let events = 0;
        for (const { afterMs, events: more } of given) {
          now += afterMs;
          events += more;
          seen.push({ at: now, events });
          const { perSecond, isWhole } = window.rate(now, events);
          expect(isWhole).toBe(now >= OVER_MS);
          if (!isWhole) {
            expect(perSecond).toBeCloseTo((events * 1000) / OVER_MS);
            continue;
          }
          // It is the exact mean since some judgement that is old enough, and not much older.
          const means = seen
            .filter(({ at }) => at <= now - OVER_MS && at > now - OVER_MS - STEP_MS - 1000)
            .map(({ at, events: then }) => ((events - then) * 1000) / (now - at));
          expect(means.some((mean) => Math.abs(mean - perSecond) < 1e-9)).toBe(true);
        }
      }),
    );
  });

  it('is 0 once nothing has come for its time', () => {
    const window = new RateWindow(OVER_MS, 0, 5);
    expect(window.rate(1000, 605)).toEqual({ perSecond: 100, isWhole: false });
    expect(window.rate(6000, 605)).toEqual({ perSecond: 100, isWhole: true });
    expect(window.rate(7000, 605).perSecond).toBe(0);
  });

  it('is no division by a time of 0', () => {
    expect(new RateWindow(OVER_MS, 0, 0).rate(0, 0)).toEqual({ perSecond: 0, isWhole: false });
  });
});
