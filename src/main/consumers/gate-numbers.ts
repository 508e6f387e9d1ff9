import { CONSUMERS_MAX } from '../../protocol/limits/consumers.js';

/**
 * The places of consumers in the memory in which the shards agree (`ConsumerEntry.gate`). A place that was not released,
 * because a shard could not be told of a deletion, is lost to the process; if all are lost, consumers share the last.
 */
export class GateNumbers {
  readonly #numbers = new Map<string, number>();
  readonly #released: number[] = [];
  #next = 0;

  /** The place of a consumer, the same until its release. */
  of(id: string): number {
    let number = this.#numbers.get(id);
    if (number === undefined) {
      number = this.#released.pop() ?? Math.min(this.#next++, CONSUMERS_MAX - 1);
      this.#numbers.set(id, number);
    }
    return number;
  }

  /** Every shard has answered that the consumer is gone. */
  release(id: string): void {
    const number = this.#numbers.get(id);
    if (number !== undefined && this.#numbers.delete(id)) this.#released.push(number);
  }
}
