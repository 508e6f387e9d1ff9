import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  RETENTION_ROWS_MAX,
  RETENTION_ROWS_MIN,
  RETENTION_STEP_MS,
} from '../../../src/protocol/limits/store.js';
import { StepPace } from '../../../src/store/sqlite/retention/step-pace.js';

const SMALL = 200;
const PAGE = 16 * 1024;

/** A machine on which a row costs so much, ms. */
class Machine {
  now = 0;
  rowMs: number;
  readonly pace = new StepPace(() => this.now);

  constructor(rowMs: number) {
    this.rowMs = rowMs;
  }

  /** Does a step with as many rows as it takes, of those that there are. @returns how many, and how long it took */
  step(there = Number.POSITIVE_INFINITY, bytes = SMALL): { rows: number; ms: number } {
    this.pace.begin();
    let rows = 0;
    while (rows < there && this.pace.take(bytes)) rows++;
    const ms = rows * this.rowMs * (1 + Math.floor(bytes / PAGE));
    this.pace.time(() => {
      this.now += ms;
    });
    return { rows, ms };
  }
}

describe('the size of a step of a removal', () => {
  it('comes to take the time that it should, whatever a row costs', () => {
    const cost = fc.double({ min: 0.011, max: 0.6, noNaN: true });
    fc.assert(
      fc.property(cost, cost, (first, then) => {
        const machine = new Machine(first);
        for (const rowMs of [first, then]) {
          machine.rowMs = rowMs;
          for (let n = 0; n < 20; n++) machine.step();
          const { ms } = machine.step();
          expect(ms).toBeLessThanOrEqual(RETENTION_STEP_MS * 1.1);
          expect(ms).toBeGreaterThanOrEqual(RETENTION_STEP_MS * 0.6);
        }
      }),
    );
  });

  it('has bounds where rows cost next to nothing, and where each costs too much', () => {
    const machine = new Machine(0.0001);
    for (let n = 0; n < 20; n++) machine.step();
    expect(machine.step().rows).toBe(RETENTION_ROWS_MAX);
    machine.rowMs = 50;
    for (let n = 0; n < 10; n++) machine.step();
    expect(machine.step().rows).toBe(RETENTION_ROWS_MIN);
  });

  it('stays where there is little to do, so that a large step does not come unawares', () => {
    const machine = new Machine(0.2);
    for (let n = 0; n < 100; n++) machine.step(3);
    expect(machine.step().rows).toBe(64);
  });

  it('counts large rows by their pages, and takes one at least', () => {
    const machine = new Machine(0.01);
    expect(machine.step(100, 8 * PAGE).rows).toBe(7);
    expect(machine.step(100, 10_000 * PAGE).rows).toBe(1);
    const slow = new Machine(0.5);
    for (let n = 0; n < 20; n++) slow.step(100, 8 * PAGE);
    expect(slow.step(100, 8 * PAGE).rows).toBeLessThanOrEqual(3);
  });

  it('is over once looking for rows has taken half of its time, but not before the first', () => {
    const machine = new Machine(0.01);
    machine.pace.begin();
    machine.now += RETENTION_STEP_MS;
    expect([machine.pace.isLate, machine.pace.isOver]).toEqual([true, false]);
    machine.pace.take(SMALL);
    expect(machine.pace.isOver).toBe(true);
    machine.pace.begin();
    expect([machine.pace.isLate, machine.pace.isOver]).toEqual([false, false]);
  });
});
