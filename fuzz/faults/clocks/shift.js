import { readFileSync } from 'node:fs';

/**
 * Sets the clock of a process and all its threads: loaded first (`--import` in `NODE_OPTIONS`), it moves `Date` by what
 * the file `FUZZ_CLOCK_FILE` says: `{ fromMs, offsetMs, rate }`, so that at a real time t the clock shows
 * t + offsetMs + (t − fromMs) × rate. Monotonic time stays as it is, as it does on a machine whose clock is set.
 */
const file = process.env.FUZZ_CLOCK_FILE;
const LOOK_MS = 10;

if (file !== undefined) {
  const RealDate = Date;
  const realNow = RealDate.now;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let clock = { fromMs: 0, offsetMs: 0, rate: 0 };

  const look = () => {
    const now = performance.now();
    if (now - lookedAt < LOOK_MS) return;
    lookedAt = now;
    try {
      clock = JSON.parse(readFileSync(file, 'utf8'));
    } catch {
      // It is being written; the next look finds it.
    }
  };
  const shifted = () => {
    look();
    const real = realNow();
    return Math.floor(real + clock.offsetMs + (real - clock.fromMs) * clock.rate);
  };
  const ShiftedDate = class extends RealDate {
    constructor(...args) {
      if (args.length === 0) super(shifted());
      else super(.../** @type {[any]} */ (args));
    }

    /** @override */
    static now() {
      return shifted();
    }
  };
  globalThis.Date = /** @type {DateConstructor} */ (/** @type {unknown} */ (ShiftedDate));
}
