import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import { elapsedMs } from '../../threads/elapsed.js';
import { shardKeys, storeKey } from './keys.js';
import type { RedisAddress } from './redis-address.js';
import type { RedisLink, RunLimits } from './redis-link.js';
import { RedisLinks } from './redis-links.js';
import { BEGIN_SHARD, NEW_EPOCH } from './store-scripts.js';

/** What `beginShard` says instead of the number of a later epoch: see `BEGIN_SHARD`. */
export const BEGUN = -1;
export const MISSING = -2;
/** How long the other shards of a cluster may take, ms; the next opening of the store tells those that are away. */
const OTHERS_MS = 5000;

/** Ends the epoch of the address, as the history of a shard went backwards, unless another node has done so. */
export async function beginOtherEpoch(
  link: RedisLink,
  address: RedisAddress,
  shard: number,
): Promise<void> {
  const { options, epoch, shards } = address;
  const store = storeKey(options.prefix);
  const metas = Array.from({ length: shards }, (_, n) => shardKeys(options.prefix, n).meta);
  const links = await RedisLinks.open(options, [store, ...metas], link);
  try {
    const reply = await links.of(store).script({}, NEW_EPOCH, [store], [epoch, ulid(), 0]);
    // Without the store there is no epoch, and its next opening makes one.
    if (reply === null) return;
    const [begun, epochs] = (reply as (Buffer | null)[]).map((one) => one?.toString() ?? '0');
    const tell = (meta: string, until: number) =>
      beginShard(links.of(meta), meta, [begun!, epochs!], true, { until });
    await tell(metas[shard]!, Number.POSITIVE_INFINITY);
    const until = elapsedMs() + OTHERS_MS;
    await Promise.allSettled(metas.map((meta) => tell(meta, until)));
  } finally {
    links.close();
  }
}

/**
 * Gives a shard the store's epoch, of which there were so many before. Returns `BEGUN`, `MISSING` where the shard is not there and may
 * not be made, or that number of a later epoch that it has. It only reads where nothing changes: a Redis whose disk is full takes no
 * script that may write.
 */
export async function beginShard(
  link: RedisLink,
  meta: string,
  [epoch, epochs]: readonly [epoch: string, epochs: string],
  mayMake: boolean,
  limits: RunLimits,
): Promise<number> {
  const reply = await link.command(limits, 'HMGET', meta, 'epoch', 'epochs', 'head');
  const [found, number, head] = (reply as (Buffer | null)[]).map((one) => one?.toString());
  if (found === epoch && (number ?? '0') === epochs && head !== undefined) return BEGUN;
  if (head === undefined && !mayMake) return MISSING;
  return (await link.script(limits, BEGIN_SHARD, [meta], [epoch, epochs])) as number;
}

export function otherEpoch(place: string, shard: number): BusError {
  return new BusError(
    'STORE_FAILED',
    `${place}: the history of shard ${shard} went backwards, and another epoch has begun`,
  );
}
