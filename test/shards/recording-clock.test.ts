import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CLOCK_CAUTION_MS, CLOCK_CONFIRM_MS } from '../../src/protocol/limits/shards.js';
import { Machine, MINUTE } from './clock-machine.js';

describe('recorded time', () => {
  test('equals the wall clock as long as nobody sets that', () => {
    const machine = new Machine();
    const clock = machine.clock();
    for (let n = 0; n < 100; n++) {
      machine.pass(777, clock);
      expect(clock.now()).toBe(machine.truth);
    }
    expect([clock.aheadMs, machine.steps]).toEqual([0, []]);
  });

  test('does not follow a clock that is put forward for a short time', () => {
    const machine = new Machine();
    const clock = machine.clock();
    machine.wrong = 10 * 365 * 24 * 60 * MINUTE;
    machine.pass(CLOCK_CONFIRM_MS / 2, clock);
    expect(clock.now()).toBe(machine.truth);
    expect(clock.aheadMs).toBe(-machine.wrong);
    machine.wrong = 0;
    machine.pass(1000, clock);
    expect(clock.now()).toBe(machine.truth);
    expect(machine.steps).toEqual(['put forward']);
  });

  test('follows a clock that stays put forward', () => {
    const machine = new Machine();
    const clock = machine.clock();
    machine.wrong = 30 * MINUTE;
    machine.pass(CLOCK_CONFIRM_MS + 1000, clock);
    expect(clock.now()).toBe(machine.sources.wall());
    expect(machine.steps).toEqual(['put forward', 'confirmed']);
  });

  test('follows at once if the machine has only slept', () => {
    const machine = new Machine();
    const clock = machine.clock();
    for (let night = 0; night < 3; night++) {
      machine.sleep(8 * 60 * MINUTE);
      machine.pass(250, clock);
      expect(clock.now()).toBe(machine.truth);
      expect(clock.nowWithCaution()).toBe(machine.truth);
    }
    expect(machine.steps).toEqual([]);
  });

  test('never runs backwards, and lets a clock that was put back catch up', () => {
    const machine = new Machine();
    const clock = machine.clock();
    const before = clock.now();
    machine.wrong = -MINUTE;
    machine.pass(10_000, clock);
    expect(clock.now()).toBe(before + 1000);
    expect(clock.aheadMs).toBe(MINUTE - 9000);
    machine.pass(MINUTE, clock);
    expect(clock.now()).toBe(machine.sources.wall());
    expect(machine.steps).toEqual(['put back']);
  });

  test('recovers by itself if a clock that was ahead wrote the log', () => {
    const machine = new Machine();
    const last = machine.truth + 10 * MINUTE;
    const clock = machine.clock(last);
    expect(machine.steps).toEqual(['ahead at open']);
    expect(clock.now()).toBeGreaterThanOrEqual(last);
    machine.pass(12 * MINUTE, clock);
    expect(clock.now()).toBe(machine.truth);
  });

  test('lets no event age by a step of the clock alone', () => {
    const machine = new Machine();
    const clock = machine.clock();
    machine.wrong = 24 * 60 * MINUTE;
    machine.pass(CLOCK_CONFIRM_MS + 1000, clock);
    expect(clock.now()).toBe(machine.sources.wall());
    expect(clock.nowWithCaution()).toBe(machine.truth);
    machine.wrong += 60 * MINUTE;
    machine.pass(CLOCK_CAUTION_MS - 1000, clock);
    expect(clock.nowWithCaution()).toBe(machine.truth);
    machine.pass(2000, clock);
    expect(clock.nowWithCaution()).toBe(machine.sources.wall());
  });

  test('property: never runs backwards, and is right once the clock is right', () => {
    const move = fc.record({
      pass: fc.nat({ max: 120_000 }),
      wrong: fc.option(fc.integer({ min: -5 * MINUTE, max: 5 * MINUTE })),
      sleep: fc.option(fc.nat({ max: 60 * MINUTE })),
    });
    fc.assert(
      fc.property(fc.array(move, { maxLength: 12 }), (moves) => {
        const machine = new Machine();
        const clock = machine.clock();
        let last = clock.now();
        const look = (): void => {
          const now = clock.now();
          expect(now).toBeGreaterThanOrEqual(last);
          expect(clock.nowWithCaution()).toBeLessThanOrEqual(now);
          last = now;
        };
        for (const { pass, wrong, sleep } of moves) {
          machine.sleep(sleep ?? 0);
          machine.wrong = wrong ?? machine.wrong;
          look();
          machine.pass(pass, clock);
          look();
        }
        machine.wrong = 0;
        // A lead of five minutes at most shrinks while time passes, or a step is unconfirmed for a minute.
        machine.pass(8 * MINUTE, clock);
        expect(Math.abs(clock.now() - machine.truth)).toBeLessThanOrEqual(1000);
      }),
      { numRuns: 50 },
    );
  });
});
