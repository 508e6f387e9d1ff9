import { performance } from 'node:perf_hooks';
import {
  OUTBOX_TOPICS_WAITING_MAX,
  SINK_RETRY_MS,
  SINK_RETRY_MS_MAX,
} from '../../protocol/limits/sinks.js';

/**
 * The topics whose rows could not be published, for a while that doubles with each failure in a row. Meanwhile rows of
 * other topics are published, so that one topic that is forbidden or full does not hold up all others. One outbox has
 * it.
 */
export class WaitingTopics {
  readonly #topics = new Set<string>();
  #until = 0;
  #ms = 0;

  /** The topics that wait now. */
  now(): readonly string[] {
    if (this.#topics.size > 0 && performance.now() >= this.#until) this.#topics.clear();
    return [...this.#topics];
  }

  /** An attempt has passed over nothing and failed at nothing. */
  none(): void {
    if (this.#topics.size === 0) this.#ms = 0;
  }

  /** False: too many wait. */
  add(topics: Iterable<string>): boolean {
    if (this.#topics.size === 0) {
      this.#ms = Math.min(SINK_RETRY_MS_MAX, Math.max(SINK_RETRY_MS, 2 * this.#ms));
      this.#until = performance.now() + this.#ms;
    }
    for (const topic of topics) this.#topics.add(topic);
    return this.#topics.size <= OUTBOX_TOPICS_WAITING_MAX;
  }

  clear(): void {
    this.#topics.clear();
  }
}
