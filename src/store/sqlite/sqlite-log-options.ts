import type { RetentionRule } from '../pruning.js';
import type { LogIdentity } from './connection/log-identity.js';

/** Of the log of one shard in SQLite; limits have their defaults in `src/protocol/limits.ts`. */
export interface SqliteShardLogOptions {
  /** The file, see `shardFile`; `:memory:` keeps nothing. */
  readonly file: string;
  readonly shard: number;
  /** Whose log it is; left out, for tools and tests, it is anybody's. */
  readonly identity?: LogIdentity;
  readonly dedupeWindowMs?: number;
  readonly dedupeIdsMax?: number;
  /** The file grows no further than this; past it, `STORE_FULL`. Default: as far as the disk. */
  readonly maxShardBytes?: number;
  readonly retention?: readonly RetentionRule[];
  /** What a pattern of a retention rule means; default: the meaning everywhere. */
  readonly matches?: (pattern: string, topic: string) => boolean;
  /** ms since 1970, and ms that no setting of a clock changes; for tests. */
  readonly now?: () => number;
  readonly elapsed?: () => number;
}
