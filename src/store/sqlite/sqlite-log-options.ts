import type { PayloadFiles } from '../directory/payload-files.js';
import type { RetentionRule } from '../pruning.js';
import type { RecordedStep } from '../recorded-step.js';
import type { LogIdentity } from './connection/log-identity.js';

/** Options of one shard's log in SQLite; limits have their defaults in `src/protocol/limits`. */
export interface SqliteShardLogOptions {
  /** The log file, see `shardFile`; `:memory:` keeps nothing on disk. */
  readonly file: string;
  readonly shard: number;
  /** The identity that the log must have. Default, for tools and tests: any. */
  readonly identity?: LogIdentity;
  readonly dedupeWindowMs?: number;
  readonly dedupeIdsMax?: number;
  /** The file grows up to this; beyond it, a batch fails with `STORE_FULL`. Default: up to what the disk holds. */
  readonly maxShardBytes?: number;
  /**
   * Payloads of more bytes go to files beside the log. Default: none does. A log with such files is read in any case.
   */
  readonly claimCheckBytes?: number;
  /** More than 0 while a copy is made of the log and its payload files. Default: always 0. */
  readonly payloadHolds?: Int32Array;
  /** For tests. Default: the files beside the log. */
  readonly payloadFiles?: PayloadFiles;
  readonly retention?: readonly RetentionRule[];
  /** Whether the pattern of a retention rule matches a topic. Default: `matchesPattern`. */
  readonly matches?: (pattern: string, topic: string) => boolean;
  /** Memory of `RECENT_VALUES_BYTES` that readers share, see `RecentValues`. Default: the log's own. */
  readonly recentValues?: SharedArrayBuffer;
  /** The wall clock, ms since 1970, and a monotonic clock, ms; for tests. */
  readonly now?: () => number;
  /** Steps of recorded time that make no id older. Default: none. */
  readonly steps?: readonly RecordedStep[];
  readonly elapsed?: () => number;
}
