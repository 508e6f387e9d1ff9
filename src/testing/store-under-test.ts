import type { LogStore } from '../store/log-store.js';
import type { ShardLogSettings } from '../store/shard-log.js';

/** A store, as whoever wrote it describes it to the checks. */
export interface StoreUnderTest {
  /** Makes a store that holds nothing, for one check. */
  create(): FreshStore | Promise<FreshStore>;
  /** Its logs are shared: several nodes have the store open at once. See `ShardLog.isShared`. */
  readonly isShared: boolean;
  /** Its content is there when it is opened again. */
  readonly keeps: boolean;
  /** Its logs have `ShardLog.pruning`. */
  readonly hasPruning: boolean;
  /** Makes a store that is full after some of a thousand batches of 20 KB; left out, no full store is checked. */
  readonly small?: SmallStore;
}

export interface SmallStore {
  create(): FreshStore | Promise<FreshStore>;
  /** With these its logs are opened. */
  readonly settings?: Pick<ShardLogSettings, 'maxShardBytes'>;
}

export interface FreshStore {
  /** Opened several times at once, as several nodes would, where its logs are shared. */
  readonly store: LogStore;
  /** Called when the check is done and all that it opened is closed. */
  dispose?(): void | Promise<void>;
}

/** One promise of the contracts. */
export interface StoreCheck {
  /** A sentence without its subject: `the store …`. */
  readonly name: string;
  /** Rejects, with an `AssertionError` that says how, where the promise is broken. */
  run(): Promise<void>;
}
