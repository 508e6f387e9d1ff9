import { elapsedMs } from '../../threads/elapsed.js';
import type { FillRequest, StoreFilling } from '../filling.js';
import type { LogStore, OpenStore, StoreRequest } from '../log-store.js';
import { OpenSharedStore, stillFilled } from '../shared/shared-store.js';
import { beginShards, openAddress } from './opening.js';
import type { RedisAddress } from './redis-address.js';
import { fillRedis } from './redis-filling.js';
import { RedisLink } from './redis-link.js';
import {
  type ParsedRedisOptions,
  parseRedisOptions,
  type RedisStoreOptions,
} from './redis-options.js';
import { examineServer, type RedisDurability } from './redis-server.js';
import { ShardReader } from './shard-reader.js';

/** Given as URLs, because other threads import them. */
const SHARD_LOG = new URL('./redis-shard-log.js', import.meta.url).href;
const HISTORY = new URL('./redis-history.js', import.meta.url).href;

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

  fill(request: FillRequest): Promise<StoreFilling> {
    return fillRedis(this.#options, request);
  }

  async #openOn(link: RedisLink, request: StoreRequest): Promise<OpenStore> {
    const options = this.#options;
    const limits = { until: elapsedMs() + options.connectTimeoutMs };
    const durability = await examineServer(link, options, limits);
    const { shardBy, filledFrom, ...address } = await openAddress(link, options, request, limits);
    if (filledFrom !== undefined) throw stillFilled(link.place);
    await beginShards(link, address, limits);
    return openedStore(link, address, shardBy, durability);
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
