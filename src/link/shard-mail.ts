/** Messages between the main thread and a shard's thread: rare, and outside the path of events. */
import type { MessagePort } from 'node:worker_threads';
import type { ErrorData } from '../protocol/errors.js';
import type { ShardLogSettings } from '../store/shard-log.js';
import type { LinkEnd } from './link.js';

/** What a shard's thread is started with. */
export interface ShardThreadData {
  readonly shard: number;
  readonly generation: number;
  /** No thread ran this shard before for this bus, so stored ring positions are of other rings. */
  readonly isFirst: boolean;
  readonly control: SharedArrayBuffer;
  readonly mail: MessagePort;
  readonly ends: readonly LinkEnd[];
  /** What the log of the thread before gave for its successor. */
  readonly predecessor: unknown;
  readonly commitBatchEvents: number;
  readonly publishWaitMs: number;
  readonly prunes: boolean;
  readonly log: {
    /** The address of a `ShardLogModule`, and what it is told. */
    readonly module: string;
    readonly options: unknown;
    readonly settings: ShardLogSettings;
  };
}

export type ShardMail =
  | { readonly mail: 'attach'; readonly end: LinkEnd }
  | { readonly mail: 'detach'; readonly endpoint: string }
  | { readonly mail: 'crash' }
  | { readonly mail: 'stop' };

export type ShardReport =
  | {
      readonly report: 'ready';
      readonly head: number;
      readonly wentBackwardsFrom: number | undefined;
      readonly forSuccessor: unknown;
    }
  /** The last words of a thread that ends because of this. */
  | { readonly report: 'failed'; readonly error: ErrorData }
  /** The thread goes on; somebody should know of it. */
  | { readonly report: 'warning'; readonly error: ErrorData }
  | { readonly report: 'stopped' };
