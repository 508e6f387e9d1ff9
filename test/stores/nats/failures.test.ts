import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { differencesIn } from '../../../fuzz/brokers/nats-blocks.js';
import type { Bus } from '../../../src/main/bus.js';
import { streamName } from '../../../src/store/nats/subjects.js';
import { Collector, gather } from '../../bus/support/collector.js';
import { refused } from '../../bus/support/failures.js';
import { openBus } from '../../bus/support/millrace.js';
import { until } from '../../bus/support/wait.js';
import { expectKept, Load } from '../load.js';
import { natsStore, newPrefix } from './support/nats.js';
import { NatsServer, natsServerPath, startCluster } from './support/server.js';

async function nodeOn(servers: readonly NatsServer[], prefix: string) {
  const replicas = servers.length;
  const store = natsStore({ servers: servers.map(({ url }) => url), prefix, replicas, shards: 1 });
  const bus = await openBus({ store, publishWaitMs: 60_000 });
  onTestFinished(() => bus.close());
  return bus;
}

async function cluster(): Promise<NatsServer[]> {
  const servers = await startCluster(3);
  onTestFinished(async () => {
    for (const server of servers) await server.dispose();
  });
  return servers;
}

/** The server that leads a stream. */
async function leaderOf(servers: readonly NatsServer[], stream: string): Promise<NatsServer> {
  const connection = await connect({
    servers: servers.map(({ url }) => url),
    maxReconnectAttempts: -1,
  });
  const manager = await jetstreamManager(connection, { checkAPI: false });
  let name: string | undefined;
  await until(`a leader of ${stream}`, async () => {
    const info = await manager.streams.info(stream).catch(() => undefined);
    name = info?.cluster?.leader;
    return name !== undefined && name !== '';
  });
  await connection.close();
  return servers[Number(name!.slice(1))]!;
}

/** So often servers may have different events at one sequence, which says nothing of the nodes. */
const TRIES = 5;

/**
 * Plays on a cluster, and again on another one where its servers do not agree with each other in the end. Of nats-server 2.9 that
 * is known: docs/NATS.md.
 */
async function onCluster(
  play: (servers: readonly NatsServer[], prefix: string) => Promise<void>,
): Promise<void> {
  for (let turn = 1; ; turn++) {
    const servers = await cluster();
    const prefix = newPrefix();
    try {
      return await play(servers, prefix);
    } catch (error) {
      for (const server of servers) await server.kill();
      const count = differences(servers, streamName(prefix, 0));
      if (count === 0 || turn === TRIES) throw error;
      const what = String(error).slice(0, 200);
      console.warn(
        `NOT JUDGED: the servers differ at ${count} sequences; once more. It was: ${what}`,
      );
    }
  }
}

function differences(servers: readonly NatsServer[], stream: string): number {
  try {
    return differencesIn(
      servers.map(({ storeDir }) => storeDir),
      stream,
    ).length;
  } catch {
    // Not all have a folder of it, which says nothing.
    return 0;
  }
}

/** Two nodes that publish, and a subscription on each. */
async function loaded(servers: readonly NatsServer[], prefix: string) {
  const buses = [await nodeOn(servers, prefix), await nodeOn(servers, prefix)];
  const live = await Promise.all(buses.map((bus) => Collector.start(bus, 't.*')));
  const loads = buses.map((bus, at) => new Load(bus, `node${at}`));
  const more = async (count: number): Promise<void> => {
    await Promise.all(loads.map((load) => load.more(count)));
  };
  const judged = async (): Promise<void> => {
    await Promise.all(loads.map((load) => load.end()));
    await expectKept(buses[0]!, loads, live);
  };
  return { buses, more, judged };
}

describe.runIf(natsServerPath !== undefined)(
  'a bus on NATS goes on, and loses and repeats nothing',
  () => {
    test('where the server stops answering for a while', async () => {
      const server = await NatsServer.start();
      onTestFinished(() => server.dispose());
      const { buses, more, judged } = await loaded([server], newPrefix());
      await more(200);
      // As impatient as the nodes' own connections.
      const watching = await connect({ servers: server.url, pingInterval: 1000, maxPingOut: 2 });
      onTestFinished(() => watching.close());
      server.signal('SIGSTOP');
      for await (const { type } of watching.status()) if (type === 'disconnect') break;
      expect((await buses[0]!.stats()).shards[0]!.state).toBe('running');
      server.signal('SIGCONT');
      await more(200);
      await judged();
    });

    test(
      'where the leader of a cluster dies while they publish',
      {
        timeout: 400_000,
      },
      () =>
        onCluster(async (servers, prefix) => {
          const { more, judged } = await loaded(servers, prefix);
          await more(200);
          const leader = await leaderOf(servers, `${prefix}-0`);
          await leader.kill();
          await more(200);
          await leader.start();
          await more(200);
          await judged();
        }),
    );

    test('where the leader of a cluster stops answering', { timeout: 400_000 }, () =>
      onCluster(async (servers, prefix) => {
        const { more, judged } = await loaded(servers, prefix);
        await more(200);
        const leader = await leaderOf(servers, `${prefix}-0`);
        leader.signal('SIGSTOP');
        await more(200);
        leader.signal('SIGCONT');
        await more(200);
        await judged();
      }),
    );
  },
);

describe.runIf(natsServerPath !== undefined)('a stream that was made anew', () => {
  async function withServer() {
    const server = await NatsServer.start();
    onTestFinished(() => server.dispose());
    const connection = await connect({ servers: server.url });
    onTestFinished(() => connection.close());
    const { streams } = await jetstreamManager(connection);
    return { server, streams, prefix: newPrefix() };
  }

  const event = { topic: 'a', type: 't', payload: 1 };

  async function cursorOf(bus: Bus): Promise<string> {
    const seen = await Collector.start(bus, '*', { from: 'earliest' });
    await seen.count(1);
    await bus.drain();
    return seen.subscription.cursor;
  }

  test('is made by the node alone that has begun the history', async () => {
    const { server, streams, prefix } = await withServer();
    const connection = await connect({ servers: server.url });
    onTestFinished(() => connection.close());
    await (await nodeOn([server], prefix)).close();
    const { config } = await streams.info(`${prefix}-0`);
    const key = `$KV.${prefix}.store`;
    const stored = await streams.getMessage(`KV_${prefix}`, { last_by_subj: key });
    const { created: _, ...begun } = stored!.json<Record<string, unknown>>();
    // Another node has begun the history, and has not made its stream yet.
    await streams.delete(`${prefix}-0`);
    await connection.request(key, JSON.stringify(begun));
    const asked: string[] = [];
    connection.subscribe(`$JS.API.STREAM.CREATE.${prefix}-0`, {
      callback: () => void asked.push('made'),
    });
    const reads = connection.subscribe(`$JS.API.STREAM.MSG.GET.KV_${prefix}`, { max: 3 });
    const opening = nodeOn([server], prefix);
    for await (const _read of reads) expect(asked).toEqual([]);
    const { created } = await streams.add(config);
    await connection.request(key, JSON.stringify({ ...begun, created: [created] }));
    expect(await (await opening).publish(event)).toMatchObject({ sequence: 1 });
    expect(asked).toEqual(['made']);
  });

  test('begins a new epoch when the store is opened', async () => {
    const { server, streams, prefix } = await withServer();
    const bus = await nodeOn([server], prefix);
    await bus.publish(event);
    const cursor = await cursorOf(bus);
    await bus.close();
    await streams.delete(`${prefix}-0`);
    const next = await nodeOn([server], prefix);
    expect(await next.publish(event)).toMatchObject({ sequence: 1 });
    const old = next.subscribe('*', () => {}, { from: { after: cursor } });
    await refused(() => old.ready, 'CURSOR_EXPIRED');
    await refused(() => old.closed, 'CURSOR_EXPIRED');
  });

  test('ends the shard of a bus that has read the other history', async () => {
    const { server, streams, prefix } = await withServer();
    const bus = await nodeOn([server], prefix);
    for (let n = 0; n < 3; n++) await bus.publish(event);
    const { config } = await streams.info(`${prefix}-0`);
    await streams.delete(`${prefix}-0`);
    await streams.add(config);
    // It looks when the server was away.
    await server.kill();
    await server.start();
    await until('the shard is given up', async () => {
      return (await bus.stats()).shards[0]!.state === 'failed';
    });
    await refused(() => bus.publish(event), 'STORE_FAILED', 'its history has ended: stream ');
    const next = await nodeOn([server], prefix);
    expect(await next.publish(event)).toMatchObject({ sequence: 1 });
    expect(await gather(next.read({ topic: '*' }))).toHaveLength(1);
  });
});
