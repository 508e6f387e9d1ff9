import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';

/**
 * The clock of the server is set while it works: by an hour or ten years, forward and back, or slewed, and sometimes set
 * right again; and the whole process stands still for a while, as on a machine that sleeps.
 *
 * Two ways lead to another clock: a `Date` that is moved in every thread (`shift.js`), and libfaketime under the whole
 * process, which also moves what the libraries and the database see.
 */
const SHIFT = new URL('./shift.js', import.meta.url).href;
const HOUR_MS = 3_600_000;
const TEN_YEARS_MS = 10 * 365.25 * 24 * HOUR_MS;
/** Steps by which no id is forgotten before its time. */
export const SHORT_STEPS_MS = [5000, -5000, 400, -400];
const STEPS_MS = [HOUR_MS, -HOUR_MS, TEN_YEARS_MS, -TEN_YEARS_MS, ...SHORT_STEPS_MS];
/** How fast a slewed clock drifts, as a share of the time that passes. */
const RATES = [0.1, -0.1, 0.0005, 1];
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';
export const faketimeLibrary = FAKETIME;

/** A clock that is set by a moved `Date`. */
export class ShiftedClock {
  #file;
  #at = { fromMs: 0, offsetMs: 0, rate: 0 };

  prepare({ folder, environment }) {
    this.#file = join(folder, 'clock.json');
    this.set(0);
    environment.FUZZ_CLOCK_FILE = this.#file;
    environment.NODE_OPTIONS = `${environment.NODE_OPTIONS ?? ''} --import ${SHIFT}`.trim();
  }

  /** Moves the clock by `offsetMs` against the real one; `rate` lets it drift from there on. */
  set(offsetMs, rate = 0) {
    this.#at = { fromMs: Date.now(), offsetMs, rate };
    replace(this.#file, JSON.stringify(this.#at));
  }

  get offsetMs() {
    const { fromMs, offsetMs, rate } = this.#at;
    return offsetMs + (Date.now() - fromMs) * rate;
  }
}

/** A clock that is set by libfaketime; with `isMonotonicMoved` the monotonic clock moves too, as no real machine's does. */
export class FakedClock {
  #file;
  #isMonotonicMoved;
  offsetMs = 0;

  constructor(isMonotonicMoved = false) {
    this.#isMonotonicMoved = isMonotonicMoved;
  }

  prepare({ folder, environment }) {
    this.#file = join(folder, 'faketime');
    this.set(0);
    Object.assign(environment, {
      LD_PRELOAD: FAKETIME,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: this.#isMonotonicMoved ? '0' : '1',
      DONT_FAKE_MONOTONIC: this.#isMonotonicMoved ? '0' : '1',
    });
  }

  set(offsetMs, rate = 0) {
    this.offsetMs = offsetMs;
    const sign = offsetMs < 0 ? '-' : '+';
    const speed = rate === 0 ? '' : ` x${1 + rate}`;
    replace(this.#file, `${sign}${Math.abs(offsetMs) / 1000}${speed}\n`);
  }
}

/**
 * The fault: steps and drifts of a clock, which stay until the next, or are taken back.
 */
export function clockFault(clock, steps = STEPS_MS) {
  let isTakenBack = false;
  return {
    name: 'clock',
    movesClocks: true,
    prepare: async (world) => clock.prepare(world),
    inject: async (random) => {
      isTakenBack = random.chance(0.4);
      if (random.chance(0.25)) {
        const rate = random.pick(RATES);
        clock.set(clock.offsetMs, rate);
        return `slewed by ${rate}`;
      }
      const step = random.pick(steps);
      // It stays within twenty years of the truth, where every date can be written.
      const offset = clock.offsetMs + step;
      const isFar = Math.abs(offset) > 2 * TEN_YEARS_MS;
      clock.set(isFar ? 0 : offset);
      return `set by ${isFar ? 'all of it, back' : `${step / 1000} s`}`;
    },
    heal: async () => {
      if (isTakenBack) clock.set(0);
    },
  };
}

/** The process stands still, for longer than a heartbeat. */
export const suspend = {
  name: 'suspend',
  inject: async (random, { subject }) => {
    if (!subject.freeze()) return undefined;
    const ms = 200 + random.below(4000);
    await pass(ms);
    subject.thaw();
    return `${ms} ms`;
  },
};

/** In one step, so that nobody reads half of it. */
function replace(file, text) {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}
