import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { beginOtherEpoch, beginShard } from '../../../src/store/redis/epochs.js';
import { shardKeys, storeKey } from '../../../src/store/redis/keys.js';
import type { RedisAddress } from '../../../src/store/redis/redis-address.js';
import { RedisLink } from '../../../src/store/redis/redis-link.js';
import { parseRedisOptions } from '../../../src/store/redis/redis-options.js';
import { redisStore } from '../../../src/store/redis/redis-store.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { freshPrefix } from './subjects.js';

describe.runIf(hasRedis)('the epochs of a store in Redis', () => {
  let server: RedisServer;
  let redis: Redis;
  beforeAll(async () => {
    server = await RedisServer.start();
    redis = server.client();
  });
  afterAll(async () => {
    redis.disconnect();
    await server.dispose();
  });

  async function store() {
    const prefix = freshPrefix();
    const options = parseRedisOptions({ url: server.url, prefix });
    const open = async () => {
      const opened = await redisStore(options).open({ shards: 2, defaultShards: 1 });
      await opened.close([]);
      return opened.shardOptions(0) as RedisAddress;
    };
    const epochs = () =>
      Promise.all(
        [storeKey(prefix), shardKeys(prefix, 0).meta, shardKeys(prefix, 1).meta].map((key) =>
          redis.hget(key, 'epoch'),
        ),
      );
    return { options, open, epochs, prefix };
  }

  test('a node that opened the store before another began an epoch does not bring the old one back', async () => {
    const { options, open, epochs, prefix } = await store();
    const address = await open();
    expect(await epochs()).toEqual(Array(3).fill(address.epoch));
    const link = await RedisLink.open(options, storeKey(prefix));
    await beginOtherEpoch(link, address, 0);
    await beginOtherEpoch(link, address, 1);
    const [begun] = await epochs();
    expect(begun).not.toBe(address.epoch);
    const { meta } = shardKeys(prefix, 0);
    expect(await beginShard(link, meta, [address.epoch, '0'], true, {})).toBe(1);
    expect(await epochs()).toEqual(Array(3).fill(begun));
    expect((await open()).epoch).toBe(begun);
    link.close();
  });

  test('a store whose node has lost the last one begins another one', async () => {
    const { open, epochs, prefix } = await store();
    const { epoch } = await open();
    await redis.hset(shardKeys(prefix, 1).meta, { epoch: 'later', epochs: 3 });
    const begun = (await open()).epoch;
    expect([epoch, 'later']).not.toContain(begun);
    expect(await epochs()).toEqual(Array(3).fill(begun));
    expect(await redis.hget(storeKey(prefix), 'epochs')).toBe('4');
  });

  test('a store of which a node has lost a shard begins another one', async () => {
    const { open, epochs, prefix } = await store();
    const { epoch } = await open();
    await redis.del(shardKeys(prefix, 1).meta);
    const begun = (await open()).epoch;
    expect(begun).not.toBe(epoch);
    expect(await epochs()).toEqual(Array(3).fill(begun));
  });
});
