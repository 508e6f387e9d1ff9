import type { LogStore } from '../store/log-store.js';
import type { ShardLogSettings } from '../store/shard-log.js';

/** A store under test, with its author's description of its capabilities. */
export interface StoreUnderTest {
  /** Makes an empty store for one check. */
  create(): FreshStore | Promise<FreshStore>;
  /** True if several nodes can have the store open at once. See `ShardLog.isShared`. */
  readonly isShared: boolean;
  /** True if the store keeps its content when it is closed and opened again. */
  readonly keeps: boolean;
  /** True if its logs have `ShardLog.pruning`. */
  readonly hasPruning: boolean;
  /** True if its logs have `ShardLog.consumers`. Default: false. */
  readonly hasConsumers?: boolean;
  /** True if its logs have `ShardLog.scheduled`. Default: false. */
  readonly hasScheduled?: boolean;
  /** True if its logs have `ShardLog.expiry`. Default: false. */
  readonly hasExpiry?: boolean;
  /** Makes a store that is full after some of a thousand batches of 20 KB. Default: no full store is checked. */
  readonly small?: SmallStore;
}

export interface SmallStore {
  create(): FreshStore | Promise<FreshStore>;
  /** Settings with which its logs are opened. Default: those of the other checks. */
  readonly settings?: Pick<ShardLogSettings, 'maxShardBytes'>;
}

export interface FreshStore {
  /** The store. If its logs are shared, a check opens it several times at once, as several nodes would. */
  readonly store: LogStore;
  /** Called when the check is done and has closed everything that it opened. */
  dispose?(): void | Promise<void>;
}

/** One promise of the contracts. */
export interface StoreCheck {
  /** A sentence without its subject: `the store …`. */
  readonly name: string;
  /** Rejects with an `AssertionError` if the promise is broken. */
  run(): Promise<void>;
}
