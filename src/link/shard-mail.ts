/** Messages between the main thread and a shard's thread: rare, and outside the path of events. */
import type { MessagePort } from 'node:worker_threads';
import type { ErrorData } from '../protocol/errors.js';
import type { FilePlace } from '../store/directory/in-place.js';
import type { PageRequest } from '../store/page.js';
import type { PruneRequest, RetentionRule } from '../store/pruning.js';
import type { LogIdentity } from '../store/sqlite/connection/log-identity.js';
import type { LinkEnd } from './link.js';

/** What a shard's thread is started with. */
export interface ShardThreadData {
  readonly shard: number;
  readonly generation: number;
  /** No thread ran this shard before in this process, so stored ring positions are of other rings. */
  readonly isFirst: boolean;
  readonly control: SharedArrayBuffer;
  readonly mail: MessagePort;
  readonly ends: readonly LinkEnd[];
  /** The log's file, as the first thread found it. */
  readonly place: FilePlace | undefined;
  readonly commitBatchEvents: number;
  readonly publishWaitMs: number;
  readonly prunes: boolean;
  readonly log: {
    readonly file: string;
    readonly identity: LogIdentity;
    readonly dedupeWindowMs: number;
    readonly dedupeIdsMax: number;
    readonly retention: readonly RetentionRule[];
    readonly maxShardBytes?: number;
  };
}

export type ShardMail =
  | { readonly mail: 'attach'; readonly end: LinkEnd }
  | { readonly mail: 'detach'; readonly endpoint: string }
  /** History of a log that only its own thread can read: `:memory:`. */
  | { readonly mail: 'page'; readonly id: number; readonly request: PageRequest }
  | { readonly mail: 'positionAt'; readonly id: number; readonly timeMs: number }
  | { readonly mail: 'totals'; readonly id: number; readonly pattern: string }
  | { readonly mail: 'prune'; readonly id: number; readonly request: PruneRequest }
  | { readonly mail: 'crash' }
  | { readonly mail: 'stop' };

export type ShardReport =
  | {
      readonly report: 'ready';
      readonly head: number;
      readonly wentBackwardsFrom: number | undefined;
      readonly place: FilePlace | undefined;
    }
  /** The last words of a thread that ends because of this. */
  | { readonly report: 'failed'; readonly error: ErrorData }
  | { readonly report: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly report: 'refusal'; readonly id: number; readonly error: ErrorData }
  /** The thread goes on; somebody should know of it. */
  | { readonly report: 'warning'; readonly error: ErrorData }
  | { readonly report: 'stopped' };
