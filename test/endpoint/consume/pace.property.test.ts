/** How far a member leases ahead, over random work: quick and slow handlers, pauses, and handlers that end all at once. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pace } from '../../../src/endpoint/consume/pace.js';
import { PREFETCH_MAX, PREFETCH_MS } from '../../../src/protocol/limits/consumers.js';

/** Handlers run for `ms`, then `handled` of them have ended; after a pause no handler runs for `idleMs`. */
const WORK = fc.record({
  ms: fc.integer({ min: 0, max: 400 }),
  handled: fc.integer({ min: 0, max: 5000 }),
  idleMs: fc.integer({ min: 0, max: 100_000 }),
});
type Work = typeof WORK extends fc.Arbitrary<infer T> ? T : never;

/** What `note` says after each piece of work. */
function play(works: readonly Work[], idles: boolean): number[] {
  const pace = new Pace();
  let now = 0;
  return works.map(({ ms, handled, idleMs }) => {
    if (idles) now += idleMs;
    pace.begin(now);
    now += ms;
    return pace.note(handled, now, false);
  });
}

/** The pace of a member whose handlers have ended in rounds of `handled` every `ms` for a second. */
function steady(pace: Pace, handled: number, ms: number, from = 0): number {
  for (let now = from + ms; now <= from + 1000; now += ms) pace.note(handled, now, true);
  return pace.ahead;
}

describe('the pace of a member', () => {
  it('is none or a power of two up to the limit, and is lowered only to less than half', () => {
    const allowed = new Set([0]);
    for (let ahead = 1; ahead <= PREFETCH_MAX; ahead *= 2) allowed.add(ahead);
    fc.assert(
      fc.property(fc.array(WORK, { maxLength: 100 }), (works) => {
        let before = 0;
        for (const ahead of play(works, true)) {
          expect(allowed).toContain(ahead);
          if (ahead < before) expect(ahead * 2).toBeLessThan(before);
          before = ahead;
        }
      }),
    );
  });

  it('does not count the time in which no handler runs', () => {
    fc.assert(
      fc.property(fc.array(WORK, { maxLength: 60 }), (works) => {
        expect(play(works, true)).toEqual(play(works, false));
      }),
    );
  });

  it('covers what steady handlers take in the time to lease ahead, and less than twice as much', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 10 }),
        (handled, ms) => {
          const pace = new Pace();
          pace.begin(0);
          const wanted = (handled * PREFETCH_MS) / ms;
          const ahead = steady(pace, handled, ms);
          expect(ahead).toBeGreaterThanOrEqual(Math.min(wanted, PREFETCH_MAX));
          // The stretch that is measured may hold one round more than its time.
          expect(ahead).toBeLessThan(2 * (wanted + handled));
        },
      ),
    );
  });

  it('is not quick because many slow handlers end at once', () => {
    const pace = new Pace();
    pace.begin(0);
    // 100 handlers take 2 s each and end together: one event in 20 ms.
    const said: number[] = [];
    for (let round = 1; round <= 20; round++) said.push(pace.note(100, round * 2000, true));
    // Each stretch is judged by more time than the burst took.
    expect(Math.max(...said)).toBeLessThanOrEqual(32);
  });

  it('falls to none when handlers become slow', () => {
    const pace = new Pace();
    pace.begin(0);
    expect(steady(pace, 10, 1)).toBeGreaterThan(100);
    expect(steady(pace, 0, 1, 1000)).toBe(0);
  });
});
