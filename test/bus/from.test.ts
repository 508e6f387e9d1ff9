import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { SubscribeFrom } from '../../src/protocol/subscribe-from.js';
import { Collector, gather } from './support/collector.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { expectSameHistory, linesOf } from './support/oracle.js';
import { holds, propertyTimeoutMs } from './support/properties.js';
import { until, within } from './support/wait.js';

/** Where a subscription starts: now, at the earliest, some events back, at a time, behind a cursor. */
async function publish(bus: Bus, first: number, count: number, topicCount = 1): Promise<void> {
  const inputs = Array.from({ length: count }, (_, index) => {
    const n = first + index;
    return { topic: `t.${n % topicCount}`, type: 'chat_message', payload: n };
  });
  await within('the acks', bus.publishMany(inputs));
}

async function numbersFrom(bus: Bus, from: SubscribeFrom, count: number): Promise<unknown[]> {
  const collector = await Collector.start(bus, '*', { from });
  await collector.count(count);
  await within('drain', bus.drain());
  await collector.subscription.unsubscribe();
  return collector.payloads;
}

const numbers = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index);

describe('from', () => {
  test('now gives the events published after ready, and none before', async () => {
    const bus = await openTestBus({ shards: 3 });
    await publish(bus, 0, 100, 9);
    const live = await Collector.start(bus, '*', { from: 'now' });
    const byDefault = await Collector.start(bus, '*');
    await publish(bus, 100, 50, 9);
    for (const collector of [live, byDefault]) {
      await collector.count(50);
      await within('drain', bus.drain());
      const seen = [...collector.payloads] as number[];
      expect(seen.sort((a, b) => a - b)).toEqual(numbers(100, 50));
    }
  });

  test('earliest gives all stored events, reports when it has caught up, and goes on live', async () => {
    const bus = await openTestBus({ shards: 1 });
    await publish(bus, 0, 3000);
    const collector = await Collector.start(bus, '*', { from: 'earliest' });
    await collector.count(3000);
    await until('caughtUp', () => collector.caughtUp.length === 1);
    await publish(bus, 3000, 10);
    await collector.count(3010);
    expect(collector.payloads).toEqual(numbers(0, 3010));
    expect(collector.gaps).toEqual([]);
    expect(collector.caughtUp).toHaveLength(1);
  });

  test('earliest reads a history that is longer than a shard reads by itself', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: 16_384 });
    for (let first = 0; first < 12_000; first += 4000) await publish(bus, first, 4000, 5);
    const collector = await Collector.start(bus, '*', { from: 'earliest' });
    await publish(bus, 12_000, 500, 5);
    await collector.count(12_500);
    await within('drain', bus.drain());
    expectSameHistory(collector.events, await gather(bus.read({ topic: '*' })), 'earliest');
    expect(collector.events).toHaveLength(12_500);
  });

  test('earliest on an empty bus has caught up at once', async () => {
    const bus = await openTestBus({ shards: 2 });
    const collector = await Collector.start(bus, '*', { from: 'earliest' });
    await until('caughtUp', () => collector.caughtUp.length === 1);
    await publish(bus, 0, 1);
    await collector.count(1);
  });

  test('last gives that many matching events, and then new ones', async () => {
    const bus = await openTestBus({ shards: 1 });
    await publish(bus, 0, 90, 3);
    expect(await numbersFrom(bus, { last: 5 }, 5)).toEqual(numbers(85, 5));
    expect(await numbersFrom(bus, { last: 1000 }, 90)).toEqual(numbers(0, 90));
    const one = await Collector.start(bus, 't.1', { from: { last: 2 } });
    await publish(bus, 90, 3, 3);
    await one.count(3);
    expect(one.payloads).toEqual([85, 88, 91]);
  });

  test('last finds matching events that are far back', async () => {
    const bus = await openTestBus({ shards: 1 });
    await bus.publish({ topic: 'rare', type: 'chat_message', payload: 'first' });
    await publish(bus, 0, 6000, 3);
    const rare = await Collector.start(bus, 'rare', { from: { last: 1 } });
    await rare.count(1);
    expect(rare.payloads).toEqual(['first']);
  });

  test('last over several shards gives the newest of all shards', async () => {
    const bus = await openTestBus({ shards: 3 });
    for (let n = 0; n < 60; n++) await publish(bus, n, 1, 11);
    const collector = await Collector.start(bus, '*', { from: { last: 8 } });
    await collector.count(8);
    await within('drain', bus.drain());
    expect(new Set(collector.payloads).size).toBe(collector.events.length);
    expect(collector.payloads).toContain(59);
  });

  test('since gives the events recorded at or after a time, as text or as a Date', async () => {
    const bus = await openTestBus({ shards: 2 });
    await publish(bus, 0, 20, 5);
    const [last] = await bus.query({ topic: '*', reverse: true, limit: 1 });
    const recorded = Date.parse(last!.timestamp);
    await until('the clock has moved on', () => Date.now() > recorded);
    const time = new Date();
    await publish(bus, 20, 20, 5);
    for (const since of [time, time.toISOString()]) {
      const seen = (await numbersFrom(bus, { since }, 20)) as number[];
      expect(seen.sort((a, b) => a - b)).toEqual(numbers(20, 20));
      const queried = await bus.query({ topic: '*', since });
      expect(queried).toHaveLength(20);
    }
    expect(await bus.query({ topic: '*', until: time })).toHaveLength(20);
    expect(await numbersFrom(bus, { since: new Date(0) }, 40)).toHaveLength(40);
  });

  test('since goes by the time of recording, not by a timestamp of the publisher', async () => {
    const bus = await openTestBus({ shards: 1 });
    const old = {
      topic: 't',
      type: 'chat_message',
      payload: 'old',
      timestamp: new Date(86_400_000),
    };
    const before = new Date();
    await bus.publish(old);
    expect(await numbersFrom(bus, { since: before }, 1)).toEqual(['old']);
    expect(await bus.query({ topic: '*', since: before })).toHaveLength(1);
    expect(await bus.query({ topic: '*', until: new Date(86_400_001) })).toEqual([]);
  });

  test('since a future time gives only the events recorded from then on', async () => {
    const bus = await openTestBus({ shards: 1 });
    await publish(bus, 0, 5);
    const later = await Collector.start(bus, '*', {
      from: { since: new Date(Date.now() + 3_600_000) },
    });
    const now = await Collector.start(bus, '*');
    await publish(bus, 5, 5);
    await now.count(5);
    await within('drain', bus.drain());
    expect((later.payloads as number[]).every((n) => n >= 5)).toBe(true);
  });

  test(
    'property: replay that meets live publishing has no gap and no repeat',
    async () => {
      const property = fc.asyncProperty(
        fc.record({
          shards: fc.integer({ min: 1, max: 3 }),
          ringBytes: fc.constantFrom(4096, 65_536),
          commitBatchEvents: fc.constantFrom(1, 16, 4096),
        }),
        fc.integer({ min: 0, max: 1500 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 8 }),
        fc.constantFrom<SubscribeFrom>('earliest', { last: 10_000 }, { since: new Date(0) }),
        fc.integer({ min: 1, max: 50 }),
        async (options, history, bursts, from, maxBuffer) => {
          const dir = temporaryDirectory();
          const bus = await openTestBus({ dir, ...options });
          await publish(bus, 0, history, 7);
          let first = history;
          const acks: Promise<void>[] = [];
          const collector = new Collector(bus, '*', { from, maxBuffer });
          for (const burst of bursts) {
            acks.push(publish(bus, first, burst, 7));
            first += burst;
            await new Promise((resolve) => setImmediate(resolve));
          }
          await Promise.all(acks);
          await collector.count(first);
          await within('drain', bus.drain());
          const stored = await gather(bus.read({ topic: '*' }));
          expectSameHistory(collector.events, stored, JSON.stringify(from));
          expect(stored).toHaveLength(first);
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 12);
    },
    propertyTimeoutMs(12),
  );
});

describe('a query', () => {
  test('gives a hundred events by default, oldest first or newest first', async () => {
    const bus = await openTestBus({ shards: 1 });
    await publish(bus, 0, 250, 3);
    const payloads = async (query: object): Promise<unknown[]> =>
      (await bus.query({ topic: '*', ...query })).map(({ payload }) => payload);
    expect(await payloads({})).toEqual(numbers(0, 100));
    expect(await payloads({ limit: 7 })).toEqual(numbers(0, 7));
    expect(await payloads({ limit: 10_000 })).toEqual(numbers(0, 250));
    expect(await payloads({ reverse: true, limit: 3 })).toEqual([249, 248, 247]);
    expect(await payloads({ topic: ['t.0', 't.1'], limit: 4 })).toEqual([0, 1, 3, 4]);
    expect(await payloads({ topic: 't.2', reverse: true, limit: 2 })).toEqual([248, 245]);
  });

  test('sees an event as soon as it is acknowledged', async () => {
    const bus = await openTestBus({ shards: 2 });
    for (let n = 0; n < 40; n++) {
      const ack = await bus.publish({ topic: `t.${n % 3}`, type: 'chat_message', payload: n });
      const found = await bus.query({ topic: ack.topic, reverse: true, limit: 1 });
      expect(linesOf(found)).toEqual(linesOf([ack]));
    }
  });

  test('reads on behind a cursor', async () => {
    const bus = await openTestBus({ shards: 2 });
    const live = await Collector.start(bus, '*');
    await publish(bus, 0, 30, 5);
    await live.count(30);
    await within('drain', bus.drain());
    const after = live.subscription.cursor;
    expect(await bus.query({ topic: '*', after })).toEqual([]);
    await publish(bus, 30, 12, 5);
    const found = await bus.query({ topic: '*', after });
    expect((found.map(({ payload }) => payload) as number[]).sort((a, b) => a - b)).toEqual(
      numbers(30, 12),
    );
    expect(await gather(bus.read({ topic: '*', after }))).toHaveLength(12);
  });
});
