import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SCHEDULE_LATE_MS, SCHEDULE_MISSED_MAX } from '../../src/protocol/limits/schedules.js';
import { DueTimes } from '../../src/schedules/due-times.js';
import { passedOver } from '../../src/schedules/missed.js';

const at = (text: string): number => Date.parse(text);
const texts = (times: readonly number[]): string[] =>
  times.map((time) => new Date(time).toISOString().slice(0, 16));
const berlin = (cron: string): DueTimes => DueTimes.of({ cron, timeZone: 'Europe/Berlin' });

describe('the due times of a cron expression', () => {
  it('take a time that the clock leaves out at the end of the hour that is left out', () => {
    // 02:30 does not exist on 29 March 2026, when clocks go from 02:00 to 03:00 at 01:00 UTC.
    expect(texts(berlin('30 2 * * *').next(at('2026-03-28T00:00Z'), 3))).toEqual([
      '2026-03-28T01:30',
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ]);
  });

  it('take a time that the clock shows twice once, the first time', () => {
    // 02:30 comes twice on 25 October 2026, at 00:30 and at 01:30 UTC.
    expect(texts(berlin('30 2 * * *').next(at('2026-10-24T12:00Z'), 2))).toEqual([
      '2026-10-25T00:30',
      '2026-10-26T01:30',
    ]);
  });

  it('come every hour, also in hours that the clock shows twice or leaves out', () => {
    expect(texts(berlin('0 * * * *').next(at('2026-10-24T23:30Z'), 4))).toEqual([
      '2026-10-25T00:00',
      '2026-10-25T01:00',
      '2026-10-25T02:00',
      '2026-10-25T03:00',
    ]);
    expect(texts(berlin('0 * * * *').next(at('2026-03-28T23:30Z'), 3))).toEqual([
      '2026-03-29T00:00',
      '2026-03-29T01:00',
      '2026-03-29T02:00',
    ]);
  });

  it('may name seconds, and end', () => {
    const times = DueTimes.of({ cron: '*/20 * * * * *' });
    expect(times.next(0, 3)).toEqual([20_000, 40_000, 60_000]);
    expect(DueTimes.of({ cron: '0 0 30 2 *' }).after(0)).toBeUndefined();
  });

  it.each(['*/7 * * * *', '0 9 * * 1-5', '30 2 * * *', '*/30 * * * * *'])(
    'are the same looked at from either side: %s',
    (cron) => {
      const times = berlin(cron);
      fc.assert(
        fc.property(fc.integer({ min: at('2026-03-01Z'), max: at('2026-12-01Z') }), (ms) => {
          const last = times.until(ms, 3);
          expect(last.length).toBe(3);
          expect(last[2]!).toBeLessThanOrEqual(ms);
          expect(times.next(last[0]! - 1, 3)).toEqual(last);
          expect(times.after(last[2]!)!).toBeGreaterThan(ms);
        }),
        { numRuns: 30 },
      );
    },
  );
});

describe('the due times of an interval', () => {
  it('count from the anchor, before it too', () => {
    const times = DueTimes.of({ everyMs: 1000, anchor: 250 });
    expect(times.next(-1800, 3)).toEqual([-1750, -750, 250]);
    expect(times.after(250)).toBe(1250);
    expect(times.until(1249, 2)).toEqual([-750, 250]);
    expect(times.until(1250, 1)).toEqual([1250]);
  });
});

describe('due times that have passed unused', () => {
  const times = DueTimes.of({ everyMs: 60_000 });
  const now = 10_000 * 60_000;
  const before = now - 5 * 60_000;

  it('all come, one come, or none', () => {
    expect(passedOver(times, 'all', before, now)).toBe(before);
    const last = times.after(passedOver(times, 'last', before, now));
    expect(last).toBe(now - 60_000);
    const none = times.after(passedOver(times, 'none', before, now));
    expect(none).toBe(now);
  });

  it('are none while they are not late', () => {
    for (const missed of ['all', 'last', 'none'] as const) {
      const due = now + 60_000;
      expect(times.after(passedOver(times, missed, now, due + SCHEDULE_LATE_MS))).toBe(due);
    }
  });

  it('are bounded: of very many the last ones come', () => {
    const first = times.after(passedOver(times, 'all', 0, now));
    expect(first).toBe(now - (SCHEDULE_MISSED_MAX - 1) * 60_000);
    expect(passedOver(times, 'all', first! - 1, now)).toBe(first! - 1);
  });
});
