import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { batchEvent, outcomeOf, PackedBatch } from '../../../src/store/redis/append-batch.js';
import { APPEND } from '../../../src/store/redis/append-script.js';
import { batchKey, shardKeys } from '../../../src/store/redis/keys.js';
import { type KnownEvent, NO_SEAL } from '../../../src/store/redis/known-event.js';
import type { RedisClient } from '../../../src/store/redis/redis-client.js';
import { BEGIN_SHARD } from '../../../src/store/redis/store-scripts.js';
import { TRIM } from '../../../src/store/redis/trim-script.js';
import { seal } from '../../../src/store/shared/sealed-record.js';
import { record } from '../../store/records.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { freshPrefix } from './subjects.js';

const LATER = 2 ** 52;
const NONE: KnownEvent = { sequence: 0, seal: NO_SEAL };

describe.runIf(hasRedis)('the script that appends a batch', () => {
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

  /** One log's view of an empty shard. */
  async function shard(epoch = 'e1') {
    const prefix = freshPrefix();
    const keys = shardKeys(prefix, 0);
    const client = redis as unknown as RedisClient;
    await BEGIN_SHARD.run(client, [keys.meta], [epoch, 0]);
    const { meta, log, ids, idsByAge, topics, emptied } = keys;
    const of = {
      epoch,
      number: 1,
      latest: LATER,
      windowMs: 60_000,
      terms: '',
      by: 'one',
      known: NONE,
    };
    const append = async (names: string[], change: Partial<typeof of> = {}) => {
      const { number, latest, windowMs, terms, by, known, ...rest } = { ...of, ...change };
      const args = [rest.epoch, number, latest, windowMs, terms, known.sequence, known.seal];
      const { bytes } = new PackedBatch(names.map((name) => entryOf(name)));
      const places = [meta, log, ids, idsByAge, topics, batchKey(prefix, 0, by), emptied];
      return outcomeOf(await APPEND.run(client, places, [...args, bytes]));
    };
    /** As if a batch had been stored so long ago; it is the next that is forgotten, or one behind it. */
    const age = async (place: number, names: string[], ms: number) => {
      const batch = (await redis.lindexBuffer(keys.idsByAge, place))!;
      const at = batch.readDoubleLE(0) - ms;
      batch.writeDoubleLE(at, 0);
      await redis.lset(keys.idsByAge, place, batch);
      for (const name of names) {
        const { identity } = batchEvent(entryOf(name));
        const [sequence] = (await redis.hget(keys.ids, identity as unknown as string))!.split(' ');
        await redis.hset(keys.ids, identity as unknown as string, `${sequence} ${at}`);
      }
    };
    /** Removes all but the newest events, and keeps so many topics that have none. */
    const trim = (maxEvents: number, emptiedKept: number) =>
      TRIM.run(client, [meta, log, topics, emptied], [epoch, maxEvents, -1, -1, emptiedKept]);
    return { append, age, trim, keys };
  }

  /** `topic/id`, or an id. */
  function entryOf(name: string) {
    const [id, topic = 'test.topic'] = name.split('/').reverse();
    const bytes = record({ id: id!, topic });
    return { recordedAt: 1, terms: undefined, bytes: seal(bytes, 0, bytes.length) };
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

  test('remembers of the topics without events those that had some last', async () => {
    const { append, trim, keys } = await shard();
    const names = () => redis.hkeys(keys.topics).then((found) => found.sort());
    await append(['a/1', 'b/2', 'c/3', 'd/4', 'e/5']);
    await trim(1, 2);
    expect(await names()).toEqual(['c', 'd', 'e']);
    expect(await redis.hget(keys.meta, 'forgotten')).toBe('2');
    const expectOf = (sequence: number) => ({
      number: 2,
      terms: JSON.stringify([[0, sequence, -1]]),
    });
    // One that it remembers, and one that it takes for new.
    expect((await append(['c/6'], expectOf(0))).refusals.map(String)).toEqual([
      '0',
      'UNEXPECTED',
      '0',
      '3',
    ]);
    expect((await append(['c/6'], expectOf(3))).sequences).toEqual([6]);
    expect((await append(['a/7'], expectOf(0))).sequences).toEqual([7]);
    const pruned = async (name: string) =>
      (await redis.hgetBuffer(keys.topics, name))!.readDoubleLE(40);
    expect([await pruned('c'), await pruned('a')]).toEqual([3, 2]);
    await trim(1, 0);
    expect(await names()).toEqual(['a']);
    expect(await redis.hget(keys.meta, 'forgotten')).toBe('6');
    expect(await redis.zcard(keys.emptied)).toBe(0);
  });

  test('stores nothing where the shard has lost what its log knows', async () => {
    const { append, trim, keys } = await shard();
    await append(['a', 'b', 'c']);
    const [, [, , , bytes] = []] = (await redis.xrangeBuffer(keys.log, '2-0', '2-0'))[0]!;
    const known = (sequence: number, of = bytes!) => ({
      number: 2,
      known: { sequence, seal: of.subarray(-4) },
    });
    for (const lost of [known(4), known(2, Buffer.from('abcd')), known(3)]) {
      expect((await append(['d'], lost)).status).toBe('BACK');
    }
    expect((await append(['d'], known(2))).sequences).toEqual([4]);
    await trim(1, 10);
    expect((await append(['e'], { ...known(2), number: 3 })).sequences).toEqual([5]);
  });
});
