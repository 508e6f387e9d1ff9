import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { NatsLink } from '../../../src/store/nats/nats-link.js';
import { natsSettings } from '../../../src/store/nats/nats-options.js';
import { streamInfo } from '../../../src/store/nats/streams.js';
import { gather } from '../../bus/support/collector.js';
import { openBus } from '../../bus/support/millrace.js';
import { until } from '../../bus/support/wait.js';
import { natsStore, newPrefix } from './support/nats.js';
import { type NatsServer, natsServerPath, startCluster } from './support/server.js';

const ROUNDS = 20;

async function cluster(): Promise<NatsServer[]> {
  const servers = await startCluster(3);
  onTestFinished(async () => {
    for (const server of servers) await server.dispose();
  });
  return servers;
}

async function nodeOn(servers: readonly NatsServer[], prefix: string) {
  const urls = servers.map(({ url }) => url);
  const store = natsStore({ servers: urls, prefix, replicas: 3, shards: 1 });
  const bus = await openBus({ store });
  onTestFinished(() => bus.close());
  return bus;
}

describe.runIf(natsServerPath !== undefined)('a cluster of NATS servers', () => {
  test('is not asked about a stream that has no leader: a server may lack the last events', async () => {
    const servers = await cluster();
    const prefix = newPrefix();
    const bus = await nodeOn(servers, prefix);
    await bus.publish({ topic: 't', type: 'x', payload: 1 });
    const [last, ...others] = servers;
    for (const server of others) await server.kill();
    const connection = await connect({ servers: last!.url });
    onTestFinished(() => connection.close());
    const { streams } = await jetstreamManager(connection, { checkAPI: false, timeout: 500 });
    const name = `${prefix}-0`;
    await until(
      'the server answers for itself, and names no leader',
      async () => {
        const info = await streams.info(name).catch(() => undefined);
        return info !== undefined && !info.cluster?.leader;
      },
      30_000,
    );
    const link = await NatsLink.open(natsSettings({ servers: last!.url }), 'test', false);
    onTestFinished(() => link.close());
    await expect(streamInfo(link, name, 1000)).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('no answer about stream'),
    });
  });

  test('stores one event of those that expect the same, or refuses expect', async () => {
    const servers = await cluster();
    const prefix = newPrefix();
    const buses = await Promise.all([nodeOn(servers, prefix), nodeOn(servers, prefix)]);
    const first = await buses[0]!.publish({ topic: 'chain', type: 'x', payload: 0 });
    let last = first.sequence!;
    let stored = 1;
    for (let round = 1; round <= ROUNDS; round++) {
      const tries = buses.flatMap((bus) =>
        [1, 2].map(() =>
          bus.publish(
            { topic: 'chain', type: 'x', payload: round },
            { expect: { sequence: last } },
          ),
        ),
      );
      const outcomes = await Promise.allSettled(tries);
      const done = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      const codes = outcomes.map((outcome) =>
        outcome.status === 'fulfilled' ? 'stored' : outcome.reason.code,
      );
      expect(
        codes.filter((code) => !['stored', 'CONFLICT', 'OPTION_INVALID'].includes(code)),
      ).toEqual([]);
      expect(done.length).toBeLessThanOrEqual(1);
      if (done.length === 0) break;
      stored++;
      last = done[0]!.value.sequence!;
    }
    expect(await gather(buses[0]!.read({ topic: 'chain' }))).toHaveLength(stored);
  });
});
