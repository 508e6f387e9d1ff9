import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Delivery } from '../../../src/protocol/consumers.js';
import type { BusError } from '../../../src/protocol/errors.js';
import { publishJobs, workerOf } from '../../bus/consumers/support.js';
import { until } from '../../bus/support/wait.js';
import {
  consumerBrokerChecks,
  entry,
  openingOf,
  texts,
} from '../../testing/consumer-broker-checks.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { busOn, freshPrefix, redisStore } from './subjects.js';

describe.runIf(hasRedis)('consumers on Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.dispose());
  const create = () => ({ store: redisStore({ url: server.url, prefix: freshPrefix() }) });

  consumerBrokerChecks('in Redis', { create });

  test('a journal that lost changes in a failover takes no more of them', async () => {
    const prefix = freshPrefix();
    const open = await openingOf({
      create: () => ({ store: redisStore({ url: server.url, prefix }) }),
    });
    const journal = (await open()).journal(0);
    await journal.take();
    await journal.append(entry('a'));
    await journal.append(entry('b'));
    const client = server.client();
    onTestFinished(() => client.disconnect());
    // As a replica that had not got the last one yet.
    await client.rpop(`{${prefix}:0}:consumers:journal`);
    await client.hset(`{${prefix}:0}:consumers:owner`, 'number', '1');
    await expect(journal.append(entry('c'))).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('has lost a part of the journal'),
    });
    expect(texts(await (await open()).journal(0).take())).toEqual(['a']);
  });

  test('a journal takes nothing for a history that has ended', async () => {
    const prefix = freshPrefix();
    const open = await openingOf({
      create: () => ({ store: redisStore({ url: server.url, prefix }) }),
    });
    const journal = (await open()).journal(0);
    await journal.take();
    await journal.append(entry('a'));
    await server.command('HSET', `{${prefix}:0}:meta`, 'epoch', 'another');
    const refusal = { code: 'STORE_FAILED', message: expect.stringContaining('another epoch') };
    await expect(journal.append(entry('b'))).rejects.toMatchObject(refusal);
    await expect(journal.compact([entry('b')])).rejects.toMatchObject(refusal);
    await expect((await open()).journal(0).take()).rejects.toMatchObject(refusal);
  });

  test('a change whose answer was lost is made once, and goes on when Redis is back', async () => {
    const own = await RedisServer.forTest({ appendfsync: 'always' });
    const open = await openingOf({ create: () => ({ store: redisStore({ url: own.url }) }) });
    const journal = (await open()).journal(0);
    const owner = (await open()).text('owner');
    await journal.take();
    await own.kill();
    const appended = journal.append(entry('a'));
    const replaced = owner.replace(0, 'me');
    await own.start();
    await appended;
    expect(await replaced).toBe(1);
    await journal.append(entry('b'));
    expect(texts(await (await open()).journal(0).take())).toEqual(['a', 'b']);
  });

  test('messages come again after Redis has cut the connections that receive them', async () => {
    const own = await RedisServer.forTest();
    const open = await openingOf({ create: () => ({ store: redisStore({ url: own.url }) }) });
    const [receiver, sender] = [await open(), await open()];
    let heard = 0;
    await receiver.listen('a', () => heard++);
    for (let round = 0; round < 5; round++) {
      await own.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
      const before = heard;
      await until('a message comes', () => {
        sender.send('a', entry(`${round}`));
        return heard > before;
      });
    }
  });

  test('histories of two databases have nothing to say to each other', async () => {
    const nodes = await Promise.all(
      [0, 1].map(async (database) => {
        const url = `${server.url}/${database}`;
        const open = await openingOf({
          create: () => ({ store: redisStore({ url, prefix: 'db' }) }),
        });
        const broker = await open();
        const heard: string[] = [];
        await broker.listen('a', (message) => heard.push(...texts([message])));
        return { broker, heard };
      }),
    );
    for (const [n, { broker }] of nodes.entries()) broker.send('a', entry(`of ${n}`));
    await until('both have heard', () => nodes.every(({ heard }) => heard.length > 0));
    for (const [n, { broker }] of nodes.entries()) broker.send('a', entry(`again ${n}`));
    await until('again', () => nodes.every(({ heard }) => heard.length > 1));
    expect(nodes.map(({ heard }) => heard)).toEqual([
      ['of 0', 'again 0'],
      ['of 1', 'again 1'],
    ]);
  });

  test('members of two nodes share the work, and one goes on when the other node closes', async () => {
    const options = { url: server.url, prefix: freshPrefix() };
    const quiet = { systemEvents: false, shards: 2 } as const;
    const [one, other] = [await busOn(options, quiet), await busOn(options, quiet)];
    const here = await workerOf(one, { order: 'topic' });
    const there = await workerOf(other, { order: 'topic' });
    const done: Delivery[] = [];
    const byNode = [0, 0];
    const runs = [here, there].map((worker, node) =>
      worker.run(
        async (delivery) => {
          done.push(delivery);
          byNode[node]!++;
        },
        { concurrency: 4 },
      ),
    );
    await publishJobs(other, 200);
    await until('all are acknowledged', async () => (await there.info()).acked === 200);
    expect(Math.min(...byNode)).toBeGreaterThan(0);
    await runs[0]!.stop();
    await one.close();
    await publishJobs(other, 100, 200);
    await until('the rest too', async () => (await there.info()).acked === 300);
    await runs[1]!.stop();
    expect(new Set(done.map(({ event }) => event.payload)).size).toBe(300);
  });

  test('pass to another node where one has no right to the journal, and its members go on', async () => {
    const own = await RedisServer.forTest();
    const allow = (...rights: string[]): Promise<unknown> =>
      own.command('ACL', 'SETUSER', 'weak', 'resetkeys', ...rights);
    await allow('on', '>secret', '+@all', '&*', '~*');
    const login = { username: 'weak', password: 'secret' };
    const warnings: BusError[] = [];
    const onError = (error: BusError) => void warnings.push(error);
    const weak = await busOn({ url: own.url, ...login }, { systemEvents: false, onError });
    const strong = await busOn({ url: own.url }, { systemEvents: false });
    const byNode = [0, 0];
    const workers = [await workerOf(weak), await workerOf(strong)];
    const runs = workers.map((worker, node) => worker.run(() => void byNode[node]!++));
    await publishJobs(strong, 50);
    await until('all are acknowledged', async () => (await workers[1]!.info()).acked === 50);
    const keys = ['meta', 'log', 'ids*', 'topics*', 'confirmed', 'batch:*', 'consumers:owner'];
    await allow('~{millrace}:*', ...keys.map((key) => `~{millrace:0}:${key}`));
    await publishJobs(strong, 50, 50);
    await until('the rest too', async () => (await workers[1]!.info()).acked === 100);
    const before = byNode[0]!;
    await until('the node that had to give up works again', async () => {
      await publishJobs(strong, 10, 100);
      return byNode[0]! > before;
    });
    expect(warnings).toContainEqual(
      expect.objectContaining({
        code: 'STORE_FAILED',
        message: expect.stringContaining('the consumers of shard 0 could not be served here'),
      }),
    );
    await Promise.all(runs.map((run) => run.stop()));
  });
});
