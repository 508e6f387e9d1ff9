import { performance } from 'node:perf_hooks';

/** Differences below this are rounding errors of adding fractions. */
const ROUNDING = 1e-6;

/**
 * A token bucket that holds one second's worth: the mean rate is `perSecond`, and a burst is at most as much. A single
 * request for more than the bucket holds passes if the bucket is full, and leaves it in debt.
 */
export class TokenBucket {
  #perSecond: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;

  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#now = now;
    this.#tokens = perSecond;
    this.#filledAt = now();
  }

  get perSecond(): number {
    return this.#perSecond;
  }

  /** Changes the rate and keeps the tokens, as many as the bucket holds from now on. */
  changeRate(perSecond: number): void {
    this.#fill();
    this.#perSecond = perSecond;
  }

  /** 0 if `count` may pass now, else the milliseconds after which it may. Takes nothing. */
  waitMs(count: number): number {
    this.#fill();
    const missing = Math.min(count, this.#perSecond) - this.#tokens;
    return missing > ROUNDING ? Math.ceil(((missing - ROUNDING) * 1000) / this.#perSecond) : 0;
  }

  /** As `waitMs`; if the result is 0, takes `count`. */
  take(count: number): number {
    const wait = this.waitMs(count);
    if (wait === 0) this.#tokens -= count;
    return wait;
  }

  /** Takes `count` for something that has happened already, into a debt of at most what the bucket holds. */
  spend(count: number): void {
    this.#fill();
    this.#tokens = Math.max(-this.#perSecond, this.#tokens - count);
  }

  #fill(): void {
    const now = this.#now();
    const grown = ((now - this.#filledAt) * this.#perSecond) / 1000;
    this.#filledAt = now;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + grown);
  }
}
