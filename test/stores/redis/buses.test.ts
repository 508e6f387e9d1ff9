import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { PublishAck } from '../../../src/protocol/event.js';
import { Collector, gather } from '../../bus/support/collector.js';
import { refused } from '../../bus/support/failures.js';
import { controls } from '../../bus/support/millrace.js';
import { expectSameHistory, expectWithoutHoles } from '../../bus/support/oracle.js';
import { holds, propertyTimeoutMs } from '../../bus/support/properties.js';
import { within } from '../../bus/support/wait.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { busOn, freshPrefix, input, inputs, openBus, redisStore } from './subjects.js';

describe.runIf(hasRedis)('buses on one Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.dispose());

  const place = () => ({ url: server.url, prefix: freshPrefix() });

  test('deliver the events of both in one order, and each acknowledges its own', async () => {
    const at = place();
    const one = await busOn(at, { shards: 2 });
    const other = await busOn(at);
    const here = await Collector.start(one, '*');
    const there = await Collector.start(other, '*');
    const publishes = [one.publishMany(inputs(600, 'one'))];
    for (const event of inputs(200, 'other')) publishes.push(other.publishMany([event]));
    const acks = (await within('all acks', Promise.all(publishes))).flat();
    expectWithoutHoles(acks);
    expect(acks.every(({ duplicate, durability }) => !duplicate && durability === 'written')).toBe(
      true,
    );
    await Promise.all([here.count(800), there.count(800)]);
    expectSameHistory(here.events, acks, 'one');
    expectSameHistory(there.events, acks, 'the other');
    expectSameHistory(await gather(one.read({ topic: '*' })), acks, 'read by one');
    expect((await other.topics()).map(({ events }) => events)).toEqual(Array(5).fill(160));
  });

  test('go on from a cursor of the other, and find what either has acknowledged', async () => {
    const at = place();
    const one = await busOn(at);
    const begun = await Collector.start(one, '*', { from: 'earliest' });
    const acks = await one.publishMany(inputs(40, 'one'));
    await begun.count(40);
    await within('drain', one.drain());
    const { cursor } = begun.subscription;
    const more = await one.publishMany(inputs(40, 'more'));
    const other = await busOn(at);
    const rest = await Collector.start(other, '*', { from: { after: cursor } });
    await rest.count(40);
    expectSameHistory(rest.events, more, 'the rest');
    expectSameHistory(await gather(other.read({ topic: '*' })), [...acks, ...more], 'all');
    for (let n = 0; n < 30; n++) {
      const { id } = await one.publish(input(n, 'one', 1));
      expect((await one.query({ topic: 't.0', reverse: true, limit: 1 }))[0]?.id).toBe(id);
    }
  });

  test('store an event once if both publish it under one id', async () => {
    const at = place();
    const one = await busOn(at);
    const other = await busOn(at);
    const event = { ...input(0), id: 'given' };
    const first = await one.publish(event);
    expect(await other.publish(event)).toEqual({ ...first, duplicate: true });
    const twice = [event, event].map((same) => ({ ...same, id: 'twice' }));
    const acks = await other.publishMany(twice);
    expect(acks.map(({ sequence, duplicate }) => [sequence, duplicate])).toEqual([
      [2, false],
      [2, true],
    ]);
  });

  test('let one of many publishers have what all expect', async () => {
    const at = place();
    const buses = [await busOn(at), await busOn(at)];
    const tries = buses.flatMap((bus) =>
      inputs(5, 'x').map(() => bus.publish({ ...input(0), topic: 'one' }, { expect: 'none' })),
    );
    const outcomes = await Promise.allSettled(tries);
    const won = outcomes.filter(({ status }) => status === 'fulfilled');
    expect(won).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') {
        expect(outcome.reason).toMatchObject({ code: 'CONFLICT', details: { sequence: 1 } });
      }
    }
    const { sequence } = (won[0] as PromiseFulfilledResult<PublishAck>).value;
    const next = { ...input(1), topic: 'one' };
    await buses[1]!.publish(next, { expect: { sequence: sequence! } });
    await refused(() => buses[0]!.publish(next, { expect: { sequence: sequence! } }), 'CONFLICT');
  });

  test('store a group as a whole or not at all', async () => {
    const bus = await busOn(place());
    const other = { ...input(0), id: 'apart' };
    await bus.publish(other);
    const group = inputs(3, 'g').map((event, n) => ({ ...event, topic: 'g', id: `g-${n}` }));
    const acks = await bus.publishMany(group, { atomic: true });
    expect(acks.map(({ sequence }) => sequence)).toEqual([2, 3, 4]);
    const again = await bus.publishMany(group, { atomic: true });
    expect(again.every(({ duplicate }) => duplicate)).toBe(true);
    const apart = [{ ...input(1), topic: 't.0' }, other];
    await refused(() => bus.publishMany(apart, { atomic: true }), 'CONFLICT', 'stored already');
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(4);
  });

  test(
    'property: lose and repeat nothing, however their shards are killed and crash',
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
          const at = place();
          const options = { ringBytes, commitBatchEvents, publishWaitMs: 60_000, shards: 1 };
          const open = () => openBus({ store: redisStore(at), ...options });
          const buses = [await open(), await open()];
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
      await holds(property, 4);
    },
    propertyTimeoutMs(4),
  );

  test('a bus closes though Redis does not answer', async () => {
    const stuck = await RedisServer.forTest();
    const bus = await openBus({ store: redisStore({ url: stuck.url }), publishWaitMs: 60_000 });
    await bus.publish(input(0));
    stuck.signal('SIGSTOP');
    onTestFinished(() => stuck.signal('SIGCONT'));
    const lost = refused(() => bus.publish(input(1)), 'PUBLISH_UNKNOWN');
    await within('close', bus.close());
    await lost;
  });
});
