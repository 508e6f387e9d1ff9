import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AlertStatus, nextStatus, type Reading } from '../../src/alerts/alert-state.js';

/** Judgements in order: how long after the one before, and what the condition was. */
const judgements = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 0, max: 40 }),
    condition: fc.constantFrom<Reading['condition']>('holds', 'near', 'clear'),
  }),
  { maxLength: 60, size: 'max' },
);

const START: AlertStatus = { state: 'ok', since: 0 };

function run(steps: { afterMs: number; condition: Reading['condition'] }[], forMs: number) {
  let now = 0;
  let status = START;
  return steps.map(({ afterMs, condition }) => {
    now += afterMs;
    const before = status;
    status = nextStatus(before, { condition, value: 0 }, forMs, now);
    return { now, condition, before, status };
  });
}

describe('the state of an alert', () => {
  it('fires only once its condition has held for its time without a clear judgement', () => {
    fc.assert(
      fc.property(judgements, fc.integer({ min: 0, max: 60 }), (steps, forMs) => {
        /** Since when no judgement was clear and one has held: the model. */
        let heldSince: number | undefined;
        for (const { now, condition, before, status } of run(steps, forMs)) {
          if (condition === 'clear') heldSince = undefined;
          else if (condition === 'holds') heldSince ??= now;
          const begins = status.state === 'firing' && before.state !== 'firing';
          if (begins) {
            expect(condition).toBe('holds');
            expect(now - heldSince!).toBeGreaterThanOrEqual(forMs);
          }
          if (condition === 'holds' && now - heldSince! >= forMs) {
            expect(status.state).toBe('firing');
          }
          expect(status.state === 'ok').toBe(heldSince === undefined);
          if (heldSince !== undefined) expect(status.since).toBe(heldSince);
        }
      }),
    );
  });

  it('ceases to fire with a clear judgement, and with no other', () => {
    fc.assert(
      fc.property(judgements, fc.integer({ min: 0, max: 60 }), (steps, forMs) => {
        for (const { condition, before, status } of run(steps, forMs)) {
          if (before.state !== 'firing') continue;
          expect(status.state).toBe(condition === 'clear' ? 'ok' : 'firing');
        }
      }),
    );
  });

  it('counts from the time that is told, where it is', () => {
    const told: Reading = { condition: 'holds', since: 10, value: 0 };
    expect(nextStatus(START, told, 100, 50)).toEqual({ state: 'pending', since: 10 });
    expect(nextStatus(START, told, 100, 110)).toEqual({ state: 'firing', since: 10 });
    const later: Reading = { condition: 'holds', since: 60, value: 0 };
    expect(nextStatus({ state: 'pending', since: 10 }, later, 100, 110)).toEqual({
      state: 'pending',
      since: 60,
    });
  });
});
