import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { OverflowPolicy } from '../../src/protocol/bus-api.js';
import type { BusError } from '../../src/protocol/errors.js';
import { CREDIT_PER_BUFFERED_EVENT } from '../../src/protocol/limits/links.js';
import { Collector, type CollectorOptions } from './support/collector.js';
import { expectBusError } from './support/failures.js';
import { openTestBus } from './support/open.js';
import { expectTopicOrder } from './support/oracle.js';
import { Gate, until, within } from './support/wait.js';

/**
 * The six overflow policies, each met by a subscriber that stops at its first event until a gate opens. Published
 * is always more than what may be on its way to a subscriber (its credit) and in its buffer together.
 */
const BUFFER = 20;
const IN_FLIGHT = BUFFER * CREDIT_PER_BUFFERED_EVENT;
const COUNT = 5 * IN_FLIGHT;

async function stuck(
  bus: Bus,
  overflow: OverflowPolicy,
  options: CollectorOptions = {},
): Promise<{ gate: Gate; collector: Collector }> {
  const gate = new Gate();
  const collector = await Collector.start(bus, '*', {
    overflow,
    maxBuffer: BUFFER,
    hold: () => gate.opened,
    ...options,
  });
  return { gate, collector };
}

async function publish(bus: Bus, count: number, topicCount = 1, first = 0): Promise<void> {
  const inputs = Array.from({ length: count }, (_, index) => {
    const n = first + index;
    return { topic: `t.${n % topicCount}`, type: 'chat_message', payload: n };
  });
  await within('the acks', bus.publishMany(inputs));
}

/** Delivered and dropped together are all there was. */
async function settled(collector: Collector, published: number): Promise<void> {
  await until(
    `${published} events delivered or dropped`,
    () => collector.events.length + collector.subscription.dropped >= published,
  );
  await until('the drops told', () => collector.droppedTold >= collector.subscription.dropped);
  expect(collector.events.length + collector.subscription.dropped).toBe(published);
  expect(collector.droppedTold).toBe(collector.subscription.dropped);
}

const numbersUpTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

describe('catch-up', () => {
  test('loses nothing, and holds at most its credit and its buffer', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { gate, collector } = await stuck(bus, 'catch-up', { name: 'slow' });
    for (let first = 0; first < 20_000; first += 2000) {
      await publish(bus, 2000, 1, first);
      const [info] = await bus.subscribers('t.0');
      expect(info).toMatchObject({ name: 'slow', overflow: 'catch-up', dropped: 0 });
      expect(info!.queued).toBeLessThanOrEqual(BUFFER);
      expect(collector.subscription.pending).toBeLessThanOrEqual(IN_FLIGHT);
    }
    expect((await bus.subscribers('t.0'))[0]!.mode).not.toBe('live');
    expect(collector.subscription.lag).toBeGreaterThan(10_000);
    gate.open();
    await collector.count(20_000);
    await within('drain', bus.drain());
    expect(collector.payloads).toEqual(numbersUpTo(20_000));
    expect(collector.subscription).toMatchObject({ dropped: 0, pending: 0 });
    await until('no lag', () => collector.subscription.lag === 0);
  });

  test('goes on live, in order, while it catches up', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 16_384 });
    const { gate, collector } = await stuck(bus, 'catch-up', { maxBuffer: 1 });
    await publish(bus, 6000);
    gate.open();
    for (let first = 6000; first < 12_000; first += 100) await publish(bus, 100, 1, first);
    await collector.count(12_000);
    await within('drain', bus.drain());
    expect(collector.payloads).toEqual(numbersUpTo(12_000));
  });

  test('reports the ephemeral events that it could not keep', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { gate, collector } = await stuck(bus, 'catch-up');
    const total = COUNT * 2;
    const pending: Promise<unknown>[] = [];
    for (let n = 0; n < total; n++) {
      const input = { topic: 't', type: 'chat_message', payload: n };
      pending.push(bus.publish(input, { persist: n % 2 === 0 }));
    }
    await within('the acks', Promise.all(pending));
    gate.open();
    await settled(collector, total);
    const persisted = (collector.payloads as number[]).filter((n) => n % 2 === 0);
    expect(persisted).toEqual(numbersUpTo(COUNT).map((n) => 2 * n));
  });
});

describe('drop-oldest', () => {
  test('keeps the newest events, and counts and reports the dropped ones', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { gate, collector } = await stuck(bus, 'drop-oldest');
    await publish(bus, COUNT);
    gate.open();
    await settled(collector, COUNT);
    const { payloads } = collector;
    expectTopicOrder(collector.events, 'drop-oldest');
    expect(payloads.slice(-BUFFER)).toEqual(numbersUpTo(COUNT).slice(-BUFFER));
    expect(collector.subscription.dropped).toBeGreaterThanOrEqual(COUNT - IN_FLIGHT - BUFFER - 1);
    await publish(bus, 1, 1, COUNT);
    await collector.count(payloads.length + 1);
    expect(collector.payloads.at(-1)).toBe(COUNT);
  });
});

describe('drop-newest', () => {
  test('reports the first dropped event, also if no other is dropped', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { gate, collector } = await stuck(bus, 'drop-newest');
    let published = 0;
    const dropped = async () => (await bus.subscribers('t.0'))[0]!.dropped;
    while ((await dropped()) === 0) await publish(bus, 1, 1, published++);
    expect(await dropped()).toBe(1);
    await until('the drop told', () => collector.droppedTold === 1);
    gate.open();
    await settled(collector, published);
    expect(collector.payloads).toEqual(numbersUpTo(published - 1));
  });

  test('keeps the oldest events, and counts and reports the dropped ones', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { gate, collector } = await stuck(bus, 'drop-newest');
    await publish(bus, COUNT);
    gate.open();
    await settled(collector, COUNT);
    const { payloads } = collector;
    expect(payloads).toEqual(numbersUpTo(payloads.length));
    expect(payloads.length).toBeGreaterThanOrEqual(BUFFER);
    expect(payloads.length).toBeLessThanOrEqual(IN_FLIGHT + BUFFER + 1);
  });

  test('shows its drops in the stats and among the subscribers', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { gate, collector } = await stuck(bus, 'drop-newest');
    await publish(bus, COUNT);
    const [info] = await bus.subscribers('t.0');
    expect(info!.dropped).toBeGreaterThan(0);
    expect((await bus.stats()).dropped).toBe(info!.dropped);
    gate.open();
    await settled(collector, COUNT);
    expect(collector.subscription.dropped).toBe(info!.dropped);
  });
});

describe('conflate', () => {
  /** The last event of every topic arrived, and no topic went backwards. */
  async function newestOfEach(bus: Bus, collector: Collector, topics: number): Promise<void> {
    const newest = numbersUpTo(COUNT).slice(-topics);
    await until('the newest event of each topic', () => {
      const seen = new Set(collector.payloads);
      return newest.every((n) => seen.has(n));
    });
    await within('drain', bus.drain());
    expectTopicOrder(collector.events, 'conflate');
    expect(collector.events.length).toBeLessThan(COUNT);
  }

  test('keeps the newest event of each topic', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { gate, collector } = await stuck(bus, 'conflate');
    await publish(bus, COUNT, BUFFER / 2);
    gate.open();
    await newestOfEach(bus, collector, BUFFER / 2);
  });

  test('keeps all events if each is on its own topic and they fit into maxBuffer', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { gate, collector } = await stuck(bus, 'conflate');
    const first = COUNT - (COUNT % BUFFER) + BUFFER;
    await publish(bus, first, BUFFER);
    await publish(bus, 1, BUFFER, first + 7);
    gate.open();
    const expected = numbersUpTo(first + 1).slice(-BUFFER - 1, -1);
    expected[7] = first + 7;
    await until('the newest event of each topic', () => {
      const seen = new Set(collector.payloads);
      return expected.every((n) => seen.has(n));
    });
    expectTopicOrder(collector.events, 'conflate');
  });
});

describe('disconnect', () => {
  test('ends the subscription with SLOW_CONSUMER and a cursor that resumes', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { gate, collector } = await stuck(bus, 'disconnect');
    const other = await Collector.start(bus, '*');
    await publish(bus, COUNT);
    const error: unknown = await within(
      'the end',
      collector.subscription.closed.then(
        () => undefined,
        (reason: unknown) => reason,
      ),
    );
    const { details } = expectBusError(error, 'SLOW_CONSUMER') as BusError;
    expect(details).toMatchObject({ cursor: expect.any(String) });
    await until('one subscription left', async () => (await bus.stats()).subscriptions === 1);
    await other.count(COUNT);
    const resumed = await Collector.start(bus, '*', {
      from: { after: (details as { cursor: string }).cursor },
    });
    await resumed.count(COUNT);
    expect(resumed.payloads).toEqual(numbersUpTo(COUNT));
    gate.open();
  });

  test('leaves the cursor behind the last consumed event', async () => {
    const bus = await openTestBus({ shards: 2 });
    const gate = new Gate();
    const { collector } = await stuck(bus, 'disconnect', {
      hold: (event) => ((event.payload as number) >= 300 ? gate.opened : undefined),
    });
    await publish(bus, 300, 7);
    await collector.count(300);
    await publish(bus, 4 * COUNT, 7, 300);
    await expect(within('the end', collector.subscription.closed)).rejects.toMatchObject({
      code: 'SLOW_CONSUMER',
    });
    const resumed = await Collector.start(bus, '*', {
      from: { after: collector.subscription.cursor },
    });
    await resumed.count(4 * COUNT);
    await within('drain', bus.drain());
    const seen = [...resumed.payloads] as number[];
    expect(seen.sort((a, b) => a - b)).toEqual(numbersUpTo(300 + 4 * COUNT).slice(300));
    gate.open();
  });
});

describe('block', () => {
  test('holds publishers back until there is room, and nothing is lost', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 4096, publishWaitMs: 60_000 });
    const { gate, collector } = await stuck(bus, 'block');
    let acked = 0;
    const publishes = Array.from({ length: COUNT }, (_, n) =>
      bus.publish({ topic: 't', type: 'chat_message', payload: n }).then(() => {
        acked++;
      }),
    );
    await until('the ring is full', () => !bus.tryPublish({ topic: 't', type: 'a', payload: -1 }));
    gate.open();
    await within('the acks', Promise.all(publishes));
    expect(acked).toBe(COUNT);
    await within('drain', bus.drain());
    const numbers = (collector.payloads as number[]).filter((n) => n >= 0);
    expect(numbers).toEqual(numbersUpTo(COUNT));
    expect(collector.subscription.dropped).toBe(0);
  });

  test('lets publishers go on when it unsubscribes', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 4096, publishWaitMs: 60_000 });
    const { collector } = await stuck(bus, 'block');
    const publishes = publish(bus, COUNT);
    await collector.subscription.unsubscribe();
    await within('the acks', publishes);
  });

  test('holds publishers back only in the shards of its topics', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: 4096, publishWaitMs: 60_000 });
    const topics = ['a', 'b', 'c', 'd', 'e', 'f'];
    const infos = await Promise.all(
      topics.map((topic) => bus.publish({ topic, type: 'chat_message', payload: 0 })),
    );
    const blocked = infos.find(({ shard }) => shard === 0)!.topic;
    const free = infos.find(({ shard }) => shard === 1)!.topic;
    const gate = new Gate();
    await Collector.start(bus, blocked, {
      overflow: 'block',
      maxBuffer: BUFFER,
      hold: () => gate.opened,
    });
    const waiting = Array.from({ length: COUNT }, (_, n) =>
      bus.publish({ topic: blocked, type: 'chat_message', payload: n }),
    );
    const others = Array.from({ length: COUNT }, (_, n) =>
      bus.publish({ topic: free, type: 'chat_message', payload: n }),
    );
    await within('the other shard', Promise.all(others));
    gate.open();
    await within('the blocked shard', Promise.all(waiting));
  });
});
