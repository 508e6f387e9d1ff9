import { describe, expect, onTestFinished, test } from 'vitest';
import type { PublishAck } from '../../../src/protocol/event.js';
import { Collector, gather } from '../../bus/support/collector.js';
import { refused } from '../../bus/support/failures.js';
import { expectSameHistory, expectWithoutHoles } from '../../bus/support/oracle.js';
import { until, watch, within } from '../../bus/support/wait.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { busOn, input, inputs, openBus, redisStore } from './subjects.js';

/** A master and two replicas. */
async function replicated() {
  const master = await RedisServer.forTest();
  const replicaof = `127.0.0.1 ${master.port}`;
  const replicas = [
    await RedisServer.forTest({ replicaof }),
    await RedisServer.forTest({ replicaof }),
  ];
  for (const replica of replicas) {
    onTestFinished(() => replica.signal('SIGCONT'));
    await until('the replica follows', async () => {
      const info = `${await replica.command('INFO', 'replication')}`;
      return info.includes('master_link_status:up');
    });
  }
  await until('the master knows both', async () =>
    `${await master.command('INFO', 'replication')}`.includes('connected_slaves:2'),
  );
  return { master, replicas };
}

describe.runIf(hasRedis)('a store on Redis with replicas', () => {
  test('acknowledges and shows an event once the replicas have it', async () => {
    const { master, replicas } = await replicated();
    const at = { url: master.url, replicas: 2, waitMs: 50 };
    const bus = await busOn(at, { shards: 1, publishWaitMs: 60_000 });
    const other = await busOn(at);
    const live = await Collector.start(other, '*');
    const first = await bus.publish(input(0));
    expect(first).toMatchObject({ durability: 'replicated', sequence: 1 });
    await live.count(1);
    replicas[1]!.signal('SIGSTOP');
    const publish = bus.publish(input(1));
    const state = watch(publish);
    await until('it is written', async () => {
      return (await master.command('HGET', '{millrace:0}:meta', 'head')) === '2';
    });
    expect(await gather(other.read({ topic: '*' }))).toHaveLength(1);
    expect([state.settled, live.events.length]).toEqual([false, 1]);
    replicas[1]!.signal('SIGCONT');
    const second = await within('the ack', publish);
    await live.count(2);
    expectSameHistory(live.events, [first, second], 'live');
  });

  test('shows an event whose node ended before the replicas had it', async () => {
    const { master, replicas } = await replicated();
    const at = { url: master.url, replicas: 2, waitMs: 50 };
    const bus = await openBus({ store: redisStore(at), shards: 1, publishWaitMs: 60_000 });
    const other = await busOn(at);
    const live = await Collector.start(other, '*');
    replicas[0]!.signal('SIGSTOP');
    const lost = refused(() => bus.publish(input(1)), 'PUBLISH_UNKNOWN');
    await until('it is written', async () => {
      return (await master.command('HGET', '{millrace:0}:meta', 'head')) === '1';
    });
    const late = openBus({ store: redisStore({ ...at, connectTimeoutMs: 500 }) });
    const refusal = { code: 'STORE_FAILED', details: { setting: 'replicas' } };
    await expect(late).rejects.toMatchObject(refusal);
    await bus.close();
    await lost;
    expect(live.events).toEqual([]);
    replicas[0]!.signal('SIGCONT');
    await live.count(1);
    expect((await other.publish(input(2))).sequence).toBe(2);
  });

  test('loses nothing that was acknowledged when sentinels make a replica the master', async () => {
    const { master, replicas } = await replicated();
    const sentinels = await Promise.all([1, 2, 3].map(() => RedisServer.sentinel(master.port)));
    await until('the sentinels know the replicas and each other', async () => {
      const all = sentinels.map(async (one) => {
        const fields = (await one.command('SENTINEL', 'MASTER', 'main')) as string[];
        const of = (name: string) => fields[fields.indexOf(name) + 1];
        return of('num-slaves') === '2' && of('num-other-sentinels') === '2';
      });
      return (await Promise.all(all)).every(Boolean);
    });
    const nodes = sentinels.map(({ port }) => ({ host: '127.0.0.1', port }));
    const at = { sentinels: nodes, name: 'main', replicas: 1, waitMs: 100, idleTimeoutMs: 1000 };
    const bus = await busOn(at, { shards: 1, publishWaitMs: 60_000 });
    const other = await busOn(at);
    const live = await Collector.start(other, '*');
    const acks: PublishAck[] = [];
    let isOver = false;
    const publishing = (async () => {
      for (let n = 0; !isOver; n++) acks.push(...(await bus.publishMany(inputs(20, `${n}`))));
    })();
    await until('publishes go on', () => acks.length > 100);
    await master.kill();
    const before = acks.length;
    await until('publishes go on with another master', () => acks.length > before + 100, 60_000);
    isOver = true;
    await within('the last acks', publishing);
    expectWithoutHoles(acks);
    await live.count(acks.length);
    expectSameHistory(live.events, acks, 'live');
    expectSameHistory(await gather(other.read({ topic: '*' })), acks, 'the log');
    expect(replicas).toHaveLength(2);
  }, 120_000);
});

test.runIf(hasRedis)('a store on a Redis Cluster keeps each shard in one place', async () => {
  const config = { 'cluster-enabled': 'yes', 'cluster-node-timeout': '2000' };
  const servers = [1, 2, 3].map(() => RedisServer.forTest(config));
  const [first, ...others] = await Promise.all(servers);
  const ranges = ['0 5460', '5461 10922', '10923 16383'];
  for (const [index, server] of [first!, ...others].entries()) {
    await server.command('CLUSTER', 'ADDSLOTSRANGE', ...ranges[index]!.split(' '));
    if (index > 0) await server.meet(first!);
  }
  for (const server of [first!, ...others]) {
    await until('the cluster is whole', async () =>
      `${await server.command('CLUSTER', 'INFO')}`.includes('cluster_state:ok'),
    );
  }
  const at = { cluster: [{ host: '127.0.0.1', port: first!.port }] };
  const bus = await busOn(at, { shards: 4 });
  const other = await busOn(at);
  const live = await Collector.start(other, '*');
  const acks = await bus.publishMany(inputs(200, 'one'));
  acks.push(...(await other.publishMany(inputs(200, 'other'))));
  await live.count(400);
  expectSameHistory(live.events, acks, 'live');
  expectSameHistory(await gather(bus.read({ topic: '*' })), acks, 'the log');
});
