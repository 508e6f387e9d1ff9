/** A shard's log on NATS JetStream: the `ShardLogModule` of `natsStore`. */
import type { ShardLog, ShardLogOpening } from '../shard-log.js';
import { openSharedLog } from '../shared/shared-shard-log.js';
import { type NatsAddress, NatsStream } from './nats-stream.js';

export function openShardLog(opening: ShardLogOpening): Promise<ShardLog> {
  const { shard, options } = opening;
  return openSharedLog(new NatsStream(shard, options as NatsAddress), opening);
}
