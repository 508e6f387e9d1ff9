import { performance } from 'node:perf_hooks';

/** Less than this is the error of adding up fractions. */
const ROUNDING = 1e-6;

/**
 * A token bucket that holds one second's worth: the mean rate is `perSecond`, a burst is at most as
 * much. A single request for more than the bucket holds is let through a full bucket and leaves it
 * in debt.
 */
export class RateLimit {
  readonly #perSecond: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;

  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#now = now;
    this.#tokens = perSecond;
    this.#filledAt = now();
  }

  /** 0 if `count` may pass now, else the milliseconds after which it may. */
  take(count: number): number {
    const now = this.#now();
    const grown = ((now - this.#filledAt) * this.#perSecond) / 1000;
    this.#filledAt = now;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + grown);
    const needed = Math.min(count, this.#perSecond);
    const missing = needed - this.#tokens;
    if (missing > ROUNDING) return Math.ceil(((missing - ROUNDING) * 1000) / this.#perSecond);
    this.#tokens -= count;
    return 0;
  }
}
