import { uptime } from 'node:os';
import { CLOCK_WORDS } from '../link/shard-control.js';
import {
  CLOCK_CATCH_UP_DIVISOR,
  CLOCK_CAUTION_MS,
  CLOCK_CONFIRM_MS,
  CLOCK_STEP_MS,
} from '../protocol/limits/shards.js';
import type { RecordedStep } from '../store/recorded-step.js';
import { elapsedMs } from '../threads/elapsed.js';

/**
 * The time at which a shard records events. It follows the wall clock, except after these changes of it:
 *
 * ```
 *   put forward   the recorded time follows the monotonic clock until the wall clock has stayed ahead for
 *                 CLOCK_CONFIRM_MS; then it follows the wall clock
 *   put back      the recorded time never runs backwards: it goes on at a fraction of its pace until the wall clock has
 *                 caught up
 *   asleep        the monotonic clock stood still while the uptime went on: the recorded time follows at once
 * ```
 *
 * A clock belongs to one thread, which reads it in every turn of its loop, and at least as often as a parked shard
 * wakes. A thread that follows another goes on with what that one believed, or a clock that was set would be believed at
 * once where a thread had died.
 */
export interface ClockSources {
  /** ms since 1970. */
  wall(): number;
  /** ms; never steps, and may stand still while the machine sleeps. The same for all threads of the process. */
  elapsed(): number;
  /** ms; never steps, and counts sleep. Asked only where the other two disagree. */
  uptime(): number;
}

/** A change of the wall clock that is reported as a warning. `ms` is how far it stepped, or is ahead. */
export interface ClockStep {
  readonly kind: 'put forward' | 'confirmed' | 'put back' | 'ahead at open';
  readonly ms: number;
}

const SYSTEM: ClockSources = {
  wall: () => Date.now(),
  elapsed: elapsedMs,
  uptime: uptimeMs,
};

/** Where a platform denies the uptime, a sleep of the machine looks like a step of the clock. */
function uptimeMs(): number {
  try {
    return uptime() * 1000;
  } catch {
    return elapsedMs();
  }
}

/** What a clock keeps for its successor: the fields of `RecordingClock` of these names, and whether they are there. */
const IS_KEPT = 0;
const OFFSET = 1;
const SUSPECT_OFFSET = 2;
const SUSPECT_SEEN_AT = 3;
const CAUTIOUS_OFFSET = 4;
const CAUTIOUS_UNTIL = 5;
const SLEPT = 6;
const RECORDED = 7;
const READ_AT = 8;
/** How often recorded time has stepped forward, and the last of these steps: the time before, and by how much. 0: none. */
const STEPS = 9;
const FIRST_STEP = 10;
const STEPS_KEPT = 8;
export const KEPT_CLOCK_FIELDS = FIRST_STEP + 2 * STEPS_KEPT;
if (KEPT_CLOCK_FIELDS > CLOCK_WORDS) throw new Error('a clock keeps more than there is room for');

/** The time that the clock which kept this believes now, ms since 1970; `undefined`: there was none. */
export function believedNow(kept: Float64Array, elapsed = elapsedMs()): number | undefined {
  return kept[IS_KEPT] === 0 ? undefined : Math.floor(elapsed + kept[OFFSET]!);
}

/** By how much recorded time has stepped forward in the threads that kept this, the last few times. */
export function keptSteps(kept: Float64Array): RecordedStep[] {
  const count = Math.min(kept[STEPS]!, STEPS_KEPT);
  return Array.from({ length: count }, (_, n) => {
    const at = placeOfStep(n);
    return { before: kept[at]!, ms: kept[at + 1]! };
  });
}

/** Where the step after so many others is kept. */
function placeOfStep(count: number): number {
  return FIRST_STEP + 2 * (count % STEPS_KEPT);
}

/** The error of the difference of two uptimes on platforms that count whole seconds. */
const UPTIME_ERROR_MS = 1000;

export class RecordingClock {
  readonly #sources: ClockSources;
  readonly #onStep: (step: ClockStep) => void;
  /** How far the wall clock is believed to be ahead of the monotonic one, ms. */
  #offset: number;
  /** The offset after a step forward that is not confirmed yet, and when it was first seen. */
  #suspect: { readonly offset: number; readonly seenAt: number } | undefined;
  /** The least offset that was believed before the last step forward; ages are judged by it until `#cautiousUntil`. */
  #cautiousOffset = 0;
  #cautiousUntil = Number.NEGATIVE_INFINITY;
  /** Uptime minus monotonic time: the time that the machine has slept, plus a constant. */
  #slept: number;
  #recorded: number;
  /** The wall clock at the last reading, and the recorded time then. */
  #wall = 0;
  #whole = 0;
  #readAt: number;
  /** Whether `#recorded` was the recorded time at `#readAt`. */
  #hasRead = false;
  readonly #kept: Float64Array;

  /**
   * `lastRecordedAt`: the recorded time of the log's newest event, ms since 1970. `kept`: memory that outlives the
   * thread, in which its predecessor may have kept what it believed; zeros otherwise.
   */
  constructor(
    lastRecordedAt = 0,
    onStep: (step: ClockStep) => void = () => {},
    sources: ClockSources = SYSTEM,
    kept: Float64Array = new Float64Array(KEPT_CLOCK_FIELDS),
  ) {
    this.#sources = sources;
    this.#onStep = onStep;
    this.#readAt = sources.elapsed();
    this.#offset = sources.wall() - this.#readAt;
    this.#slept = sources.uptime() - this.#readAt;
    this.#recorded = lastRecordedAt;
    this.#kept = kept;
    if (kept[IS_KEPT] !== 0) {
      this.#goOn(kept);
      return;
    }
    const aheadMs = lastRecordedAt - sources.wall();
    if (aheadMs > CLOCK_STEP_MS) onStep({ kind: 'ahead at open', ms: aheadMs });
  }

  /** The recorded time: whole ms since 1970, never less than before. */
  now(): number {
    const elapsed = this.#sources.elapsed();
    this.#wall = this.#sources.wall();
    this.#judge(this.#wall - elapsed, elapsed);
    const believed = elapsed + this.#offset;
    const before = this.#recorded;
    const passedMs = elapsed - this.#readAt;
    const caughtUp = before + passedMs / CLOCK_CATCH_UP_DIVISOR;
    this.#recorded = believed >= before ? believed : Math.max(caughtUp, believed);
    this.#readAt = elapsed;
    this.#keep(before, this.#hasRead ? this.#recorded - before - passedMs : 0);
    this.#hasRead = true;
    // The sum of two fractions may miss the whole number that the wall clock showed.
    this.#whole = Math.floor(this.#recorded + 1e-3);
    return this.#whole;
  }

  /**
   * As `now`, cheaper for each of many events: judges the clocks only when the wall clock shows another millisecond.
   */
  nowForNext(): number {
    return this.#sources.wall() === this.#wall ? this.#whole : this.now();
  }

  /**
   * The time by which ages are judged: for a while after a step forward it ignores that step, so no event ages by it.
   */
  nowWithCaution(): number {
    const recorded = this.now();
    if (this.#readAt >= this.#cautiousUntil) return recorded;
    return Math.min(recorded, Math.floor(this.#readAt + this.#cautiousOffset));
  }

  /**
   * The time by which publishes are due, whole ms since 1970: the recorded time, but never ahead of the wall clock, which
   * is what publishers mean. So a clock that was put forward makes nothing due before it is believed, and after one that
   * was put back everything waits for the wall clock.
   */
  get dueNow(): number {
    return Math.min(this.now(), Math.floor(this.#wall));
  }

  /**
   * The time by which what has expired is removed: `dueNow`, but for a while after a step forward without that step. So a
   * clock that is put right in time has removed nothing.
   */
  get removalNow(): number {
    return Math.min(this.nowWithCaution(), Math.floor(this.#wall));
  }

  /** The recorded time minus the wall clock, ms; 0 except for a while after a step. */
  get aheadMs(): number {
    const aheadMs = this.now() - this.#sources.wall();
    return Math.abs(aheadMs) <= 1 ? 0 : aheadMs;
  }

  /** Believes what the predecessor did, which has also reported what it has seen. */
  #goOn(kept: Float64Array): void {
    this.#forgetStep();
    this.#recorded = Math.max(this.#recorded, kept[RECORDED]!);
    this.#readAt = kept[READ_AT]!;
    this.#hasRead = true;
    this.#offset = kept[OFFSET]!;
    this.#cautiousOffset = kept[CAUTIOUS_OFFSET]!;
    this.#cautiousUntil = kept[CAUTIOUS_UNTIL]!;
    this.#slept = kept[SLEPT]!;
    const seenAt = kept[SUSPECT_SEEN_AT]!;
    if (!Number.isNaN(seenAt)) this.#suspect = { offset: kept[SUSPECT_OFFSET]!, seenAt };
  }

  /**
   * Each field is written whole, in an order in which a thread may die between any two. Its successor then doubts once
   * more; or it is told of a step that recorded time has not taken, and forgets that (`#forgetStep`). A step that was
   * taken and not told would make ids older. Recorded time was `before`, and has stepped by `stepMs` since.
   */
  #keep(before: number, stepMs: number): void {
    const kept = this.#kept;
    const suspect = this.#suspect;
    kept[CAUTIOUS_OFFSET] = this.#cautiousOffset;
    kept[CAUTIOUS_UNTIL] = this.#cautiousUntil;
    kept[SLEPT] = this.#slept;
    if (stepMs > CLOCK_STEP_MS) this.#keepStep(before, stepMs);
    kept[OFFSET] = this.#offset;
    kept[RECORDED] = this.#recorded;
    kept[READ_AT] = this.#readAt;
    kept[SUSPECT_SEEN_AT] = suspect?.seenAt ?? Number.NaN;
    kept[SUSPECT_OFFSET] = suspect?.offset ?? 0;
    kept[IS_KEPT] = 1;
  }

  #keepStep(before: number, ms: number): void {
    const kept = this.#kept;
    const count = kept[STEPS]!;
    const at = placeOfStep(count);
    kept[at] = before;
    kept[at + 1] = ms;
    kept[STEPS] = count + 1;
  }

  /** Forgets the last step where the thread that told of it died before recorded time took it. */
  #forgetStep(): void {
    const kept = this.#kept;
    const last = kept[STEPS]! - 1;
    if (last < 0 || kept[placeOfStep(last)] !== kept[RECORDED]) return;
    kept[placeOfStep(last) + 1] = 0;
    kept[STEPS] = last;
  }

  #judge(offset: number, elapsed: number): void {
    const stepMs = offset - this.#offset;
    if (stepMs > CLOCK_STEP_MS && !this.#hasSlept(stepMs, elapsed)) {
      this.#doubt(offset, elapsed, stepMs);
      return;
    }
    this.#suspect = undefined;
    this.#offset = offset;
    if (stepMs < -CLOCK_STEP_MS) this.#onStep({ kind: 'put back', ms: -stepMs });
  }

  #doubt(offset: number, elapsed: number, stepMs: number): void {
    const suspect = this.#suspect;
    if (suspect === undefined || Math.abs(offset - suspect.offset) > CLOCK_STEP_MS) {
      this.#suspect = { offset, seenAt: elapsed };
      const wasCautious = elapsed < this.#cautiousUntil;
      const before = wasCautious ? this.#cautiousOffset : this.#offset;
      this.#cautiousOffset = Math.min(before, this.#offset);
      this.#cautiousUntil = elapsed + CLOCK_CAUTION_MS;
      this.#onStep({ kind: 'put forward', ms: stepMs });
    } else if (elapsed - suspect.seenAt >= CLOCK_CONFIRM_MS) {
      this.#suspect = undefined;
      this.#offset = offset;
      this.#onStep({ kind: 'confirmed', ms: stepMs });
    }
  }

  /** True if the machine was asleep for as long as the step. */
  #hasSlept(stepMs: number, elapsed: number): boolean {
    const slept = this.#sources.uptime() - elapsed;
    const sleptMs = slept - this.#slept;
    if (sleptMs < stepMs - CLOCK_STEP_MS - UPTIME_ERROR_MS) return false;
    this.#slept = slept;
    return true;
  }
}
