import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { NatsLink } from '../../../src/store/nats/nats-link.js';
import { natsSettings } from '../../../src/store/nats/nats-options.js';
import { assertJetStream } from '../../../src/store/nats/opening.js';
import { StreamReader } from '../../../src/store/nats/reader.js';
import { goneFor } from '../../../src/store/nats/streams.js';
import { Subjects } from '../../../src/store/nats/subjects.js';
import { TopicTable } from '../../../src/store/nats/topics.js';
import { Collector } from '../../bus/support/collector.js';
import { openBus } from '../../bus/support/millrace.js';
import { expectSameHistory } from '../../bus/support/oracle.js';
import { natsStore, newPrefix } from './support/nats.js';
import { Network } from './support/network.js';
import { NatsServer, natsServerPath } from './support/server.js';

async function started(config = ''): Promise<NatsServer> {
  const server = await NatsServer.start({ config });
  onTestFinished(() => server.dispose());
  return server;
}

/** As the client throws it. */
function apiError(code: number, description: string): Error {
  const apiFault = { err_code: code, description };
  return Object.assign(new Error(description), { apiError: () => apiFault });
}

/** A connection over a network of its own, and what asks over it about a stream. */
async function linked() {
  const server = await started();
  const proxy = await Network.to(server.port);
  onTestFinished(() => proxy.dispose());
  const settings = natsSettings({ servers: proxy.url });
  const link = await NatsLink.open(settings, 'test', false);
  onTestFinished(() => link.close());
  const manager = await jetstreamManager(link.connection);
  await manager.streams.add({ name: 's', subjects: ['p.0.>'], allow_direct: true });
  const subjects = new Subjects('p', 0);
  const reader = new StreamReader(link, 's', subjects);
  return { link, proxy, reader, topics: new TopicTable(link, 's', subjects, reader) };
}

describe.runIf(natsServerPath !== undefined)('a connection to NATS', () => {
  test('is given up by a bus that opens, with an error that names the servers', async () => {
    const { link, proxy, reader, topics } = await linked();
    expect(await reader.firsts([JSON.stringify({ seq: 1 })])).toEqual([undefined]);
    link.patienceMs = 300;
    proxy.cut();
    const calls = [topics.count(), reader.firsts([JSON.stringify({ seq: 1 })]), link.up()];
    for (const outcome of await Promise.allSettled(calls)) {
      // A call that was on its way when the connection ended finds out by itself.
      if (outcome.status === 'rejected') {
        expect(outcome.reason).toMatchObject({ code: 'STORE_FAILED' });
        expect(outcome.reason.message).toContain(`natsStore: servers: ${proxy.url}: no answer`);
      }
    }
    await expect(topics.count()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });

  test('waits for servers that have no leader yet, and does not say that they have no JetStream', async () => {
    const { link } = await linked();
    const asked = vi.spyOn(link.manager, 'getAccountInfo');
    asked.mockRejectedValueOnce(apiError(10008, 'JetStream system temporarily unavailable'));
    await assertJetStream(link);
    expect(asked).toHaveBeenCalledTimes(2);
    asked.mockRejectedValueOnce(apiError(10039, 'JetStream not enabled for account'));
    await expect(assertJetStream(link)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining('has no JetStream'),
    });
  });

  test('takes a stream for gone when that has been said for some time, and nothing else', () => {
    let nowMs = 0;
    const judge = goneFor(() => nowMs);
    const notFound = apiError(10059, 'stream not found');
    const after = (ms: number) => {
      nowMs = ms;
    };
    expect(judge(new Error('timeout'))).toBe(false);
    // Nobody has answered for long.
    after(60_000);
    expect(judge(notFound)).toBe(false);
    after(61_000);
    expect(judge(new Error('timeout'))).toBe(false);
    after(63_000);
    expect(judge(notFound)).toBe(false);
    after(65_100);
    expect(judge(notFound)).toBe(true);
  });

  test('asks again while nobody answers, and takes the first answer', async () => {
    const { link } = await linked();
    let asked = 0;
    const ask = () => (++asked < 3 ? new Promise<number>(() => {}) : Promise.resolve(asked));
    expect(await link.soon(ask)).toBe(3);
    await expect(link.soon(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await link.close();
    await expect(link.soon(ask)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });
});

describe.runIf(natsServerPath !== undefined)('a bus on NATS', () => {
  test('follows its stream also where nobody makes its consumer', async () => {
    const user =
      'user: "u", password: "p", permissions: { publish: { deny: "$JS.API.CONSUMER.>" } }';
    const server = await started(`authorization { users: [{ ${user} }] }`);
    const credentials = { user: 'u', password: 'p' };
    const options = { servers: server.url, prefix: newPrefix(), shards: 1, credentials };
    const bus = await openBus({ store: natsStore(options) });
    onTestFinished(() => bus.close());
    const live = await Collector.start(bus, '*');
    const inputs = Array.from({ length: 200 }, (_, n) => ({ topic: 't', type: 'c', payload: n }));
    const acks = await bus.publishMany(inputs);
    await live.count(200);
    expectSameHistory(live.events, acks, 'live');
  });

  test('reads no history but the one that it has opened', async () => {
    const server = await started();
    const options = { servers: server.url, prefix: newPrefix(), shards: 1 };
    const bus = await openBus({ store: natsStore(options) });
    onTestFinished(() => bus.close());
    await bus.publish({ topic: 't', type: 'c', payload: 1 });
    expect(await bus.query({ topic: 't' })).toHaveLength(1);
    const connection = await connect({ servers: server.url });
    onTestFinished(() => connection.close());
    const { streams } = await jetstreamManager(connection);
    const { config } = await streams.info(`${options.prefix}-0`);
    await streams.delete(`${options.prefix}-0`);
    await streams.add(config);
    await expect(bus.query({ topic: 't' })).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('has another history'),
    });
  });
});
