import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { batchEvent, outcomeOf } from '../../../src/store/redis/append-batch.js';
import { APPEND } from '../../../src/store/redis/append-script.js';
import { batchKey, shardKeys } from '../../../src/store/redis/keys.js';
import type { RedisClient } from '../../../src/store/redis/redis-client.js';
import { BEGIN_SHARD } from '../../../src/store/redis/store-scripts.js';
import { seal } from '../../../src/store/shared/sealed-record.js';
import { record } from '../../store/records.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { freshPrefix } from './subjects.js';

const LATER = 2 ** 52;

describe.runIf(hasRedis)('the script that appends a batch', () => {
  let server: RedisServer;
  let redis: Redis;
  beforeAll(async () => {
    server = await RedisServer.start();
    redis = server.client();
  });
  afterAll(async () => {
    redis.disconnect();
    await server.end();
  });

  /** One log's view of an empty shard. */
  async function shard(epoch = 'e1') {
    const prefix = freshPrefix();
    const keys = shardKeys(prefix, 0);
    const client = redis as unknown as RedisClient;
    await BEGIN_SHARD.run(client, [keys.meta], [epoch]);
    const { meta, log, ids, idsByAge, topics } = keys;
    const of = { epoch, number: 1, latest: LATER, windowMs: 60_000, by: 'one' };
    const append = async (names: string[], change: Partial<typeof of> = {}) => {
      const { number, latest, windowMs, by, ...rest } = { ...of, ...change };
      const events = names.map((id) => {
        const bytes = record({ id });
        return batchEvent({ recordedAt: 1, terms: undefined, bytes: seal(bytes, 0, bytes.length) });
      });
      const args = [rest.epoch, number, latest, windowMs, ''];
      const all = [...args, ...events.flatMap(({ identity, record: one }) => [identity, one])];
      const places = [meta, log, ids, idsByAge, topics, batchKey(prefix, 0, by)];
      return outcomeOf(await APPEND.run(client, places, all));
    };
    return { append, keys };
  }

  test('stores nothing that comes after its time, by the clock of Redis', async () => {
    const { append, keys } = await shard();
    const [seconds = 0] = await redis.time();
    const late = await append(['a'], { latest: 1000 * seconds - 1 });
    expect([late.status, late.sequences]).toEqual(['LATE', []]);
    expect(await redis.xlen(keys.log)).toBe(0);
    expect((await append(['a'])).sequences).toEqual([1]);
  });

  test('stores nothing of another epoch', async () => {
    const { append, keys } = await shard();
    expect((await append(['a'], { epoch: 'e0' })).status).toBe('EPOCH');
    expect(await redis.xlen(keys.log)).toBe(0);
  });

  test('takes a batch that its log sends again for what it was, and that of another for a repeat', async () => {
    const { append } = await shard();
    expect((await append(['a', 'b'])).sequences).toEqual([1, 2]);
    expect((await append(['a', 'b'])).sequences).toEqual([1, 2]);
    expect((await append(['a', 'c'], { number: 2 })).sequences).toEqual([-1, 3]);
    expect((await append(['b', 'c'], { number: 2 })).sequences).toEqual([-2, 3]);
    expect((await append(['c'], { number: 2, by: 'other' })).sequences).toEqual([-3]);
  });

  test('forgets the ids of a few batches that are older than the window, and no others', async () => {
    const { append, keys } = await shard();
    for (let n = 0; n < 6; n++) await append([`x-${n}`, `y-${n}`], { number: n });
    const [seconds = 0] = await redis.time();
    // As if the first five had been stored an hour ago.
    for (let n = 0; n < 5; n++) {
      const batch = (await redis.lindexBuffer(keys.idsByAge, n))!;
      batch.writeDoubleLE(1000 * (seconds - 3600), 0);
      await redis.lset(keys.idsByAge, n, batch);
    }
    expect((await append(['new'], { number: 7 })).sequences).toEqual([13]);
    expect(await redis.hlen(keys.ids)).toBe(13 - 2 * 4);
    expect((await append(['x-5', 'x-4', 'x-3'], { number: 8 })).sequences).toEqual([-11, -9, 14]);
    expect(await redis.hlen(keys.ids)).toBe(13 - 2 * 5 + 1);
  });
});
