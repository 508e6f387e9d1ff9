/** What a subscription needs of its endpoint. */
import type { Turns } from '../../handout/dispatcher.js';
import type { BusError } from '../../protocol/errors.js';
import type { ParsedFilter } from '../../protocol/filter.js';
import type { ShardProgress } from './shard-progress.js';

export interface SubscriptionHost<Subscription> {
  readonly endpointId: string;
  /** The thread's timers and sockets have theirs in between. */
  readonly turns: Turns;
  head(shard: number): number;
  watermark(shard: number): number;
  /** The shard was given up: nothing more comes from it. */
  isGone(shard: number): boolean;
  cursor(positions: readonly number[]): string;
  credit(subscription: number, shard: number, events: number, bytes: number): boolean;
  update(subscription: Subscription, filter: ParsedFilter): Promise<void>;
  unsubscribe(subscription: Subscription): Promise<void>;
  readHistory(subscription: Subscription, progress: ShardProgress): void;
  report(error: BusError): void;
}
