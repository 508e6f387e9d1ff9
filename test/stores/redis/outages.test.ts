import { describe, expect, test } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { PublishAck } from '../../../src/protocol/event.js';
import { Collector, gather } from '../../bus/support/collector.js';
import { refused } from '../../bus/support/failures.js';
import { expectSameHistory, expectWithoutHoles } from '../../bus/support/oracle.js';
import { until, within } from '../../bus/support/wait.js';
import { FORGET_LAST } from './forget-last.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { SilentProxy } from './silent-proxy.js';
import { busOn, input, inputs } from './subjects.js';

const OPTIONS = { publishWaitMs: 60_000, shards: 2 };

describe.runIf(hasRedis)('buses on a Redis that', () => {
  test('says nothing on its connections are heard again on others', async () => {
    const server = await RedisServer.forTest();
    const proxy = await SilentProxy.before(server.port);
    const at = { url: `redis://127.0.0.1:${proxy.port}`, idleTimeoutMs: 300 };
    const bus = await busOn(at, { ...OPTIONS, shards: 1 });
    const other = await busOn(at);
    const live = await Collector.start(other, '*');
    const acks = await bus.publishMany(inputs(20, 'before'));
    await live.count(20);
    proxy.silence();
    const meanwhile = bus.publishMany(inputs(20, 'meanwhile'));
    // The one that appends, and the ones that wait for news on both nodes.
    await until('they have given their connections up', () => proxy.connectionsSince >= 3);
    proxy.speak();
    acks.push(...(await within('the acks', meanwhile)));
    await live.count(40);
    expectSameHistory(live.events, acks, 'live');
    expect(acks.every(({ duplicate }) => !duplicate)).toBe(true);
    expect(await gather(other.read({ topic: '*' }))).toHaveLength(40);
  });

  test('is away for long take their publishes again when it is back, and store them once', async () => {
    const server = await RedisServer.forTest({ appendfsync: 'always' });
    const bus = await busOn({ url: server.url }, { ...OPTIONS, shards: 1 });
    const live = await Collector.start(bus, '*');
    const acks = await bus.publishMany(inputs(20, 'before'));
    await server.kill();
    const meanwhile = bus.publishMany(inputs(20, 'meanwhile'));
    await until('the thread gives its commit up', async () => {
      const { shards } = await bus.stats();
      return shards[0]!.restarts === 1;
    });
    await server.start();
    acks.push(...(await within('the acks', meanwhile)));
    await live.count(40);
    expectSameHistory(live.events, acks, 'live');
    expectSameHistory(await gather(bus.read({ topic: '*' })), acks, 'the log');
  });

  test('has no room refuse publishes, and go on when it has', async () => {
    const server = await RedisServer.forTest({ maxmemory: '5mb' });
    const bus = await busOn({ url: server.url }, OPTIONS);
    const large = { ...input(0), payload: 'x'.repeat(100_000) };
    const named = { ...input(1), id: 'named' };
    const first = await bus.publish(named);
    const acks: PublishAck[] = [first];
    const fill = async () => {
      for (;;) acks.push(await bus.publish(large));
    };
    await refused(fill, 'STORE_FULL', 'raise maxmemory or remove events');
    expect(await bus.publish(named)).toEqual({ ...first, duplicate: true });
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(acks.length);
    await server.command('CONFIG', 'SET', 'maxmemory', '0');
    acks.push(await bus.publish(large));
    expectWithoutHoles(acks);
  });

  test('is quiet for longer than a connection may say nothing keeps its connections', async () => {
    const server = await RedisServer.forTest();
    const proxy = await SilentProxy.before(server.port);
    await busOn({ url: `redis://127.0.0.1:${proxy.port}`, idleTimeoutMs: 800 }, { shards: 1 });
    const looks = async () => {
      const stats = `${await server.command('INFO', 'commandstats')}`;
      return Number(/cmdstat_xread:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    };
    let from = { looks: await looks(), connections: proxy.connectionsSince };
    await until('it has looked twice on one connection', async () => {
      const now = { looks: await looks(), connections: proxy.connectionsSince };
      if (now.connections > from.connections) from = now;
      return now.looks >= from.looks + 2;
    });
  });

  test('takes the password no more is told of, and ends the shard', async () => {
    const server = await RedisServer.forTest({ requirepass: 'right' });
    // So short that a busy machine may need it more than once, as each of its threads waits for so long later.
    const at = { url: server.url, password: 'right', connectTimeoutMs: 300 };
    let bus!: Bus;
    await until('the bus opens', async () => {
      const opening = busOn(at, { ...OPTIONS, shards: 1 }).catch(() => undefined);
      bus = (await opening) ?? bus;
      return bus !== undefined;
    });
    const client = server.client();
    await client.config('SET', 'requirepass', 'other');
    await client.call('CLIENT', 'KILL', 'TYPE', 'normal');
    client.disconnect();
    await until('the shard is given up', async () => {
      const { shards } = await bus.stats();
      return shards[0]!.state === 'failed';
    });
    await refused(() => bus.publish(input(0)), 'STORE_FAILED', 'it refuses the credentials');
  });

  test('forgets its scripts give them to it again', async () => {
    const server = await RedisServer.forTest();
    const bus = await busOn({ url: server.url }, OPTIONS);
    await bus.publish(input(0));
    await server.command('SCRIPT', 'FLUSH');
    expect(await bus.publish(input(1))).toMatchObject({ duplicate: false });
  });

  test.each([
    ['has lost its data', 'FLUSHALL'],
    ['has lost the last event', 'XTRIM'],
  ])('%s give the shard up until they are opened again', async (_what, how) => {
    const server = await RedisServer.forTest();
    const at = { url: server.url };
    const bus = await busOn(at, { shards: 1 });
    const other = await busOn(at);
    await bus.publishMany(inputs(5, 'lost'));
    await (await Collector.start(other, '*', { from: 'earliest' })).count(5);
    if (how === 'FLUSHALL') await server.command('FLUSHALL');
    else {
      await server.command('EVAL', FORGET_LAST, '1', '{millrace:0}:log');
      await server.command('HSET', '{millrace:0}:meta', 'head', '4');
    }
    for (const one of [bus, other]) {
      await until('the shard is given up', async () => {
        const { shards } = await one.stats();
        return shards[0]!.state === 'failed';
      });
      await refused(() => one.publish(input(0)), 'STORE_FAILED', 'its history has ended: Redis');
    }
    const again = await busOn(at, { shards: 1 });
    expect((await again.publish(input(0))).sequence).toBeGreaterThan(0);
  });
});
