import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CLOCK_CAUTION_MS,
  CLOCK_CONFIRM_MS,
  CLOCK_STEP_MS,
} from '../../src/protocol/limits/shards.js';
import {
  believedNow,
  type ClockStep,
  KEPT_CLOCK_FIELDS,
  keptSteps,
  RecordingClock,
} from '../../src/shards/recording-clock.js';
import { passedBetween } from '../../src/store/recorded-step.js';
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

  test('of a thread that follows another goes on with what that one believed', () => {
    const machine = new Machine();
    const kept = new Float64Array(KEPT_CLOCK_FIELDS);
    const first = machine.clock(0, kept);
    machine.pass(1000, first);
    machine.wrong = 10 * 365 * 24 * 60 * MINUTE;
    machine.pass(CLOCK_CONFIRM_MS / 2, first);
    const second = machine.clock(first.now(), kept);
    expect(second.now()).toBe(machine.truth);
    expect(second.dueNow).toBe(machine.truth);
    machine.pass(CLOCK_CONFIRM_MS / 2 + 1000, second);
    // The two threads together have seen it for long enough.
    expect(second.now()).toBe(machine.sources.wall());
    expect(machine.steps).toEqual(['put forward', 'confirmed']);
    const third = machine.clock(second.now(), kept);
    machine.pass(CLOCK_CAUTION_MS - CLOCK_CONFIRM_MS - MINUTE, third);
    expect(third.nowWithCaution()).toBe(machine.truth);
    machine.pass(2 * MINUTE, third);
    expect(third.nowWithCaution()).toBe(machine.sources.wall());
  });

  test('of a thread that follows another sees a clock that was put forward between the two', () => {
    const machine = new Machine();
    const kept = new Float64Array(KEPT_CLOCK_FIELDS);
    machine.clock(0, kept).now();
    machine.wrong = 60 * MINUTE;
    const second = machine.clock(0, kept);
    machine.pass(1000, second);
    expect(second.now()).toBe(machine.truth);
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

  test('is told with the size of each step, and not of one that is no step', () => {
    const machine = new Machine();
    const told: ClockStep[] = [];
    const clock = new RecordingClock(0, (step) => told.push(step), machine.sources);
    clock.now();
    machine.wrong = CLOCK_STEP_MS;
    clock.now();
    expect([told, clock.now()]).toEqual([[], machine.sources.wall()]);
    machine.wrong = 0;
    clock.now();
    expect(told).toEqual([]);
    // Up to a second more may be a sleep, where uptimes are whole seconds.
    const step = CLOCK_STEP_MS + 1001;
    machine.wrong = step;
    clock.now();
    expect(told).toEqual([{ kind: 'put forward', ms: step }]);
    machine.pass(CLOCK_CONFIRM_MS - 1, clock);
    clock.now();
    expect(told).toHaveLength(1);
    machine.pass(1, clock);
    clock.now();
    expect(told.slice(1)).toEqual([{ kind: 'confirmed', ms: step }]);
    machine.wrong = step - CLOCK_STEP_MS;
    clock.now();
    expect(told).toHaveLength(2);
    machine.wrong -= CLOCK_STEP_MS + 1;
    clock.now();
    expect(told.slice(2)).toEqual([{ kind: 'put back', ms: CLOCK_STEP_MS + 1 }]);
  });

  test('is told to be ahead at open only by more than a step, and by how much', () => {
    const machine = new Machine();
    const told: ClockStep[] = [];
    for (const aheadMs of [CLOCK_STEP_MS, CLOCK_STEP_MS + 1]) {
      new RecordingClock(machine.truth + aheadMs, (step) => told.push(step), machine.sources);
    }
    expect(told).toEqual([{ kind: 'ahead at open', ms: CLOCK_STEP_MS + 1 }]);
  });

  test('doubts anew a clock that is put forward once more before it was believed', () => {
    const machine = new Machine();
    const clock = machine.clock();
    machine.wrong = 10 * MINUTE;
    machine.pass(CLOCK_CONFIRM_MS - 1000, clock);
    machine.wrong = 20 * MINUTE;
    machine.pass(CLOCK_CONFIRM_MS - 1000, clock);
    expect(clock.now()).toBe(machine.truth);
    machine.pass(2000, clock);
    expect(clock.now()).toBe(machine.sources.wall());
    expect(machine.steps).toEqual(['put forward', 'put forward', 'confirmed']);
  });

  test('does not follow a clock that is put forward by more than the machine has slept', () => {
    const machine = new Machine();
    const clock = machine.clock();
    machine.sleep(10 * MINUTE);
    machine.wrong = 5 * MINUTE;
    machine.pass(250, clock);
    expect(machine.steps).toEqual(['put forward']);
    // The sleep counts once: a later step of the same size is one of the clock.
    const other = new Machine();
    const rested = other.clock();
    other.sleep(10 * MINUTE);
    other.pass(250, rested);
    other.wrong = 10 * MINUTE;
    other.pass(250, rested);
    expect(other.steps).toEqual(['put forward']);
  });

  test('of due publishes and of removals is never ahead of the wall clock', () => {
    const machine = new Machine();
    const clock = machine.clock();
    clock.now();
    machine.wrong = -10 * MINUTE;
    machine.pass(250, clock);
    expect(clock.now()).toBeGreaterThan(machine.sources.wall());
    expect([clock.dueNow, clock.removalNow]).toEqual([
      machine.sources.wall(),
      machine.sources.wall(),
    ]);
  });

  test('of removals ignores a step forward for a while, which due publishes do not once it is believed', () => {
    const machine = new Machine();
    const clock = machine.clock();
    machine.wrong = 10 * MINUTE;
    machine.pass(1000, clock);
    expect([clock.dueNow, clock.removalNow]).toEqual([machine.truth, machine.truth]);
    machine.pass(CLOCK_CONFIRM_MS, clock);
    expect([clock.dueNow, clock.removalNow]).toEqual([machine.sources.wall(), machine.truth]);
    machine.pass(CLOCK_CAUTION_MS, clock);
    expect(clock.removalNow).toBe(machine.sources.wall());
  });

  test('for each of many events is that of the last reading until the wall clock moves', () => {
    const machine = new Machine();
    let readings = 0;
    const sources = {
      ...machine.sources,
      elapsed: () => {
        readings++;
        return machine.sources.elapsed();
      },
    };
    const clock = new RecordingClock(0, () => {}, sources);
    const first = clock.now();
    const before = readings;
    expect([clock.nowForNext(), clock.nowForNext(), readings]).toEqual([first, first, before]);
    machine.wrong = 3;
    expect(clock.nowForNext()).toBe(first + 3);
  });

  test('that a thread believed can be told from what it has kept', () => {
    const kept = new Float64Array(KEPT_CLOCK_FIELDS);
    expect(believedNow(kept)).toBeUndefined();
    const clock = new RecordingClock(0, () => {}, undefined, kept);
    const before = clock.now();
    const believed = believedNow(kept)!;
    expect(believed).toBeGreaterThanOrEqual(before - 1);
    expect(believed).toBeLessThanOrEqual(clock.now() + 1);
  });

  test('of a thread that follows another tells how far it has stepped, and when', () => {
    const machine = new Machine();
    const kept = new Float64Array(KEPT_CLOCK_FIELDS);
    const first = machine.clock(0, kept);
    machine.pass(1000, first);
    expect(keptSteps(kept)).toEqual([]);
    machine.wrong = 60 * MINUTE;
    machine.pass(CLOCK_CONFIRM_MS + 1000, first);
    const [step, ...others] = keptSteps(kept);
    expect(others).toEqual([]);
    expect(Math.abs(step!.ms - 60 * MINUTE)).toBeLessThan(1);
    expect(step!.before).toBeLessThanOrEqual(machine.truth);
    const last = first.now();
    // The time without a thread is no step.
    machine.pass(2 * MINUTE);
    const second = machine.clock(last, kept);
    machine.pass(1000, second);
    machine.wrong = 0;
    machine.pass(1000, second);
    expect(keptSteps(kept)).toHaveLength(1);
  });

  test('tells of its step wherever a thread dies that takes it, and once', () => {
    // Steps of before fill what is kept, so that each further one replaces another.
    for (const stepsBefore of [0, 9]) {
      for (let dieAt = 1; ; dieAt++) {
        const machine = new Machine();
        const kept = new Float64Array(KEPT_CLOCK_FIELDS);
        const first = machine.clock(0, kept);
        first.now();
        const stepForward = (): void => {
          machine.wrong += 60 * MINUTE;
          machine.pass(250, first);
        };
        for (let n = 0; n < stepsBefore; n++) {
          stepForward();
          machine.pass(CLOCK_CONFIRM_MS, first);
        }
        const stored = first.now();
        const storedAt = machine.sources.elapsed();
        stepForward();
        machine.pass(CLOCK_CONFIRM_MS - 250, first);
        machine.pass(250);
        let writes = 0;
        const dying = new Proxy(kept, {
          set(target, at, value) {
            if (++writes === dieAt) throw new Error('dies');
            return Reflect.set(target, at, value);
          },
        });
        const second = machine.clock(stored, dying);
        let hasDied = false;
        try {
          second.now();
        } catch {
          hasDied = true;
        }
        const passedMs = machine.sources.elapsed() - storedAt;
        const opened = believedNow(kept, machine.sources.elapsed())!;
        expect(passedBetween(stored, opened, keptSteps(kept))).toBeLessThanOrEqual(passedMs);
        const now = machine.clock(stored, kept).now();
        const knownMs = passedBetween(stored, now, keptSteps(kept));
        expect(Math.abs(knownMs - passedMs)).toBeLessThan(2);
        if (!hasDied) break;
      }
    }
  });

  test('property: without its steps no more passes between two recorded times than has passed', () => {
    const move = fc.record({
      pass: fc.nat({ max: 5 * MINUTE }),
      wrong: fc.option(fc.integer({ min: -60 * MINUTE, max: 60 * MINUTE })),
      sleep: fc.option(fc.nat({ max: 60 * MINUTE })),
      isReplaced: fc.boolean(),
    });
    fc.assert(
      // No more moves than steps are kept.
      fc.property(fc.array(move, { minLength: 1, maxLength: 4 }), (moves) => {
        const machine = new Machine();
        const kept = new Float64Array(KEPT_CLOCK_FIELDS);
        let clock = machine.clock(0, kept);
        const seen = [{ recorded: clock.now(), elapsed: machine.sources.elapsed() }];
        for (const { pass, wrong, sleep, isReplaced } of moves) {
          machine.sleep(sleep ?? 0);
          machine.wrong = wrong ?? machine.wrong;
          if (isReplaced) clock = machine.clock(seen.at(-1)!.recorded, kept);
          machine.pass(pass, clock);
          seen.push({ recorded: clock.now(), elapsed: machine.sources.elapsed() });
        }
        const steps = keptSteps(kept);
        const last = seen.at(-1)!;
        for (const { recorded, elapsed } of seen) {
          const passedMs = passedBetween(recorded, last.recorded, steps);
          // Each move may change the clock by what is no step yet.
          const mostMs = last.elapsed - elapsed + 2 * moves.length * CLOCK_STEP_MS;
          expect(passedMs).toBeLessThanOrEqual(mostMs);
        }
      }),
    );
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
