/**
 * When a shard's thread that died is started again: at once if it had lived, later and later if it did not get
 * anywhere, and never if that went on. Times are in ms, of any clock.
 */
import { SHARD_RESTARTS_MAX } from '../protocol/limits.js';

const BACKOFF_MS = 50;
/** A thread that was ready for this long, or stored anything, was not a failed try. */
const LIFE_MIN_MS = 1000;

export class RestartPolicy {
  #failedTries = 0;
  #progressAtStart = 0;
  #readyAt: number | undefined;

  /** A thread is started; `progress` is a number that grows with what threads of this shard get done. */
  started(progress: number): void {
    this.#progressAtStart = progress;
    this.#readyAt = undefined;
  }

  /** It has opened its log. How long that took says nothing of its life. */
  ready(now: number): void {
    this.#readyAt = now;
  }

  /** It ended. Returns how long to wait before the next, or undefined: it is given up. */
  ended(now: number, progress: number, wasKilled: boolean): number | undefined {
    const hasLived = this.#readyAt !== undefined && now - this.#readyAt >= LIFE_MIN_MS;
    const isProgress = wasKilled || hasLived || progress > this.#progressAtStart;
    this.#failedTries = isProgress ? 0 : this.#failedTries + 1;
    if (this.#failedTries >= SHARD_RESTARTS_MAX) return undefined;
    return this.#failedTries === 0 ? 0 : BACKOFF_MS * 2 ** (this.#failedTries - 1);
  }
}
