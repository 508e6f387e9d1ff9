import { elapsedMs } from '../../threads/elapsed.js';
import { threadModule } from '../../threads/packed.js';
import type { FillRequest, StoreFilling } from '../filling.js';
import type { LogStore, OpenStore, StoreRequest } from '../log-store.js';
import { OpenSharedStore, stillFilled } from '../shared/shared-store.js';
import { type OpenedRedis, openRedis } from './opening.js';
import { fillRedis } from './redis-filling.js';
import {
  type ParsedRedisOptions,
  parseRedisOptions,
  type RedisStoreOptions,
} from './redis-options.js';
import { ShardReader } from './shard-reader.js';

/** Given as URLs, because other threads import them. */
const SHARD_LOG = threadModule('store/redis/redis-shard-log').href;
const HISTORY = threadModule('store/redis/redis-history').href;
const CONSUMERS = threadModule('store/redis/consumers/redis-consumers').href;

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
    const opened = await openRedis(this.#options, request);
    if (opened.filledFrom === undefined) return openedStore(opened);
    opened.close();
    throw stillFilled(opened.link.place);
  }

  fill(request: FillRequest): Promise<StoreFilling> {
    return fillRedis(this.#options, request);
  }
}

function openedStore(opened: OpenedRedis): OpenStore {
  const { address, shardBy, durability } = opened;
  const { shards, epoch, options } = address;
  const readers = Array.from(
    { length: shards },
    (_, shard) => new ShardReader(opened.linkOf(shard), address, shard),
  );
  return new OpenSharedStore({
    shards,
    shardBy,
    epoch,
    durability,
    shardLog: SHARD_LOG,
    historyModule: HISTORY,
    options: address,
    consumerBroker: { module: CONSUMERS, options: address },
    heads: async () => {
      const limits = { until: elapsedMs() + options.connectTimeoutMs };
      const states = await Promise.all(readers.map((reader) => reader.state(limits)));
      return states.map(({ head }) => head);
    },
    close: () => opened.close(),
  });
}
