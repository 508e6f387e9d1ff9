/** Messages between the main thread and a shard's thread: rare, and outside the path of events. */
import type { MessagePort } from 'node:worker_threads';
import type { ErrorData } from '../protocol/errors.js';
import type { ShardLogSettings } from '../store/shard-log.js';
import type { ConsumerEntry, ConsumerNews } from './consumer-shapes.js';
import type { LinkEnd } from './link.js';

/**
 * All durable consumers. `unread`: nobody knows them, as their list is damaged; the shard gets it once it is mended.
 * `undefined`: the store keeps none.
 */
export type ShardConsumerList = readonly ConsumerEntry[] | 'unread' | undefined;

/** The start data of a shard's thread. */
export interface ShardThreadData {
  readonly shard: number;
  readonly generation: number;
  /**
   * True if no thread of this bus ran the shard before: stored ring positions then belong to the rings of an earlier
   * bus.
   */
  readonly isFirst: boolean;
  readonly control: SharedArrayBuffer;
  readonly mail: MessagePort;
  readonly ends: readonly LinkEnd[];
  /** `ShardLog.forSuccessor` of the previous thread's log. */
  readonly predecessor: unknown;
  readonly commitBatchEvents: number;
  readonly publishWaitMs: number;
  readonly prunes: boolean;
  readonly consumers: ShardConsumerList;
  /** Where all shards of the bus agree on leases of consumers; see `shards/consumers/gates`. */
  readonly gates: SharedArrayBuffer;
  /** The control memory of all shards, by which one wakes another. */
  readonly controls: readonly SharedArrayBuffer[];
  /** The control memory of the thread that serves the shard's consumers, if it is another one. */
  readonly desk: SharedArrayBuffer | undefined;
  /** The memory that the shard shares with the archiver, see `ArchiveWords`; undefined without an archive. */
  readonly archive: SharedArrayBuffer | undefined;
  /** An endpoint has left that a dead thread of the shard may have leased events. */
  readonly hasDeparted: boolean;
  readonly log: {
    /** The URL of a `ShardLogModule`, and what its `openShardLog` gets. */
    readonly module: string;
    readonly options: unknown;
    readonly settings: ShardLogSettings;
  };
}

export type ShardMail =
  | { readonly mail: 'attach'; readonly end: LinkEnd }
  | { readonly mail: 'detach'; readonly endpoint: string }
  /** All endpoints are to say anew what they hold: the thread ends, and the next one asks them. */
  | { readonly mail: 'rejoin' }
  | { readonly mail: 'crash' }
  | { readonly mail: 'stop' };

export type ShardReport =
  | {
      readonly report: 'ready';
      readonly head: number;
      readonly wentBackwardsFrom: number | undefined;
      /** See `ShardLog.otherHistory`. */
      readonly otherHistory?: string | undefined;
      readonly forSuccessor: unknown;
    }
  /** The last report of a thread that ends because of this error. */
  | { readonly report: 'failed'; readonly error: ErrorData }
  /** An error that the thread survives and that should be reported. */
  | { readonly report: 'warning'; readonly error: ErrorData }
  /** What has become of durable consumers. */
  | { readonly report: 'consumers'; readonly news: readonly ConsumerNews[] }
  /** The shard knows which leases of before go on. */
  | { readonly report: 'claimed' }
  | { readonly report: 'stopped' };
