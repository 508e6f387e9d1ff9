import {
  CLIENT_CREDIT_BYTES,
  CLIENT_CREDIT_BYTES_LEAST,
  CLIENT_CREDIT_BYTES_MIN,
  CLIENT_CREDIT_SHARES,
} from '../../protocol/limits/budgets.js';

/**
 * The credit in bytes that all subscriptions of one principal have in all shards. No budget counts the events that were
 * sent on credit and wait for the client, as that would cost each delivery too much: so the credit itself is bounded.
 *
 * Each subscription gets a part of what the others have left of `max`, so that the first are as fast as one alone. Where
 * little is left it gets a minimum, out of as much again. So the sum is at most twice `max`, and the least credit for each
 * subscription beyond. One thread.
 */
export class CreditPool {
  readonly #max: number;
  #taken = 0;

  /** `max`: bytes. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Bytes that the subscriptions have together. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * The bytes that another subscription may have in each of its shards; in all of them no more than `most`, where that is
   * above the minimum.
   */
  offer(shards: number, most: number): number {
    const part = (bytes: number): number =>
      Math.floor((bytes - this.#taken) / (CLIENT_CREDIT_SHARES * shards));
    const min = clamp(CLIENT_CREDIT_BYTES_LEAST, part(2 * this.#max), CLIENT_CREDIT_BYTES_MIN);
    return clamp(min, Math.min(part(this.#max), Math.floor(most / shards)), CLIENT_CREDIT_BYTES);
  }

  /** Counts so much as taken; negative if it is given back. */
  take(bytes: number): void {
    this.#taken += bytes;
  }
}

function clamp(min: number, value: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
