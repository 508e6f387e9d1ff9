import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { LogStore, OpenStore, StoreRequest } from '../log-store.js';
import { assertShards, OpenSharedStore } from '../shared/shared-store.js';
import { shardKeys, storeKey } from './keys.js';
import type { RedisAddress } from './redis-address.js';
import { RedisLink, type RunLimits } from './redis-link.js';
import {
  type ParsedRedisOptions,
  parseRedisOptions,
  type RedisStoreOptions,
  windowOf,
} from './redis-options.js';
import { examineServer, type RedisDurability } from './redis-server.js';
import { ShardReader } from './shard-reader.js';
import { BEGIN_SHARD, OPEN } from './store-scripts.js';

/** Given as URLs, because other threads import them. */
const SHARD_LOG = new URL('./redis-shard-log.js', import.meta.url).href;
const HISTORY = new URL('./redis-history.js', import.meta.url).href;

const FORMAT = '1';

/**
 * Makes a store of which a Redis keeps the events: a stream for each shard, in Redis 7.0 or later. Needs the package
 * `ioredis`.
 *
 * @param options how Redis is reached, and how safe an event has to be before it is acknowledged
 * @throws BusError `OPTION_INVALID`, with every fault in `details.faults`
 */
export function redisStore(options: RedisStoreOptions = {}): LogStore {
  return new RedisStore(parseRedisOptions(options));
}

class RedisStore implements LogStore {
  readonly name = 'on Redis';
  readonly #options: ParsedRedisOptions;

  constructor(options: ParsedRedisOptions) {
    this.#options = options;
  }

  async open(request: StoreRequest): Promise<OpenStore> {
    const link = await RedisLink.open(this.#options);
    try {
      return await this.#openOn(link, request);
    } catch (error) {
      link.close();
      throw error;
    }
  }

  async #openOn(link: RedisLink, request: StoreRequest): Promise<OpenStore> {
    const options = this.#options;
    const limits = { until: elapsedMs() + options.connectTimeoutMs };
    const durability = await examineServer(link, options, limits);
    const { shardBy, ...address } = await this.#address(link, request, limits);
    for (let shard = 0; shard < address.shards; shard++) {
      const { meta } = shardKeys(options.prefix, shard);
      await link.script(limits, BEGIN_SHARD, [meta], [address.epoch]);
    }
    return openedStore(link, address, shardBy, durability);
  }

  /** Finds the store, or makes it. */
  async #address(link: RedisLink, request: StoreRequest, limits: RunLimits) {
    const { prefix, create, dedupeWindowMs } = this.#options;
    const { shards = request.defaultShards, shardBy } = request;
    const args = [create ? 1 : 0, shards, ulid(), windowOf(this.#options), shardBy?.segments ?? 0];
    const reply = await link.script(limits, OPEN, [storeKey(prefix)], args);
    if (reply === null) {
      throw invalid('create', `${link.place} has no store under the prefix ${prefix}`);
    }
    const [format, found, epoch, window, segments] = (reply as (Buffer | null)[]).map(String);
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
      options: this.#options,
      epoch: epoch!,
      shards: Number(found),
      dedupeWindowMs: Number(window),
      shardBy: segments === '0' ? undefined : { segments: Number(segments) },
    };
  }
}

function openedStore(
  link: RedisLink,
  address: RedisAddress,
  shardBy: OpenStore['shardBy'],
  durability: RedisDurability,
): OpenStore {
  const { shards, epoch, options } = address;
  const readers = Array.from({ length: shards }, (_, n) => new ShardReader(link, address, n));
  return new OpenSharedStore({
    shards,
    shardBy,
    epoch,
    durability,
    shardLog: SHARD_LOG,
    historyModule: HISTORY,
    options: address,
    heads: async () => {
      const limits = { until: elapsedMs() + options.connectTimeoutMs };
      const states = await Promise.all(readers.map((reader) => reader.state(limits)));
      return states.map(({ head }) => head);
    },
    close: () => link.close(),
  });
}

function invalid(setting: string, message: string): BusError {
  return new BusError('OPTION_INVALID', `redisStore: ${setting}: ${message}`, {
    details: { setting },
  });
}
