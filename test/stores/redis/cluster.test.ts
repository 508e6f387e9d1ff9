import { describe, expect, onTestFinished, test } from 'vitest';
import { Collector, gather } from '../../bus/support/collector.js';
import { refused } from '../../bus/support/failures.js';
import { expectSameHistory } from '../../bus/support/oracle.js';
import { until, within } from '../../bus/support/wait.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { busOn, inputs } from './subjects.js';

const CONFIG = {
  'cluster-enabled': 'yes',
  'cluster-node-timeout': '1000',
  'cluster-replica-validity-factor': '0',
};

const says = async (server: RedisServer, section: string, line: string) =>
  `${await server.command(...(section.split(' ') as [string, string]))}`.includes(line);

/** A cluster of one master, which has all slots, and its replica. */
async function masterAndReplica() {
  const [master, replica] = await Promise.all([
    RedisServer.forTest(CONFIG),
    RedisServer.forTest(CONFIG),
  ]);
  await master.command('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  const id = `${await master.command('CLUSTER', 'MYID')}`;
  await replica.meet(master);
  await until('they know each other', () => says(replica, 'CLUSTER NODES', id));
  await until('the replica may follow', async () => {
    return replica.command('CLUSTER', 'REPLICATE', id).then(
      () => true,
      () => false,
    );
  });
  for (const server of [master, replica]) {
    await until('the cluster is whole', () => says(server, 'CLUSTER INFO', 'cluster_state:ok'));
  }
  await until('it follows', () => says(replica, 'INFO replication', 'master_link_status:up'));
  const cluster = [master, replica].map(({ port }) => ({ host: '127.0.0.1', port }));
  return { master, replica, at: { cluster, idleTimeoutMs: 1000 } };
}

type Pair = Awaited<ReturnType<typeof masterAndReplica>>;

async function caughtUp({ master, replica }: Pair): Promise<void> {
  const offset = async (server: RedisServer, name: string) =>
    new RegExp(`${name}:(\\d+)`).exec(`${await server.command('INFO', 'replication')}`)?.[1];
  await until('the replica has all events', async () => {
    const written = await offset(master, 'master_repl_offset');
    return (await offset(replica, 'slave_repl_offset')) === written;
  });
}

/** The master is killed, and the replica has its slots. */
async function failOver({ master, replica }: Pair): Promise<void> {
  await master.kill();
  replica.signal('SIGCONT');
  await until('the replica takes over', async () => {
    await replica.command('CLUSTER', 'FAILOVER', 'TAKEOVER').catch(() => {});
    return says(replica, 'INFO replication', 'role:master');
  });
  await until('the cluster is whole', () => says(replica, 'CLUSTER INFO', 'cluster_state:ok'));
}

describe.runIf(hasRedis)('buses on a Redis Cluster whose master dies', () => {
  test('go on where the replica has all events', async () => {
    const pair = await masterAndReplica();
    const bus = await busOn(pair.at, { shards: 2, publishWaitMs: 60_000 });
    const other = await busOn(pair.at);
    const live = await Collector.start(other, '*');
    const acks = await bus.publishMany(inputs(20, 'before'));
    await live.count(20);
    await caughtUp(pair);
    await pair.master.kill();
    const meanwhile = bus.publishMany(inputs(20, 'meanwhile'));
    await failOver(pair);
    acks.push(...(await within('the acks', meanwhile)));
    await live.count(40);
    expectSameHistory(live.events, acks, 'live');
    expectSameHistory(await gather(other.read({ topic: '*' })), acks, 'the log');
  });

  test('give the shard up where the replica lacks events, though it has others in their places', async () => {
    const pair = await masterAndReplica();
    const { master, replica, at } = pair;
    const bus = await busOn(at, { shards: 1 });
    const other = await busOn(at);
    const live = await Collector.start(other, '*');
    await bus.publishMany(inputs(5, 'kept'));
    await live.count(5);
    await caughtUp(pair);
    replica.signal('SIGSTOP');
    onTestFinished(() => replica.signal('SIGCONT'));
    await master.command('CLIENT', 'KILL', 'TYPE', 'replica');
    const lost = await bus.publishMany(inputs(5, 'lost'));
    await live.count(10);
    await failOver(pair);
    // More than were lost, by a node that did not know them.
    const third = await busOn(at);
    const others = inputs(10, 'other').map((event) => third.publish(event));
    await Promise.allSettled(others);
    for (const one of [bus, other]) {
      await until('the shard is given up', async () => {
        const { shards } = await one.stats();
        return shards[0]!.state === 'failed';
      });
      await refused(
        () => one.publish(inputs(1, 'x')[0]!),
        'STORE_FAILED',
        'its history has ended: Redis',
      );
    }
    expect(live.events.map(({ id }) => id).slice(5)).toEqual(lost.map(({ id }) => id));
    const again = await busOn(at, { shards: 1 });
    const { cursor } = live.subscription;
    await refused(() => again.query({ topic: '*', after: cursor }), 'CURSOR_EXPIRED');
    expect(await again.publish(inputs(1, 'again')[0]!)).toMatchObject({ duplicate: false });
  });
});
