/** The part of an endpoint that its subscriptions use. */
import type { Turns } from '../../handout/dispatcher.js';
import type { BusError } from '../../protocol/errors.js';
import type { ParsedFilter } from '../../protocol/filter.js';
import type { ShardProgress } from './shard-progress.js';

export interface SubscriptionHost<Subscription> {
  readonly endpointId: string;
  /** Hands out events in turns that leave time for the thread's timers and sockets. */
  readonly turns: Turns;
  head(shard: number): number;
  watermark(shard: number): number;
  /** The time by which a shard's events expire, ms since 1970. */
  expiryNow(shard: number): number;
  /** True if the shard was given up, so that it sends nothing more. */
  isGone(shard: number): boolean;
  cursor(positions: readonly number[]): string;
  credit(subscription: number, shard: number, events: number, bytes: number): boolean;
  update(subscription: Subscription, filter: ParsedFilter): Promise<void>;
  unsubscribe(subscription: Subscription): Promise<void>;
  readHistory(subscription: Subscription, progress: ShardProgress): void;
  report(error: BusError): void;
}
