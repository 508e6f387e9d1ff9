import type { ConsumerEntry, ConsumerShardState } from '../../link/consumer-shapes.js';
import type { Gap } from '../../protocol/bus-api.js';
import type { BusError } from '../../protocol/errors.js';
import type { ParsedFilter } from '../../protocol/filter.js';
import type { SubscribeFrom } from '../../protocol/subscribe-from.js';
import type { LetterBus } from './letter-courier.js';

/** The bus, as the board of its consumers needs it. */
export interface ConsumerBus extends LetterBus {
  /** The shards in which events of the filter may lie. */
  shardsOf(filter: ParsedFilter): readonly number[];
  /** Whether the bus stores events of the topic. */
  stores(topic: string): boolean;
  /** Why a shard was given up; undefined while it works. */
  shardFailure(shard: number): BusError | undefined;
  /** By shard, the position behind which a consumer begins; `onGap` is told what a cursor has missed. */
  startPositions(
    filter: ParsedFilter,
    from: SubscribeFrom,
    onGap: (gap: Gap) => void,
  ): Promise<readonly number[]>;
  /** Hands the list over to a shard; rejects if the shard is given up, or the bus closed. */
  apply(shard: number, entries: () => readonly ConsumerEntry[]): Promise<unknown>;
  stateOf(shard: number, consumer: string): Promise<ConsumerShardState>;
  /** Publishes an event of the bus's own; never throws. */
  publish(topic: string, type: string, payload: object): void;
}
