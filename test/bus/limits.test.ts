import { describe, expect, test } from 'vitest';
import type { Subscription } from '../../src/protocol/bus-api.js';
import type { EventInput } from '../../src/protocol/event.js';
import { PATTERNS_PER_FILTER_MAX } from '../../src/protocol/limits/events.js';
import { Collector, gather } from './support/collector.js';
import { openTestBus } from './support/open.js';
import { within } from './support/wait.js';

/** The largest of everything that is allowed, through the smallest rings there are. */
const RING_BYTES = 4096;

/** 16 segments, 255 bytes. */
const longTopic = (n: number): string =>
  `${Array(15).fill('s'.repeat(14)).join('.')}.${String(n).padStart(30, 'x')}`;

describe('the smallest ring', () => {
  test('takes an event with every field of the largest size', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: RING_BYTES });
    const live = await Collector.start(bus, '*');
    const attributes = Object.fromEntries(
      Array.from({ length: 16 }, (_, n) => [`${n}`.padStart(64, 'k'), `${n}`.padEnd(1024, 'v')]),
    );
    const input: EventInput = {
      topic: longTopic(1),
      type: 't'.repeat(64),
      id: 'i'.repeat(64),
      source: 'é'.repeat(127),
      correlationId: '雪'.repeat(85),
      causationId: 'c'.repeat(64),
      attributes,
      timestamp: '9999-12-31T23:59:59.999Z',
      payload: 'x'.repeat(70_000),
    };
    expect(Buffer.byteLength(input.topic)).toBe(255);
    await bus.publish(input);
    await live.count(1);
    expect(live.events[0]).toMatchObject(input);
    expect(await bus.query({ topic: '*' })).toEqual(live.events);
    await bus.publish({ ...input, id: 'other' }, { persist: false });
    await live.count(2);
    expect(live.events[1]).toMatchObject({ ...input, id: 'other' });
  });

  test('delivers one event to thousands of subscriptions', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: RING_BYTES });
    let delivered = 0;
    const subscriptions = Array.from({ length: 3000 }, (_, n) =>
      bus.subscribe(n % 2 ? 'a.b' : 'a.*', () => {
        delivered++;
      }),
    );
    await within('ready', Promise.all(subscriptions.map(({ ready }) => ready)));
    const last = await Collector.start(bus, 'a.b');
    for (let n = 0; n < 3; n++) {
      await bus.publish({ topic: 'a.b', type: 'chat_message', payload: n });
    }
    await last.count(3);
    await within('drain', bus.drain());
    expect(delivered).toBe(9000);
    expect(await within('answer', bus.subscribers('a.b'))).toHaveLength(3001);
    await within('gone', Promise.all(subscriptions.map((one) => one.unsubscribe())));
    expect((await bus.stats()).subscriptions).toBe(1);
  });

  test('takes a filter with the most and longest patterns and values', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: RING_BYTES });
    const topics = Array.from({ length: PATTERNS_PER_FILTER_MAX }, (_, n) => longTopic(n));
    const values = Array.from({ length: 1024 }, (_, n) => `${n}`.padStart(1024, 'v'));
    const collector = new Collector(bus, { topics, attributes: { agentId: values } });
    await within('ready', collector.subscription.ready);
    const input: EventInput = {
      topic: longTopic(1023),
      type: 'chat_message',
      payload: 1,
      attributes: { agentId: values[77]! },
    };
    await bus.publish(input);
    await bus.publish({ ...input, attributes: { agentId: '77' } });
    await collector.count(1);
    await within(
      'update',
      collector.subscription.update({ topics: ['*'], attributes: { agentId: values } }),
    );
    await bus.publish({ ...input, topic: 'other' });
    await collector.count(2);
    const found = await bus.query({ topic: topics, attributes: { agentId: values } });
    expect(found).toHaveLength(1);
    const replay = await Collector.start(
      bus,
      { topics, sources: ['millrace'] },
      { from: 'earliest' },
    );
    await replay.count(2);
  });

  test('takes many subscriptions with long filters at once, and ends them at once', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: RING_BYTES });
    const topics = Array.from({ length: 100 }, (_, n) => longTopic(n));
    const subscriptions: Subscription[] = Array.from({ length: 150 }, () => bus.subscribe(topics));
    await within('ready', Promise.all(subscriptions.map(({ ready }) => ready)));
    expect((await bus.stats()).subscriptions).toBe(150);
    const infos = await within('answer', bus.subscribers(longTopic(5)));
    expect(infos).toHaveLength(150);
    await within('updated', Promise.all(subscriptions.map((one) => one.update('a'))));
    await within('gone', Promise.all(subscriptions.map((one) => one.unsubscribe())));
    expect((await bus.stats()).subscriptions).toBe(0);
  });

  test('lists thousands of long topics', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: RING_BYTES });
    const topics = Array.from({ length: 4000 }, (_, n) => longTopic(n));
    await bus.publishMany(topics.map((topic) => ({ topic, type: 'chat_message', payload: 0 })));
    const infos = await within('answer', bus.topics());
    expect(infos.map(({ name }) => name).sort()).toEqual([...topics].sort());
    expect(await bus.topics(longTopic(7))).toHaveLength(1);
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(4000);
    expect(await bus.query({ topic: longTopic(9) })).toHaveLength(1);
  });
});
