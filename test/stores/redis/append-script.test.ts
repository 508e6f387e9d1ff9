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
    const of = { epoch, number: 1, latest: LATER, windowMs: 60_000, terms: '', by: 'one' };
    const append = async (names: string[], change: Partial<typeof of> = {}) => {
      const { number, latest, windowMs, terms, by, ...rest } = { ...of, ...change };
      const events = names.map(eventOf);
      const args = [rest.epoch, number, latest, windowMs, terms];
      const all = [...args, ...events.flatMap(({ identity, record: one }) => [identity, one])];
      const places = [meta, log, ids, idsByAge, topics, batchKey(prefix, 0, by)];
      return outcomeOf(await APPEND.run(client, places, all));
    };
    /** As if a batch had been stored so long ago; it is the next that is forgotten, or one behind it. */
    const age = async (place: number, names: string[], ms: number) => {
      const batch = (await redis.lindexBuffer(keys.idsByAge, place))!;
      const at = batch.readDoubleLE(0) - ms;
      batch.writeDoubleLE(at, 0);
      await redis.lset(keys.idsByAge, place, batch);
      for (const name of names) {
        const { identity } = eventOf(name);
        const [sequence] = (await redis.hget(keys.ids, identity as unknown as string))!.split(' ');
        await redis.hset(keys.ids, identity as unknown as string, `${sequence} ${at}`);
      }
    };
    return { append, age, keys };
  }

  function eventOf(id: string) {
    const bytes = record({ id });
    return batchEvent({ recordedAt: 1, terms: undefined, bytes: seal(bytes, 0, bytes.length) });
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
    const { append, age, keys } = await shard();
    for (let n = 0; n < 6; n++) await append([`x-${n}`, `y-${n}`], { number: n });
    for (let n = 0; n < 5; n++) await age(n, [`x-${n}`, `y-${n}`], 3_600_000);
    expect((await append(['new'], { number: 7 })).sequences).toEqual([13]);
    expect(await redis.hlen(keys.ids)).toBe(13 - 2 * 4);
    // The fifth batch is still there, and too old to count.
    expect((await append(['x-5', 'x-4', 'x-3'], { number: 8 })).sequences).toEqual([-11, 14, 15]);
    expect((await append(['x-4', 'x-3', 'y-5'], { number: 9 })).sequences).toEqual([-14, -15, -12]);
    expect(await redis.hlen(keys.ids)).toBe(5);
  });

  test('knows an id for the window and no longer, however quiet the shard is', async () => {
    const { append, age } = await shard();
    expect((await append(['hourly'])).sequences).toEqual([1]);
    await age(0, ['hourly'], 59_000);
    expect((await append(['hourly'], { number: 2 })).sequences).toEqual([-1]);
    await age(0, ['hourly'], 3_600_000);
    expect((await append(['hourly'], { number: 3 })).sequences).toEqual([2]);
    expect((await append(['hourly'], { number: 4 })).sequences).toEqual([-2]);
  });

  test('stores a group once that is twice in one batch, and refuses one of which another has a part', async () => {
    const { append } = await shard();
    const groups = (...of: readonly (readonly [from: number, count: number])[]) =>
      JSON.stringify(
        of.flatMap(([from, count]) =>
          Array.from({ length: count }, (_, n) => [from + n, -1, from]),
        ),
      );
    const twice = { terms: groups([0, 2], [2, 2]) };
    expect((await append(['a', 'b', 'a', 'b'], twice)).sequences).toEqual([1, 2, -1, -2]);
    const apart = await append(['c', 'd', 'c'], { number: 2, terms: groups([1, 2]) });
    expect(apart.sequences).toEqual([3, 0, 0]);
    expect(apart.refusals.map(String)).toEqual(['1', 'APART', '1', '3']);
  });
});
