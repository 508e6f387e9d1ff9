import type { ConsumerEntry } from '../../link/consumer-shapes.js';
import type { KeptConsumer } from '../../store/consumer-list.js';
import type { ConsumerBus } from './consumer-bus.js';
import { GateNumbers } from './gate-numbers.js';

/** Gets the list for the next thread of a shard. */
export type KeepList = (shard: number, list: readonly ConsumerEntry[] | 'unread') => void;

/** The list of consumers as each shard has it: the threads that run are told, and the next ones begin with it. */
export class ShardLists {
  readonly #shards: readonly number[];
  readonly #keep: KeepList;
  readonly #gates = new GateNumbers();
  #list: readonly KeptConsumer[] = [];
  /** The id of a consumer that the shards are to lease nothing for a moment. */
  #held: string | undefined;

  constructor(shards: number, keep: KeepList) {
    this.#shards = Array.from({ length: shards }, (_, shard) => shard);
    this.#keep = keep;
  }

  /** For threads that begin from now on. */
  set(list: readonly KeptConsumer[]): void {
    this.#list = list;
    for (const shard of this.#shards) this.#keep(shard, this.#entriesFor(shard));
  }

  /** For threads that begin from now on: nobody knows the list. */
  setUnread(): void {
    for (const shard of this.#shards) this.#keep(shard, 'unread');
  }

  /**
   * Resolves once every shard has the list, but those that were given up, which get it when the bus is opened again.
   * @param held a consumer that the shards lease nothing until the next call
   */
  async handOver(
    bus: ConsumerBus,
    list: readonly KeptConsumer[],
    held: string | undefined = undefined,
  ): Promise<void> {
    this.#held = held;
    this.set(list);
    // The list of that moment: a call is repeated to the next thread of a shard.
    const handed = this.#shards.map((shard) => bus.apply(shard, () => this.#entriesFor(shard)));
    const outcomes = await Promise.allSettled(handed);
    for (const [shard, outcome] of outcomes.entries()) {
      const isLost = outcome.status === 'rejected' && bus.shardFailure(shard) === undefined;
      if (isLost) throw outcome.reason;
    }
  }

  /** The consumer was deleted, and the shards have the list without it. */
  release(id: string): void {
    this.#gates.release(id);
  }

  #entriesFor(shard: number): ConsumerEntry[] {
    return this.#list.map(({ id, name, definition, isPaused, round, positions, isFromCursor }) => ({
      id,
      name,
      definition,
      isPaused: isPaused || id === this.#held,
      round,
      position: positions[shard]!,
      ...(isFromCursor === true ? { isFromCursor } : {}),
      gate: this.#gates.of(id),
    }));
  }
}
