import { LETTER_RETRY_MS, LETTER_RETRY_MS_MAX } from '../../protocol/limits/consumers.js';

/**
 * The consumers whose letters could not be published, each with the time of its next try, so that the letters of others do
 * not wait behind them. Bounded by the number of consumers. One round of a shard has it.
 */
export class LetterWaits {
  readonly #waits = new Map<string, { readonly ms: number; readonly until: number }>();

  /** The consumers whose time has not come. */
  of(now: number): string[] {
    return [...this.#waits].filter(([, { until }]) => until > now).map(([consumer]) => consumer);
  }

  /** Another try has failed. True: it is the first one in a row. */
  failed(consumer: string, now: number): boolean {
    const before = this.#waits.get(consumer);
    const ms = Math.min(LETTER_RETRY_MS_MAX, Math.max(LETTER_RETRY_MS, 2 * (before?.ms ?? 0)));
    this.#waits.set(consumer, { ms, until: now + ms });
    return before === undefined;
  }

  done(consumer: string): void {
    this.#waits.delete(consumer);
  }

  /** Of those whose time has come, no letter is due any more. */
  forget(now: number): void {
    for (const [consumer, { until }] of this.#waits) {
      if (until <= now) this.#waits.delete(consumer);
    }
  }

  /** The time of the next try; undefined: nothing waits. */
  get next(): number | undefined {
    const [first, ...others] = [...this.#waits.values()].map(({ until }) => until);
    return first === undefined ? undefined : Math.min(first, ...others);
  }
}
