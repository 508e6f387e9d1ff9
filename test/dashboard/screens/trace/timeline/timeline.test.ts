import fc from 'fast-check';
import type { Event } from 'millrace';
import { describe, expect, it } from 'vitest';
import { recentRunsOf } from '../../../../../src/dashboard/screens/trace/recent/recent-runs.js';
import type { Entry } from '../../../../../src/dashboard/screens/trace/run/run.js';
import {
  lanesOf,
  marksOf,
  nearestIn,
  POINT,
} from '../../../../../src/dashboard/screens/trace/timeline/lanes.js';
import {
  moved,
  relative,
  showing,
  ticksOf,
  wholeOf,
  zoomed,
} from '../../../../../src/dashboard/screens/trace/timeline/time-window.js';

function entryOf(key: number, fields: Partial<Event>, at: number, until = at): Entry {
  const event: Event = {
    id: `e${key}`,
    topic: 'a',
    type: 't',
    source: 's',
    timestamp: new Date(at).toISOString(),
    shard: 0,
    sequence: key + 1,
    payload: null,
    ...fields,
  };
  return { key, event, at, until, text: undefined };
}

describe('the window of the timeline', () => {
  it('stays in the run, keeps the time that is zoomed at, and holds what it is asked to show', () => {
    const time = fc.integer({ min: 0, max: 1_000_000 });
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        time,
        time,
        share,
        fc.double({ min: 0.01, max: 10, noNaN: true }),
        (a, b, at, factor) => {
          const whole = wholeOf(Math.min(a, b), Math.max(a, b));
          const point = whole.from + at * (whole.to - whole.from);
          for (const next of [
            zoomed(whole, factor, point, whole),
            moved(zoomed(whole, 0.3, point, whole), factor - 5, whole),
            showing(zoomed(whole, 0.2, whole.from, whole), point, whole),
          ]) {
            expect(next.from).toBeGreaterThanOrEqual(whole.from);
            expect(next.to).toBeLessThanOrEqual(whole.to + 1e-6);
            expect(next.to).toBeGreaterThan(next.from);
          }
          const shown = showing(zoomed(whole, 0.2, whole.from, whole), point, whole);
          expect(point).toBeGreaterThanOrEqual(shown.from - 1e-6);
          expect(point).toBeLessThanOrEqual(shown.to + 1e-6);
        },
      ),
    );
  });

  it('has few marks on its axis, at whole steps', () => {
    expect(ticksOf({ from: 990, to: 3100 }, 1000, 5)).toEqual([1000, 1500, 2000, 2500, 3000]);
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 1e12 }),
        fc.integer({ min: 1, max: 20 }),
        (span, wanted) => {
          const ticks = ticksOf({ from: 0, to: span }, 0, wanted);
          expect(ticks.length).toBeLessThanOrEqual(2 * wanted + 3);
        },
      ),
    );
  });

  it('tells a time as the distance from the first event', () => {
    const texts: [number, string][] = [
      [0, '+0 ms'],
      [340, '+340 ms'],
      [1250, '+1.25 s'],
      [125_300, '+2:05.3'],
      [3_725_000, '+1:02:05'],
      [3 * 86_400_000 + 4 * 3_600_000, '+3 d 4:00:00'],
      [-20, '−20 ms'],
    ];
    for (const [ms, text] of texts) expect(relative(ms)).toBe(text);
  });
});

describe('the lanes of the timeline', () => {
  it('are one for each source, in the order of appearance, and few', () => {
    const entries = ['b', 'a', 'b', 'c', 'd'].map((source, key) =>
      entryOf(key, { source }, 100 - key),
    );
    expect(lanesOf(entries).map(({ name }) => name)).toEqual(['d', 'c', 'b', 'a']);
    const few = lanesOf(entries, 2);
    expect(few.map(({ name }) => name)).toEqual(['d', '3 other sources']);
    expect(few.flatMap((lane) => lane.entries)).toHaveLength(5);
  });

  it('draw few marks, and every entry in one of them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 300 })), {
          maxLength: 200,
        }),
        (times) => {
          const entries = times.map(([at, length], key) => entryOf(key, {}, at, at + length));
          const [lane] = lanesOf(entries);
          if (lane === undefined) return;
          const marks = marksOf(lane, { from: 0, to: 1300 }, 650);
          expect(marks.reduce((sum, { count }) => sum + count, 0)).toBe(times.length);
          for (const kind of ['bar', 'point']) {
            const own = marks.filter((mark) => mark.kind === kind);
            for (const [index, mark] of own.entries()) {
              if (index > 0) expect(mark.from - own[index - 1]!.from).toBeGreaterThanOrEqual(POINT);
            }
          }
        },
      ),
    );
  });

  it('find the entry that a pointer means, and tell failures', () => {
    const failed = entryOf(1, { type: 'agent_failed' }, 500);
    const [lane] = lanesOf([entryOf(0, {}, 100, 400), failed, entryOf(2, {}, 900)]);
    expect(nearestIn(lane!, 320)?.key).toBe(0);
    expect(nearestIn(lane!, 480)?.key).toBe(1);
    const marks = marksOf(lane!, { from: 0, to: 1000 }, 1000);
    expect(marks.map(({ kind, isFault }) => [kind, isFault])).toEqual([
      ['bar', false],
      ['point', true],
      ['point', false],
    ]);
  });
});

describe('recent runs', () => {
  it('are those of the newest events, once each', () => {
    const events = ['r2', undefined, 'r1', 'r2', 'r3'].map((correlationId, key) => {
      const { event } = entryOf(key, { type: `t${key}` }, 1000 - key);
      return correlationId === undefined ? event : { ...event, correlationId };
    });
    expect(recentRunsOf(events, 2)).toMatchObject([
      { correlationId: 'r2', type: 't0' },
      { correlationId: 'r1', type: 't2' },
    ]);
  });
});
