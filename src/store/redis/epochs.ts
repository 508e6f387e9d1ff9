import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import { shardKeys, storeKey } from './keys.js';
import type { RedisAddress } from './redis-address.js';
import type { RedisLink } from './redis-link.js';
import { BEGIN_SHARD, NEW_EPOCH } from './store-scripts.js';

/** Ends the epoch of the address, as its history went backwards, unless another node has done so. */
export async function beginOtherEpoch(link: RedisLink, address: RedisAddress): Promise<void> {
  const { options, epoch, shards } = address;
  const args = [epoch, ulid()];
  const reply = await link.script({}, NEW_EPOCH, [storeKey(options.prefix)], args);
  // Without the store there is no epoch, and its next opening makes one.
  if (reply === null) return;
  for (let shard = 0; shard < shards; shard++) {
    const { meta } = shardKeys(options.prefix, shard);
    await link.script({}, BEGIN_SHARD, [meta], [reply as Buffer]);
  }
}

export function otherEpoch(place: string, shard: number): BusError {
  return new BusError(
    'STORE_FAILED',
    `${place}: the history of shard ${shard} went backwards, and another epoch has begun`,
  );
}
