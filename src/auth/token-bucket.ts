import { performance } from 'node:perf_hooks';

/** Less than this is the error of adding up fractions. */
const ROUNDING = 1e-6;

/**
 * A token bucket that holds one second's worth: the mean rate is `perSecond`, a burst is at most as
 * much. A single request for more than the bucket holds is let through a full bucket and leaves it
 * in debt.
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

  /** Goes on with what is in it, as far as that fits when it is asked next. */
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

  /** As `waitMs`; where it answers 0, `count` is taken. */
  take(count: number): number {
    const wait = this.waitMs(count);
    if (wait === 0) this.#tokens -= count;
    return wait;
  }

  /** Takes `count` of what has happened already, into a debt of no more than the bucket holds. */
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
