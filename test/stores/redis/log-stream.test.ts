import type { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { BusError } from '../../../src/protocol/errors.js';
import { shardKeys } from '../../../src/store/redis/keys.js';
import type { RedisAddress } from '../../../src/store/redis/redis-address.js';
import { RedisLink } from '../../../src/store/redis/redis-link.js';
import { RedisLogStream } from '../../../src/store/redis/redis-log-stream.js';
import { parseRedisOptions } from '../../../src/store/redis/redis-options.js';
import { redisStore } from '../../../src/store/redis/redis-store.js';
import type { NewEntry, StreamEntry } from '../../../src/store/shared/log-stream.js';
import { seal } from '../../../src/store/shared/sealed-record.js';
import { refused } from '../../bus/support/failures.js';
import { until, watch, within } from '../../bus/support/wait.js';
import { record } from '../../store/records.js';
import { FORGET_LAST } from './forget-last.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { SilentProxy } from './silent-proxy.js';

const KEYS = shardKeys('millrace', 0);

function entry(id: string, terms?: NewEntry['terms']): NewEntry {
  const bytes = record({ id });
  return { recordedAt: 1, terms, bytes: seal(bytes, 0, bytes.length) };
}

/** The store's one shard, of which the connections that append and that wait may lead to different ports. */
async function stream(ports: { append: number; tail: number }, epoch?: string) {
  const optionsOf = (port: number) =>
    parseRedisOptions({ url: `redis://127.0.0.1:${port}`, idleTimeoutMs: 300 });
  const options = optionsOf(ports.append);
  let address: RedisAddress;
  if (epoch === undefined) {
    const store = await redisStore(options).open({ shards: 1, defaultShards: 1 });
    address = store.shardOptions(0) as RedisAddress;
    await store.close([]);
  } else {
    address = { options, epoch, shards: 1, dedupeWindowMs: 120_000, isSynced: false };
  }
  const links = [options, optionsOf(ports.tail)].map((one) => RedisLink.open(one, KEYS.meta));
  const log = new RedisLogStream((await Promise.all(links)) as [RedisLink, RedisLink], address, 0);
  onTestFinished(() => log.close());
  const heard: StreamEntry[] = [];
  const failures: BusError[] = [];
  await log.join(0, true, {
    onEntries: (entries) => heard.push(...entries),
    onPruned: () => {},
    onLost: () => {},
    onReplaced: () => {},
    onFailure: (error) => failures.push(error),
  });
  return { log, heard, failures, epoch: address.epoch };
}

/** Takes the last event away, as if another Redis had taken over that had never got it. */
async function lose(redis: Redis, sequence: number): Promise<void> {
  await redis.eval(FORGET_LAST, 1, KEYS.log);
  await redis.hset(KEYS.meta, 'head', sequence - 1);
  await redis.del(KEYS.ids, KEYS.idsByAge);
}

async function evaluations(redis: Redis): Promise<number> {
  const stats = await redis.info('commandstats');
  return [...stats.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].reduce(
    (sum, [, calls]) => sum + Number(calls),
    0,
  );
}

describe.runIf(hasRedis)('the stream of a shard in Redis', () => {
  test.each([
    ['others have its place', true],
    ['its place is empty', false],
  ])(
    'does not take an event for stored that Redis lost before it was heard of: %s',
    async (_what, isTaken) => {
      const server = await RedisServer.forTest();
      const redis = server.client();
      onTestFinished(() => redis.disconnect());
      const proxy = await SilentProxy.before(server.port);
      const { log, heard, failures, epoch } = await stream({
        append: server.port,
        tail: proxy.port,
      });
      const other = await stream({ append: server.port, tail: server.port }, epoch);
      await log.append([entry('a')]);
      await until('it is heard', () => heard.length === 1);
      await other.log.close();
      proxy.silence();
      const append = log.append([entry('b')]);
      const state = watch(append);
      append.catch(() => {});
      await until('it is stored', async () => (await redis.xlen(KEYS.log)) === 2);
      await lose(redis, 2);
      if (isTaken) {
        const third = await stream({ append: server.port, tail: server.port }, epoch);
        expect((await third.log.append([entry('c')])).sequences).toEqual([2]);
      }
      expect(state.settled).toBe(false);
      proxy.speak();
      await refused(() => within('the append', append), 'STORE_FAILED', 'is not there any more');
      expect(failures).toEqual([]);
      // A successor sends the batch again.
      const again = await stream({ append: server.port, tail: server.port }, epoch);
      expect((await again.log.append([entry('b')])).sequences).toEqual([isTaken ? 3 : 2]);
    },
  );

  test('appends nothing where Redis has lost what the log was told of', async () => {
    const server = await RedisServer.forTest();
    const redis = server.client();
    onTestFinished(() => redis.disconnect());
    const proxy = await SilentProxy.before(server.port);
    const { log, heard, epoch } = await stream({ append: server.port, tail: proxy.port });
    await log.append([entry('a'), entry('b')]);
    await until('they are heard', () => heard.length === 2);
    proxy.silence();
    await lose(redis, 2);
    const other = await stream({ append: server.port, tail: server.port }, epoch);
    await other.log.append([entry('c'), entry('d')]);
    await refused(() => log.append([entry('e')]), 'STORE_FAILED', 'went backwards');
    expect(await redis.xlen(KEYS.log)).toBe(3);
    expect(await redis.hget(KEYS.meta, 'epoch')).not.toBe(epoch);
  });

  test('ends the epoch of all where the shard is gone, and the store is not', async () => {
    const server = await RedisServer.forTest();
    const redis = server.client();
    onTestFinished(() => redis.disconnect());
    const { log, heard, failures, epoch } = await stream({
      append: server.port,
      tail: server.port,
    });
    await log.append([entry('a')]);
    await until('it is heard', () => heard.length === 1);
    await redis.del(...Object.values(KEYS));
    await until('the log has ended', () => failures.length > 0);
    expect(failures[0]).toMatchObject({ code: 'STORE_FAILED' });
    expect(await redis.hget('{millrace}:store', 'epoch')).not.toBe(epoch);
  });

  test('ends no epoch because of a replica that is behind', async () => {
    const server = await RedisServer.forTest();
    const replica = await RedisServer.forTest({ replicaof: `127.0.0.1 ${server.port}` });
    const redis = server.client();
    onTestFinished(() => redis.disconnect());
    const proxy = await SilentProxy.before(server.port);
    const { log, heard, failures, epoch } = await stream({ append: server.port, tail: proxy.port });
    await log.append([entry('a')]);
    await until(
      'the replica has it',
      async () => (await replica.command('EXISTS', KEYS.log)) === 1,
    );
    // Nobody listens there: it keeps what it has, and answers.
    await replica.command('REPLICAOF', '127.0.0.1', '1');
    await log.append([entry('b')]);
    await until('they are heard', () => heard.length === 2);
    proxy.to(replica.port);
    await until('the log has asked the replica', () => proxy.connectionsSince >= 3);
    proxy.to(server.port);
    await within('the append', log.append([entry('c')]));
    expect(heard.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(failures).toEqual([]);
    expect(await redis.hget(KEYS.meta, 'epoch')).toBe(epoch);
  });

  test('stores nothing of a late copy of what it has refused', async () => {
    const server = await RedisServer.forTest();
    const redis = server.client();
    onTestFinished(() => redis.disconnect());
    const proxy = await SilentProxy.before(server.port);
    const { log } = await stream({ append: proxy.port, tail: server.port });
    await log.append([entry('a')]);
    proxy.hold();
    const terms = { expected: 0, group: undefined };
    const { refused: refusals } = await log.append([entry('b', terms)]);
    expect(refusals?.get(0)).toMatchObject({ found: 1 });
    // Now it would be as expected.
    await redis.del(KEYS.topics);
    const before = await evaluations(redis);
    proxy.release();
    await until('the copy has come', async () => (await evaluations(redis)) > before);
    expect(await redis.xlen(KEYS.log)).toBe(1);
  });
});
