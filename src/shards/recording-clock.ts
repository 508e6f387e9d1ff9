import { uptime } from 'node:os';
import {
  CLOCK_CATCH_UP_DIVISOR,
  CLOCK_CAUTION_MS,
  CLOCK_CONFIRM_MS,
  CLOCK_STEP_MS,
} from '../protocol/limits.js';

/**
 * The time at which a shard records events. It follows the wall clock, but somebody may set that, and then:
 *
 * ```
 *   put forward   the recorded time goes on by the monotonic clock, as if nothing had happened, until the wall clock has
 *                 stayed there for CLOCK_CONFIRM_MS; then it follows
 *   put back      the recorded time never runs backwards: it goes on at a fraction of its pace until the wall clock is there
 *   asleep        the monotonic clock stood still, and the machine's uptime did not: no step, it follows at once
 * ```
 *
 * One thread's. Read at every turn of its loop, and at least as often as a parked shard wakes.
 */
export interface ClockSources {
  /** ms since 1970. */
  wall(): number;
  /** ms; never steps, and may stand still while the machine sleeps. */
  elapsed(): number;
  /** ms; never steps, and counts sleep. Asked only where the other two disagree. */
  uptime(): number;
}

/** What the wall clock did, for those who are to be told. */
export interface ClockStep {
  readonly kind: 'put forward' | 'confirmed' | 'put back' | 'ahead at open';
  readonly ms: number;
}

const SYSTEM: ClockSources = {
  wall: () => Date.now(),
  elapsed: () => performance.now(),
  uptime: uptimeMs,
};

/** Where the platform does not let it be known, no sleep is told from a step. */
function uptimeMs(): number {
  try {
    return uptime() * 1000;
  } catch {
    return performance.now();
  }
}

/** Where a platform counts the uptime in whole seconds, two readings are off by so much. */
const UPTIME_ERROR_MS = 1000;

export class RecordingClock {
  readonly #sources: ClockSources;
  readonly #onStep: (step: ClockStep) => void;
  /** How far the wall clock is ahead of the monotonic one, as it is believed. */
  #offset: number;
  /** A wall clock that was put forward, and when that was seen. */
  #suspect: { readonly offset: number; readonly seenAt: number } | undefined;
  /** The least offset that was believed before the last step forward, and until when it is the one to delete by. */
  #cautiousOffset = 0;
  #cautiousUntil = Number.NEGATIVE_INFINITY;
  /** Uptime less monotonic time: what the machine has slept, and a constant. */
  #slept: number;
  #recorded: number;
  /** The wall clock at the last reading, and what was recorded then. */
  #wall = 0;
  #whole = 0;
  #readAt: number;

  /** `lastRecordedAt`: of the log's newest event. */
  constructor(
    lastRecordedAt = 0,
    onStep: (step: ClockStep) => void = () => {},
    sources: ClockSources = SYSTEM,
  ) {
    this.#sources = sources;
    this.#onStep = onStep;
    this.#readAt = sources.elapsed();
    this.#offset = sources.wall() - this.#readAt;
    this.#slept = sources.uptime() - this.#readAt;
    this.#recorded = lastRecordedAt;
    const aheadMs = lastRecordedAt - sources.wall();
    if (aheadMs > CLOCK_STEP_MS) onStep({ kind: 'ahead at open', ms: aheadMs });
  }

  /** ms since 1970, whole; never less than before. */
  now(): number {
    const elapsed = this.#sources.elapsed();
    this.#wall = this.#sources.wall();
    this.#judge(this.#wall - elapsed, elapsed);
    const believed = elapsed + this.#offset;
    const caughtUp = this.#recorded + (elapsed - this.#readAt) / CLOCK_CATCH_UP_DIVISOR;
    this.#recorded = believed >= this.#recorded ? believed : Math.max(caughtUp, believed);
    this.#readAt = elapsed;
    // The sum of two fractions may miss the whole number that the wall clock showed.
    this.#whole = Math.floor(this.#recorded + 1e-3);
    return this.#whole;
  }

  /** The same for each of many events: looked at closely only where the wall clock shows another millisecond. */
  nowForNext(): number {
    return this.#sources.wall() === this.#wall ? this.#whole : this.now();
  }

  /** What is to be judged by its age is judged at this time: one step alone makes nothing old. */
  nowWithCaution(): number {
    const recorded = this.now();
    if (this.#readAt >= this.#cautiousUntil) return recorded;
    return Math.min(recorded, Math.floor(this.#readAt + this.#cautiousOffset));
  }

  /** The recorded time less the wall clock; 0 but for a while after a step. */
  get aheadMs(): number {
    const aheadMs = this.now() - this.#sources.wall();
    return Math.abs(aheadMs) <= 1 ? 0 : aheadMs;
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

  /** Whether the step is the time for which the machine was asleep. */
  #hasSlept(stepMs: number, elapsed: number): boolean {
    const slept = this.#sources.uptime() - elapsed;
    const sleptMs = slept - this.#slept;
    if (sleptMs < stepMs - CLOCK_STEP_MS - UPTIME_ERROR_MS) return false;
    this.#slept = slept;
    return true;
  }
}
