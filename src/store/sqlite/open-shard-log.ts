/** The module that a shard's thread imports where SQLite is the store: a `ShardLogModule`. */
import { assertInPlace, type FilePlace, placeOf } from '../directory/in-place.js';
import type { ShardLogOpening } from '../shard-log.js';
import type { LogIdentity } from './connection/log-identity.js';
import { SqliteShardLog } from './sqlite-shard-log.js';

/** Of one shard, as `shardOptions` gives them. */
export interface SqliteShardOptions {
  /** See `shardFile`; `:memory:` keeps nothing. */
  readonly file: string;
  readonly identity: LogIdentity;
}

/** @throws BusError `STORE_FAILED` also where the file is not the one that the thread before had open */
export function openShardLog(opening: ShardLogOpening): SqliteShardLog {
  const { shard, settings, isFirst } = opening;
  const { file, identity } = opening.options as SqliteShardOptions;
  const place = opening.predecessor as FilePlace | undefined;
  if (place !== undefined) assertInPlace(file, place);
  // A log that was there once may not be missing when it is opened again.
  const isNew = identity.isNew && isFirst;
  const log = new SqliteShardLog({ ...settings, file, shard, identity: { ...identity, isNew } });
  if (file !== ':memory:') log.forSuccessor = place ?? placeOf(file);
  return log;
}
