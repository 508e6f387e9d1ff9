import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import type { StoreRequest } from '../log-store.js';
import { assertShards } from '../shared/shared-store.js';
import { shardKeys, storeKey } from './keys.js';
import type { RedisAddress } from './redis-address.js';
import type { RedisLink, RunLimits } from './redis-link.js';
import { type ParsedRedisOptions, windowOf } from './redis-options.js';
import { BEGIN_SHARD, OPEN } from './store-scripts.js';

const FORMAT = '1';

/** A store as its hash describes it. */
export interface FoundAddress extends RedisAddress {
  readonly shardBy: { readonly segments: number } | undefined;
  /** The epoch of a history of which a copy is being made here: until it is done, no bus opens the store. */
  readonly filledFrom: string | undefined;
}

/** Finds the store, or makes it. */
export async function openAddress(
  link: RedisLink,
  options: ParsedRedisOptions,
  request: StoreRequest,
  limits: RunLimits,
): Promise<FoundAddress> {
  const { prefix, create, dedupeWindowMs } = options;
  const { shards = request.defaultShards, shardBy } = request;
  const args = [create ? 1 : 0, shards, ulid(), windowOf(options), shardBy?.segments ?? 0];
  const reply = await link.script(limits, OPEN, [storeKey(prefix)], args);
  if (reply === null) {
    throw invalid('create', `${link.place} has no store under the prefix ${prefix}`);
  }
  const texts = (reply as (Buffer | null)[]).map((value) => value?.toString());
  const [format, found, epoch, window, segments, filledFrom] = texts;
  if (format !== FORMAT) {
    throw new BusError('STORE_FAILED', `${link.place}: its format is ${format}, not ${FORMAT}`);
  }
  assertShards(link.place, request.shards, Number(found));
  if (dedupeWindowMs !== undefined && dedupeWindowMs !== Number(window)) {
    throw invalid(
      'dedupeWindowMs',
      `the store remembers ids for ${window} ms, not ${dedupeWindowMs}`,
    );
  }
  return {
    options,
    epoch: epoch!,
    shards: Number(found),
    dedupeWindowMs: Number(window),
    shardBy: segments === '0' ? undefined : { segments: Number(segments) },
    filledFrom,
  };
}

/** Gives each shard the epoch of the store. */
export async function beginShards(
  link: RedisLink,
  { options, epoch, shards }: RedisAddress,
  limits: RunLimits,
): Promise<void> {
  for (let shard = 0; shard < shards; shard++) {
    await link.script(limits, BEGIN_SHARD, [shardKeys(options.prefix, shard).meta], [epoch]);
  }
}

function invalid(setting: string, message: string): BusError {
  return new BusError('OPTION_INVALID', `redisStore: ${setting}: ${message}`, {
    details: { setting },
  });
}
