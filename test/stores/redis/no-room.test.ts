import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { PublishAck } from '../../../src/protocol/event.js';
import { gather } from '../../bus/support/collector.js';
import { refused } from '../../bus/support/failures.js';
import { expectWithoutHoles } from '../../bus/support/oracle.js';
import { until, watch, within } from '../../bus/support/wait.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { busOn, input, inputs } from './subjects.js';

/** Lets the directory be set. */
const SETTABLE = { 'enable-protected-configs': 'yes' };
const large = { ...input(0), payload: 'x'.repeat(100_000) };

async function fill(bus: Bus, acks: PublishAck[]): Promise<void> {
  const publishing = async () => {
    for (;;) acks.push(await bus.publish(large));
  };
  await refused(publishing, 'STORE_FULL');
}

async function restarts(bus: Bus): Promise<number[]> {
  return (await bus.stats()).shards.map((shard) => shard.restarts);
}

/** Redis cannot save to its disk, and therefore takes no writes, until the promise that this returns is asked for. */
async function withoutDisk(server: RedisServer): Promise<() => Promise<void>> {
  const [, before] = (await server.command('CONFIG', 'GET', 'dir')) as string[];
  const gone = mkdtempSync(join(tmpdir(), 'millrace-gone-'));
  await server.command('CONFIG', 'SET', 'save', '3600 1', 'dir', gone);
  rmSync(gone, { recursive: true });
  const status = (line: string) =>
    until('the save has ended', async () =>
      `${await server.command('INFO', 'persistence')}`.includes(line),
    );
  await server.command('BGSAVE');
  await status('rdb_last_bgsave_status:err');
  return async () => {
    await server.command('CONFIG', 'SET', 'dir', before!);
    await server.command('BGSAVE');
    await status('rdb_last_bgsave_status:ok');
  };
}

/** How often Redis has refused a write. */
async function refusals(server: RedisServer): Promise<number> {
  const stats = `${await server.command('INFO', 'errorstats')}`;
  return Number(/errorstat_MISCONF:count=(\d+)/.exec(stats)?.[1] ?? 0);
}

async function withReplica(config: Readonly<Record<string, string>> = {}) {
  const master = await RedisServer.forTest(config);
  const replica = await RedisServer.forTest({ replicaof: `127.0.0.1 ${master.port}` });
  await until('the replica follows', async () =>
    `${await replica.command('INFO', 'replication')}`.includes('master_link_status:up'),
  );
  return { master, replica };
}

describe.runIf(hasRedis)('a bus on a Redis that has no room', () => {
  test('and replicas refuses publishes, and acknowledges what was stored', async () => {
    const { master } = await withReplica({ maxmemory: '6mb' });
    const bus = await busOn({ url: master.url, replicas: 1 }, { shards: 1 });
    const named = { ...input(1), id: 'named' };
    const first = await bus.publish(named);
    const acks = [first];
    await fill(bus, acks);
    // It has not heard of the event, and so asks Redis.
    const late = await busOn({ url: master.url, replicas: 1 });
    await master.command('CONFIG', 'SET', 'maxmemory', '1');
    expect(await late.publish(named)).toEqual({ ...first, duplicate: true });
    expect(await gather(late.read({ topic: '*' }))).toHaveLength(acks.length);
    expect([await restarts(bus), await restarts(late)]).toEqual([[0], [0]]);
  });

  test('on its disk confirms events when it has some', async () => {
    const { master, replica } = await withReplica(SETTABLE);
    const bus = await busOn(
      { url: master.url, replicas: 1, waitMs: 50 },
      { shards: 1, publishWaitMs: 60_000 },
    );
    replica.signal('SIGSTOP');
    const publish = bus.publish(input(0));
    const state = watch(publish);
    await until('it is written', async () => {
      return (await master.command('HGET', '{millrace:0}:meta', 'head')) === '1';
    });
    const heal = await withoutDisk(master);
    const before = await refusals(master);
    await until('Redis refuses to confirm it', async () => (await refusals(master)) > before + 1);
    replica.signal('SIGCONT');
    expect(state.settled).toBe(false);
    await heal();
    expect(await within('the ack', publish)).toMatchObject({ duplicate: false, sequence: 1 });
    expect(await restarts(bus)).toEqual([0]);
  });

  test('opens, and makes room by its retention', async () => {
    const server = await RedisServer.forTest({ maxmemory: '5mb' });
    const bus = await busOn({ url: server.url }, { shards: 1 });
    const acks: PublishAck[] = [];
    await fill(bus, acks);
    await server.command('CONFIG', 'SET', 'maxmemory', '1');
    const other = await busOn({ url: server.url }, { retention: [{ maxEvents: 2 }] });
    await until('the oldest have gone', async () => {
      return (await gather(other.read({ topic: '*' }))).length === 2;
    });
    await server.command('CONFIG', 'SET', 'maxmemory', '5mb');
    acks.push(await other.publish(large));
    expectWithoutHoles(acks);
    expect([await restarts(bus), await restarts(other)]).toEqual([[0], [0]]);
  });

  test('on its disk keeps its shards, and removes the oldest events when it has some', async () => {
    const server = await RedisServer.forTest(SETTABLE);
    const bus = await busOn({ url: server.url }, { shards: 1 });
    await bus.publishMany(inputs(30, 'x'));
    const heal = await withoutDisk(server);
    const other = await busOn({ url: server.url }, { retention: [{ maxEvents: 5 }] });
    const before = await refusals(server);
    await until('it has refused to remove some', async () => (await refusals(server)) > before + 1);
    await refused(() => other.publish(input(0)), 'STORE_FULL', 'free the disk of Redis');
    await heal();
    await until('the oldest have gone', async () => {
      return (await gather(other.read({ topic: '*' }))).length === 5;
    });
    expect((await other.publish(input(0))).sequence).toBe(31);
    expect([await restarts(bus), await restarts(other)]).toEqual([[0], [0]]);
  });
});
