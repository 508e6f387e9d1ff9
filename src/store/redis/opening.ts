import { setTimeout as afterMs } from 'node:timers/promises';
import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { StoreRequest } from '../log-store.js';
import { assertShards } from '../shared/shared-store.js';
import { BEGUN, beginShard } from './epochs.js';
import { shardKeys, storeKey } from './keys.js';
import type { RedisAddress } from './redis-address.js';
import { RedisLink, type RunLimits } from './redis-link.js';
import { RedisLinks } from './redis-links.js';
import { type ParsedRedisOptions, windowOf } from './redis-options.js';
import { examineServer, leastOf, type RedisDurability } from './redis-server.js';
import { NEW_EPOCH, OPEN } from './store-scripts.js';

const FORMAT = '1';
const RETRY_MS = 50;
/**
 * Whoever makes a store makes its shards too, and whoever begins an epoch notes it in the store first, ms: where one lacks for so long,
 * it has been lost.
 */
const LOST_AFTER_MS = 1000;

/** A store as its hash describes it. */
interface StoreHash {
  readonly shards: number;
  readonly dedupeWindowMs: number;
  readonly shardBy: { readonly segments: number } | undefined;
  /** The epoch of a history of which a copy is being made here: until it is done, no bus opens the store. */
  readonly filledFrom: string | undefined;
  /** It was not there before. */
  readonly isMade: boolean;
}

/** A store that was found or made, with connections to the servers of all its shards. */
export interface OpenedRedis extends StoreHash {
  /** To the server of the store's own key. */
  readonly link: RedisLink;
  readonly address: RedisAddress;
  readonly durability: RedisDurability;
  linkOf(shard: number): RedisLink;
  close(): void;
}

/** Finds the store, or makes it, examines its servers, and gives all shards its epoch. */
export async function openRedis(
  options: ParsedRedisOptions,
  request: StoreRequest,
): Promise<OpenedRedis> {
  const { prefix, connectTimeoutMs } = options;
  const limits = { until: elapsedMs() + connectTimeoutMs };
  const link = await RedisLink.open(options, storeKey(prefix));
  let links: RedisLinks | undefined;
  const close = (): void => {
    links?.close();
    link.close();
  };
  try {
    const durabilities = [await examineServer(link, options, limits)];
    const found = await findStore(link, options, request, limits);
    const { shards, dedupeWindowMs } = found;
    const metas = Array.from({ length: shards }, (_, shard) => shardKeys(prefix, shard).meta);
    links = await RedisLinks.open(options, metas, link);
    for (const one of links.all) {
      if (one !== link) durabilities.push(await examineServer(one, options, limits));
    }
    const durability = leastOf(durabilities);
    const epoch = await beginShards(links, found.isMade, {
      link,
      store: storeKey(prefix),
      metas,
      limits,
    });
    const isSynced = durability === 'synced';
    const address = { options, epoch, shards, dedupeWindowMs, isSynced };
    const linkOf = (shard: number): RedisLink => links!.of(metas[shard]!);
    return { ...found, link, address, durability, linkOf, close };
  } catch (error) {
    close();
    throw error;
  }
}

async function findStore(
  link: RedisLink,
  options: ParsedRedisOptions,
  request: StoreRequest,
  limits: RunLimits,
): Promise<StoreHash> {
  const { prefix, create, dedupeWindowMs } = options;
  const { shards = request.defaultShards, shardBy } = request;
  const args = [create ? 1 : 0, shards, ulid(), windowOf(options), shardBy?.segments ?? 0];
  const reply = await link.script(limits, OPEN, [storeKey(prefix)], args);
  if (reply === null) {
    throw invalid('create', `${link.place} has no store under the prefix ${prefix}`);
  }
  const texts = (reply as (Buffer | null)[]).map((value) => value?.toString());
  const [format, found, window, segments, filledFrom, made] = texts;
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
    shards: Number(found),
    dedupeWindowMs: Number(window),
    shardBy: segments === '0' ? undefined : { segments: Number(segments) },
    filledFrom,
    isMade: made !== undefined,
  };
}

interface ShardsToBegin {
  readonly link: RedisLink;
  readonly store: string;
  readonly metas: readonly string[];
  readonly limits: RunLimits;
}

/** Gives all shards the epoch of the store, which another node may end meanwhile, and returns it. */
async function beginShards(
  links: RedisLinks,
  isMade: boolean,
  { link, store, metas, limits }: ShardsToBegin,
): Promise<string> {
  let mayMake = isMade;
  const begunAt = elapsedMs();
  for (;;) {
    const reply = await link.command(limits, 'HMGET', store, 'epoch', 'epochs');
    const [epoch, epochs = '0'] = (reply as (Buffer | null)[]).map((one) => one?.toString());
    if (epoch === undefined) throw new BusError('STORE_FAILED', `${link.place} lost the store`);
    const told = await Promise.all(
      metas.map((meta) => beginShard(links.of(meta), meta, [epoch, epochs], mayMake, limits)),
    );
    if (told.every((one) => one === BEGUN)) return epoch;
    if (elapsedMs() - begunAt <= LOST_AFTER_MS) {
      await afterMs(RETRY_MS);
      continue;
    }
    // A node of a cluster has lost the store's last epoch, or a shard.
    const latest = Math.max(0, ...told);
    await link.script(limits, NEW_EPOCH, [store], [epoch, ulid(), latest]);
    mayMake = true;
  }
}

function invalid(setting: string, message: string): BusError {
  return new BusError('OPTION_INVALID', `redisStore: ${setting}: ${message}`, {
    details: { setting },
  });
}
