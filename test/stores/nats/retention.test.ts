import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { PublishAck } from '../../../src/protocol/event.js';
import type { NatsStoreOptions } from '../../../src/store/nats/nats-options.js';
import { Collector, gather } from '../../bus/support/collector.js';
import { openBus } from '../../bus/support/millrace.js';
import { expectSameHistory } from '../../bus/support/oracle.js';
import { until } from '../../bus/support/wait.js';
import { natsStore, newPrefix } from './support/nats.js';
import { Network } from './support/network.js';
import { NatsServer, natsServerPath } from './support/server.js';

const inputs = (count: number, topics = 5) =>
  Array.from({ length: count }, (_, n) => ({
    topic: `t.${n % topics}`,
    type: 'counted',
    payload: { n },
  }));

describe.runIf(natsServerPath !== undefined)('a bus on streams that remove events', () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await NatsServer.start();
  });
  afterAll(() => server.dispose());

  async function nodeOn(options: NatsStoreOptions) {
    const bus = await openBus({ store: natsStore(options), publishWaitMs: 60_000 });
    onTestFinished(() => bus.close());
    return bus;
  }

  async function proxied(): Promise<Network> {
    const proxy = await Network.to(server.port);
    onTestFinished(() => proxy.dispose());
    return proxy;
  }

  test('tells subscriptions of a gap where the oldest have gone, and counts what is left', async () => {
    const options = { servers: server.url, prefix: newPrefix(), maxEvents: 100 };
    const bus = await nodeOn(options);
    const live = await Collector.start(bus, '*');
    const begun = live.subscription.cursor;
    const acks: PublishAck[] = [];
    for (let n = 0; n < 10; n++) {
      acks.push(...(await bus.publishMany(inputs(50))));
      await live.count(acks.length);
    }
    expect(live.gaps).toEqual([]);
    expectSameHistory(await gather(bus.read({ topic: '*' })), acks.slice(-100), 'what is left');
    await until('the topics are counted', async () => {
      return (await bus.topics()).every(({ events }) => events === 20);
    });
    const reopened = await nodeOn(options);
    for (const node of [bus, reopened]) {
      const late = await Collector.start(node, '*', { from: { after: begun } });
      await late.count(100);
      expectSameHistory(late.events, acks.slice(-100), 'late');
      expect(late.gaps).toMatchObject([{ from: 1, to: 400, reason: 'pruned' }]);
    }
    expect((await reopened.topics()).map(({ events }) => events)).toEqual(Array(5).fill(20));
  });

  test('keep so many events of each topic, and tell nobody of those that newer ones replaced', async () => {
    const proxy = await proxied();
    const options = { prefix: newPrefix(), maxEventsPerTopic: 3 };
    const bus = await nodeOn({ ...options, servers: server.url });
    const cutOff = await nodeOn({ ...options, servers: proxy.url });
    const first = await bus.publishMany(inputs(2));
    const live = await Collector.start(cutOff, '*', { from: 'earliest' });
    await live.count(2);
    proxy.cut();
    const acks = await bus.publishMany([...inputs(4, 1), ...inputs(500), ...inputs(7, 2)]);
    proxy.mend();
    // Of each topic the last three; of the first two, those that came before and after the 500.
    const left = acks.filter(({ topic, sequence }) => {
      const later = acks.filter((one) => one.topic === topic && one.sequence! > sequence!);
      return later.length < 3;
    });
    await live.count(2 + left.length);
    expectSameHistory(live.events, [...first, ...left], 'live');
    expect(live.gaps).toEqual([]);
    expectSameHistory(await gather(cutOff.read({ topic: '*' })), left, 'what is left');
    expect((await cutOff.stats()).shards[0]!.restarts).toBe(0);
    await until('the topics are counted', async () => {
      return (await cutOff.topics()).every(({ events }) => events === 3);
    });
  });

  test('tell a gap where somebody has removed single events, to whoever comes behind them', async () => {
    const proxy = await proxied();
    const options = { prefix: newPrefix(), shards: 1 };
    const bus = await nodeOn({ ...options, servers: server.url });
    const cutOff = await nodeOn({ ...options, servers: proxy.url });
    const live = await Collector.start(cutOff, '*');
    const begun = live.subscription.cursor;
    const first = await bus.publishMany(inputs(10));
    await live.count(10);
    proxy.cut();
    const acks = await bus.publishMany(inputs(900, 3));
    const connection = await connect({ servers: server.url });
    onTestFinished(() => connection.close());
    const { streams } = await jetstreamManager(connection);
    const name = `${options.prefix}-0`;
    await streams.deleteMessage(name, 300);
    await streams.purge(name, { filter: `${options.prefix}.0.t.1` });
    proxy.mend();
    const isLeft = ({ topic, sequence }: PublishAck) => topic !== 't.1' && sequence !== 300;
    const left = [...first, ...acks].filter(isLeft);
    await live.count(10 + acks.filter(isLeft).length);
    const lost = Math.max(...acks.filter((ack) => !isLeft(ack)).map(({ sequence }) => sequence!));
    expect(live.gaps[0]).toMatchObject({ from: 12, reason: 'pruned' });
    expect(Math.max(...live.gaps.map(({ to }) => to))).toBe(lost);
    const reopened = await nodeOn({ ...options, servers: server.url });
    for (const node of [cutOff, reopened]) {
      const late = await Collector.start(node, '*', { from: { after: begun } });
      await late.count(left.length);
      expectSameHistory(late.events, left, 'late');
      expect(Math.max(...late.gaps.map(({ to }) => to))).toBe(lost);
      const later = await Collector.start(node, '*');
      expect(later.gaps).toEqual([]);
      await until('the topics are counted', async () => {
        const counts = (await node.topics()).map(({ name, events }) => [name, events]);
        const has = (topic: string) => left.filter((ack) => ack.topic === topic).length;
        return counts.every(([topic, events]) => events === has(`${topic}`));
      });
    }
  });

  test('tell a gap to a node that was cut off while they went', async () => {
    const proxy = await proxied();
    const options = { prefix: newPrefix(), maxEvents: 50 };
    const bus = await nodeOn({ ...options, servers: server.url });
    const cutOff = await nodeOn({ ...options, servers: proxy.url });
    const live = await Collector.start(cutOff, '*');
    const first = await bus.publishMany(inputs(10));
    await live.count(10);
    proxy.cut();
    const acks = await bus.publishMany(inputs(200));
    proxy.mend();
    await live.count(60);
    expectSameHistory(live.events, [...first, ...acks.slice(-50)], 'live');
    expect(live.gaps.length).toBeGreaterThan(0);
  });
});

describe.runIf(natsServerPath !== undefined)('a node whose connection falls silent', () => {
  test('takes another one, and goes on where it was', async () => {
    const server = await NatsServer.start();
    onTestFinished(() => server.dispose());
    const proxy = await Network.to(server.port);
    onTestFinished(() => proxy.dispose());
    const bus = await openBus({
      store: natsStore({ servers: proxy.url, prefix: newPrefix(), shards: 1 }),
      publishWaitMs: 60_000,
    });
    onTestFinished(() => bus.close());
    const live = await Collector.start(bus, '*');
    const first = await bus.publishMany(inputs(10));
    const { connections } = proxy;
    proxy.silence();
    const acks = [...first, ...(await bus.publishMany(inputs(300)))];
    expect(proxy.connections).toBeGreaterThan(connections);
    expect(acks.every(({ duplicate }) => !duplicate)).toBe(true);
    await live.count(310);
    expectSameHistory(live.events, acks, 'live');
    expect((await bus.stats()).shards[0]!.restarts).toBe(0);
  });
});
