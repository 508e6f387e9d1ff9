/**
 * Decides when a thread that died (a shard's, a gateway's) is started again: at once if it had made progress, after
 * longer and longer waits if it had not, and never after too many such tries. Times are in ms, of any one clock.
 */
import { SHARD_RESTARTS_MAX } from '../protocol/limits/shards.js';

const BACKOFF_MS = 50;
/** The wait before a log that found no room to open is tried again, ms; there is no limit to these tries. */
const FULL_WAIT_MS = 1000;
/** A thread that was ready for this long, ms, does not count as a failed try. */
const LIFE_MIN_MS = 1000;

export interface RestartLimits {
  /** How many tries without progress, one after another, before the thread is given up. */
  readonly triesMax: number;
  /** The longest wait between two tries, ms. */
  readonly waitMsMax: number;
}

const OF_SHARDS: RestartLimits = {
  triesMax: SHARD_RESTARTS_MAX,
  waitMsMax: Number.POSITIVE_INFINITY,
};

export class RestartPolicy {
  readonly #limits: RestartLimits;
  #failedTries = 0;
  #progressAtStart = 0;
  #readyAt: number | undefined;

  constructor(limits: RestartLimits = OF_SHARDS) {
    this.#limits = limits;
  }

  /** A thread is started; `progress` is a number that grows with the work that these threads get done. */
  started(progress: number): void {
    this.#progressAtStart = progress;
    this.#readyAt = undefined;
  }

  /** The thread has opened its log or its port; its life counts from here. */
  ready(now: number): void {
    this.#readyAt = now;
  }

  /**
   * The thread has ended. Returns how long to wait before the next one, ms; `undefined` if it is given up. `foundFull`:
   * it ended because its store was full, which does not count as a failed try.
   */
  ended(now: number, progress: number, wasKilled: boolean, foundFull = false): number | undefined {
    if (foundFull) return FULL_WAIT_MS;
    const hasLived = this.#readyAt !== undefined && now - this.#readyAt >= LIFE_MIN_MS;
    const isProgress = wasKilled || hasLived || progress > this.#progressAtStart;
    this.#failedTries = isProgress ? 0 : this.#failedTries + 1;
    const { triesMax, waitMsMax } = this.#limits;
    if (this.#failedTries >= triesMax) return undefined;
    if (this.#failedTries === 0) return 0;
    return Math.min(waitMsMax, BACKOFF_MS * 2 ** (this.#failedTries - 1));
  }
}
