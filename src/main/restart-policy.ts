/**
 * When a thread that died (a shard's, a gateway's) is started again: at once if it had lived, later and later if it did
 * not get anywhere, and never if that went on. Times are in ms, of any clock.
 */
import { SHARD_RESTARTS_MAX } from '../protocol/limits.js';

const BACKOFF_MS = 50;
/** A log that finds no room to open is tried again this often, for as long as that lasts. */
const FULL_WAIT_MS = 1000;
/** A thread that was ready for this long, or stored anything, was not a failed try. */
const LIFE_MIN_MS = 1000;

export interface RestartLimits {
  /** Tries without progress in between, after which it is given up. */
  readonly triesMax: number;
  /** The longest wait between two. */
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

  /** A thread is started; `progress` is a number that grows with what these threads get done. */
  started(progress: number): void {
    this.#progressAtStart = progress;
    this.#readyAt = undefined;
  }

  /** It has opened its log, or its port. How long that took says nothing of its life. */
  ready(now: number): void {
    this.#readyAt = now;
  }

  /**
   * It ended. Returns how long to wait before the next, or undefined: it is given up. `foundFull`: for want of room, which
   * passes.
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
