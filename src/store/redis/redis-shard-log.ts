/** A shard's log in Redis: the `ShardLogModule` of `RedisStore`. */
import type { ShardLog, ShardLogOpening } from '../shard-log.js';
import { openSharedLog } from '../shared/shared-shard-log.js';
import type { RedisAddress } from './redis-address.js';
import { RedisLogStream } from './redis-log-stream.js';

export async function openShardLog(opening: ShardLogOpening): Promise<ShardLog> {
  const stream = await RedisLogStream.open(opening.options as RedisAddress, opening.shard);
  return openSharedLog(stream, opening);
}
