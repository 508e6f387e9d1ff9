import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { BusOptions } from '../../../src/main/bus.js';
import type { PublishAck } from '../../../src/protocol/event.js';
import type { LogStore } from '../../../src/store/log-store.js';
import { Collector, gather } from '../../bus/support/collector.js';
import { refused } from '../../bus/support/failures.js';
import { controls } from '../../bus/support/millrace.js';
import { expectSameHistory, expectWithoutHoles } from '../../bus/support/oracle.js';
import { holds, propertyTimeoutMs } from '../../bus/support/properties.js';
import { until, within } from '../../bus/support/wait.js';
import { openBusOn } from '../../testing/subjects.js';
import { natsStore, newPrefix } from './support/nats.js';
import { NatsServer, natsServerPath } from './support/server.js';

const input = (n: number, from = 'node', topics = 5) => ({
  topic: `t.${n % topics}`,
  type: 'counted',
  payload: { n, from },
});

const inputs = (count: number, from: string) =>
  Array.from({ length: count }, (_, n) => input(n, from));

/** The properties of `test/bus/shared-store.test.ts`, on a broker that runs beside the bus. */
describe.runIf(natsServerPath !== undefined)('two buses on one NATS server', () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await NatsServer.start();
  });
  afterAll(() => server.dispose());

  const storeOf = (prefix: string, shards = 1): LogStore =>
    natsStore({ servers: server.url, prefix, shards });

  async function nodes(shards = 1, options: Omit<BusOptions, 'dir'> = {}) {
    const prefix = newPrefix();
    const opened = [];
    for (let n = 0; n < 2; n++) {
      const bus = await openBusOn(storeOf(prefix, shards), options);
      onTestFinished(() => bus.close());
      opened.push(bus);
    }
    return { one: opened[0]!, other: opened[1]!, prefix };
  }

  test('deliver the events of both in one order, and each acknowledges its own', async () => {
    const { one, other } = await nodes(2);
    const here = await Collector.start(one, '*');
    const there = await Collector.start(other, '*');
    const publishes = [one.publishMany(inputs(600, 'one'))];
    for (const event of inputs(200, 'other')) publishes.push(other.publishMany([event]));
    const acks = (await within('all acks', Promise.all(publishes))).flat();
    expectWithoutHoles(acks);
    // One server has them, and has flushed nothing yet.
    expect(new Set(acks.map(({ durability }) => durability))).toEqual(new Set(['written']));
    await Promise.all([here.count(800), there.count(800)]);
    expectSameHistory(here.events, acks, 'one');
    expectSameHistory(there.events, acks, 'the other');
    expectSameHistory(await gather(one.read({ topic: '*' })), acks, 'read by one');
    await until('the other has counted all', async () => {
      const counts = (await other.topics()).map(({ events }) => events);
      return counts.length === 5 && counts.every((events) => events === 160);
    });
  });

  test('find in a query the events that either has acknowledged', async () => {
    const { one } = await nodes();
    for (let n = 0; n < 30; n++) {
      const { id } = await one.publish(input(n, 'one', 1));
      expect((await one.query({ topic: 't.0', reverse: true, limit: 1 }))[0]?.id).toBe(id);
    }
  });

  test('store an event once if both publish it under one id', async () => {
    const { one, other } = await nodes();
    const event = { ...input(0), id: 'given' };
    const first = await one.publish(event);
    expect(await other.publish(event)).toEqual({ ...first, duplicate: true });
    const twice = { ...event, id: 'twice' };
    const [a, b] = await other.publishMany([twice, twice]);
    expect([a?.sequence, b?.sequence, a?.duplicate, b?.duplicate]).toEqual([2, 2, false, true]);
    expect(await gather(other.read({ topic: '*' }))).toHaveLength(2);
  });

  test('go on from a cursor of the other node', async () => {
    const { one, other } = await nodes(2);
    const acks = await one.publishMany(inputs(40, 'one'));
    const begun = await Collector.start(one, '*', { from: 'earliest' });
    await begun.count(40);
    await within('drain', one.drain());
    const { cursor } = begun.subscription;
    const more = await one.publishMany(inputs(40, 'more'));
    const rest = await Collector.start(other, '*', { from: { after: cursor } });
    await rest.count(40);
    expectSameHistory(rest.events, more, 'the rest');
    expectSameHistory(await gather(other.read({ topic: '*' })), [...acks, ...more], 'all');
  });

  test('keep any topic, payload and id as they are', async () => {
    const { one, other } = await nodes();
    const topics = [
      'größe.日本',
      'a>b.>',
      '%3E.%',
      'a.$sys',
      '🙂.x',
      '-_~!@#^&()=|\\/;:"\'<,?`{}[]',
    ];
    const seen = await Collector.start(other, '*');
    for (const topic of topics) {
      await one.publish({ topic, type: 'ü', payload: { topic }, id: 'one' });
    }
    await seen.count(topics.length);
    expect(seen.events.map(({ topic }) => topic)).toEqual(topics);
    expect(seen.payloads).toEqual(topics.map((topic) => ({ topic })));
    expect((await gather(one.read({ topic: '*' }))).map(({ topic }) => topic)).toEqual(topics);
  });

  test('know all topics, and their first and last events, when they are opened again', async () => {
    const { one, prefix } = await nodes();
    await one.publishMany([...inputs(23, 'one'), { ...input(0), topic: 'once.>' }]);
    const known = await one.topics();
    const late = await openBusOn(storeOf(prefix));
    onTestFinished(() => late.close());
    expect(await late.topics()).toEqual(known);
    expect(known).toHaveLength(6);
  });

  test('feed subscriptions that are far behind while the other publishes', async () => {
    const { one, other } = await nodes();
    const acks = await other.publishMany(inputs(3000, 'before'));
    const heard = await Collector.start(one, '*', { from: 'earliest' });
    await heard.count(3000);
    const options = [{ from: 'earliest' as const }, { from: { last: 900 } }, { maxBuffer: 3 }];
    const behind = await Promise.all(options.map((from) => Collector.start(one, '*', from)));
    acks.push(...(await other.publishMany(inputs(3000, 'meanwhile'))));
    await Promise.all([6000, 3900, 3000].map((count, index) => behind[index]!.count(count)));
    expectSameHistory(behind[0]!.events, acks, 'from the earliest on');
    expectSameHistory(behind[1]!.events, acks.slice(-3900), 'the last 900 and live');
    expectSameHistory(behind[2]!.events, acks.slice(-3000), 'live in a small buffer');
  });

  test('find the few events of a topic among many, forwards and backwards', async () => {
    const { one } = await nodes();
    const rare = [];
    for (let n = 0; n < 4; n++) {
      await one.publishMany(inputs(700, 'many'));
      rare.push(await one.publish({ ...input(n), topic: `rare.${n % 2}` }));
    }
    const found = async (topic: string, reverse: boolean) =>
      (await gather(one.read({ topic, reverse }))).map(({ sequence }) => sequence);
    const all = rare.map(({ sequence }) => sequence);
    expect(await found('rare.*', false)).toEqual(all);
    expect(await found('rare.*', true)).toEqual(all.toReversed());
    expect(await found('rare.1', false)).toEqual([all[1], all[3]]);
    expect(await found('+.0', true)).toEqual([...(await found('+.0', false))].reverse());
    expect(await found('none.*', false)).toEqual([]);
  });

  test('take events of a megabyte', async () => {
    const large = await NatsServer.start({ config: 'max_payload: 8MB' });
    onTestFinished(() => large.dispose());
    const bus = await openBusOn(natsStore({ servers: large.url, prefix: newPrefix() }));
    onTestFinished(() => bus.close());
    const live = await Collector.start(bus, '*');
    const events = Array.from({ length: 8 }, (_, n) => ({
      ...input(n),
      payload: 'é'.repeat(400_000),
    }));
    const acks = await bus.publishMany(events);
    await live.count(8);
    expectSameHistory(live.events, acks, 'live');
    expectSameHistory(await gather(bus.read({ topic: '*' })), acks, 'read');
    const backwards = await gather(bus.read({ topic: '*', reverse: true }));
    expectSameHistory(backwards.toReversed(), acks, 'backwards');
  });

  test('refuse what the store has not, and name it', async () => {
    const { one } = await nodes();
    await refused(() => one.prune({ maxEvents: 1 }), 'OPTION_INVALID');
    const retention = [{ maxEvents: 5 }];
    await refused(() => openBusOn(storeOf(newPrefix()), { retention }), 'OPTION_INVALID');
  });

  test(
    'property: any kills and crashes of any node meanwhile lose and repeat nothing',
    async () => {
      const step = fc.record({
        node: fc.nat({ max: 1 }),
        how: fc.constantFrom('kill' as const, 'crash' as const, 'nothing' as const),
        count: fc.integer({ min: 1, max: 120 }),
      });
      const property = fc.asyncProperty(
        fc.constantFrom(4096, 65_536),
        fc.constantFrom(1, 20, 4096),
        fc.array(step, { minLength: 1, maxLength: 6 }),
        async (ringBytes, commitBatchEvents, steps) => {
          const options = { ringBytes, commitBatchEvents, publishWaitMs: 60_000 };
          const prefix = newPrefix();
          const buses = [];
          for (let n = 0; n < 2; n++) buses.push(await openBusOn(storeOf(prefix), options));
          const live = await Promise.all(
            buses.map((bus) => Collector.start(bus, '*', { maxBuffer: 30 })),
          );
          const waiting: Promise<PublishAck[]>[] = [];
          for (const [index, { node, how, count }] of steps.entries()) {
            for (const bus of buses) waiting.push(bus.publishMany(inputs(count, `${index}`)));
            if (how === 'kill') await controls(buses[node]!).killShard(0);
            if (how === 'crash') await controls(buses[node]!).crashShard(0);
          }
          const acks = (await within('all acks', Promise.all(waiting), 40_000)).flat();
          expectWithoutHoles(acks);
          for (const collector of live) {
            await collector.count(acks.length);
            expectSameHistory(collector.events, acks, 'live');
          }
          expectSameHistory(await gather(buses[0]!.read({ topic: '*' })), acks, 'the log');
          for (const bus of buses) await bus.close();
        },
      );
      await holds(property, 3);
    },
    propertyTimeoutMs(3),
  );
});
