/** The `ShardLogModule` of the SQLite store, which a shard's thread imports. */
import { assertInPlace, type FilePlace, placeOf } from '../directory/in-place.js';
import type { ShardLogOpening } from '../shard-log.js';
import type { LogIdentity } from './connection/log-identity.js';
import { SqliteShardLog } from './sqlite-shard-log.js';

/** The options of one shard, from `OpenStore.shardOptions`. */
export interface SqliteShardOptions {
  /** The log file, see `shardFile`; `:memory:` keeps nothing on disk. */
  readonly file: string;
  readonly identity: LogIdentity;
  /** Shared with the readers. */
  readonly recentValues?: SharedArrayBuffer;
  /** Shared with the thread that makes backups. */
  readonly payloadHolds?: Int32Array;
}

/** @throws BusError `STORE_FAILED` also if the file is not the one that the previous thread had open */
export function openShardLog(opening: ShardLogOpening): SqliteShardLog {
  const { shard, settings, isFirst, now, steps } = opening;
  const { file, identity, ...shared } = opening.options as SqliteShardOptions;
  const place = opening.predecessor as FilePlace | undefined;
  if (place !== undefined) assertInPlace(file, place);
  // Only the first thread may find the log missing.
  const isNew = identity.isNew && isFirst;
  const log = new SqliteShardLog({
    ...settings,
    ...shared,
    file,
    shard,
    identity: { ...identity, isNew },
    ...(now !== undefined && { now: () => now }),
    ...(steps !== undefined && { steps }),
  });
  if (file !== ':memory:') log.forSuccessor = place ?? placeOf(file);
  return log;
}
