import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import { Collector, gather } from './support/collector.js';
import { controls } from './support/millrace.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { expectTopicOrder } from './support/oracle.js';
import { until, within } from './support/wait.js';

/** History that retention has pruned: said before what follows it, and never passed over in silence. */
async function publish(bus: Bus, topic: string, first: number, count: number): Promise<void> {
  const inputs = Array.from({ length: count }, (_, index) => ({
    topic,
    type: 'chat_message',
    payload: first + index,
  }));
  await within('the acks', bus.publishMany(inputs));
}

async function eventsOf(bus: Bus, topic: string): Promise<number> {
  const infos = await bus.topics(topic);
  return infos.reduce((sum, { events }) => sum + events, 0);
}

describe('retention', () => {
  test('keeps the newest events of a pattern, and does not touch other topics', async () => {
    const bus = await openTestBus({
      shards: 1,
      retention: [{ pattern: 'log.*', maxEvents: 100 }],
    });
    await publish(bus, 'keep', 0, 50);
    await publish(bus, 'log.a', 0, 3000);
    await publish(bus, 'keep', 50, 50);
    await until('pruned', async () => (await eventsOf(bus, 'log.*')) <= 200);
    const left = await gather(bus.read<number>({ topic: 'log.a' }));
    expect(left.map(({ payload }) => payload)).toEqual(
      Array.from({ length: left.length }, (_, n) => 3000 - left.length + n),
    );
    expect(left.length).toBeGreaterThanOrEqual(100);
    expect(await gather(bus.read({ topic: 'keep' }))).toHaveLength(100);
  });

  test('by age keeps young events', async () => {
    const bus = await openTestBus({ shards: 1, retention: [{ maxAgeMs: 1 }] });
    await publish(bus, 'log', 0, 200);
    await until('pruned', async () => (await gather(bus.read({ topic: '*' }))).length === 0);
    await publish(bus, 'log', 200, 1);
    const [ack] = await bus.publishMany([{ topic: 'log', type: 'chat_message', payload: 0 }]);
    expect(ack!.sequence).toBe(202);
  });

  test('by bytes bounds the size of the events kept', async () => {
    const bus = await openTestBus({ shards: 1, retention: [{ maxBytes: 50_000 }] });
    const pad = 'x'.repeat(500);
    for (let round = 0; round < 5; round++) {
      await bus.publishMany(
        Array.from({ length: 200 }, () => ({ topic: 'log', type: 'chat_message', payload: pad })),
      );
    }
    await until('pruned', async () => (await eventsOf(bus, 'log')) <= 200);
    const left = await gather(bus.read({ topic: '*' }));
    expect(left.length).toBeGreaterThan(10);
    expect(left.at(-1)!.sequence).toBe(1000);
  });
});

describe('a gap', () => {
  test('is reported to a subscription that resumes in pruned history, before the next event', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 1 });
    const early = await Collector.start(bus, 'log', { from: 'earliest' });
    await publish(bus, 'log', 0, 10);
    await early.count(10);
    await within('drain', bus.drain());
    const { cursor } = early.subscription;
    await publish(bus, 'log', 10, 990);
    await bus.close();
    bus = await openTestBus({ dir, retention: [{ maxEvents: 100 }] });
    await until('pruned', async () => (await eventsOf(bus, 'log')) <= 200);
    const told: string[] = [];
    const resumed = bus.subscribe<number>(
      'log',
      ({ payload }) => {
        told.push(`event ${payload}`);
      },
      { from: { after: cursor } },
    );
    resumed.on('gap', ({ shard, from, to, reason }) => {
      told.push(`gap ${shard} ${from} ${to} ${reason}`);
    });
    await until('the newest event', () => told.at(-1) === 'event 999');
    const [, shard, from, to, reason] = told[0]!.split(' ');
    expect([shard, reason]).toEqual(['0', 'pruned']);
    expect(Number(from)).toBe(11);
    expect(told[1]).toBe(`event ${Number(to)}`);
    expect(told.filter((line) => line.startsWith('gap'))).toHaveLength(1);
    expect(told.slice(1)).toEqual(
      Array.from({ length: 1000 - Number(to) }, (_, n) => `event ${Number(to) + n}`),
    );
  });

  test.each(['earliest', { since: new Date(0) }, { last: 9000 }] as const)(
    'covers events pruned right after ready, before the first of them came: from %j',
    async (from) => {
      const bus = await openTestBus({ shards: 1 });
      for (let first = 0; first < 10_000; first += 2000) await publish(bus, 'log', first, 2000);
      await publish(bus, 'other', 0, 1);
      const late = new Collector(bus, '*', { from });
      await late.subscription.ready;
      await bus.prune({ pattern: 'log', maxEvents: 0 });
      await publish(bus, 'other', 1, 1);
      await until('the newest event', () => late.events.at(-1)?.sequence === 10_002);
      const stood = typeof from === 'object' && 'last' in from ? 1001 : 0;
      expectMissingCovered(late, 10_002, stood + 1);
    },
  );

  test('covers events pruned while a subscription reads, even if more of another topic went before', async () => {
    const bus = await openTestBus({ shards: 1 });
    await publish(bus, 'low', 0, 2000);
    await publish(bus, 'high', 0, 100);
    await bus.prune({ pattern: 'high', maxEvents: 0 });
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = await Collector.start(bus, '*', {
      from: 'earliest',
      maxBuffer: 10,
      hold: () => gate,
    });
    await bus.prune({ pattern: 'low', maxEvents: 0 });
    await publish(bus, 'low', 2000, 1);
    release();
    await until('the newest event', () => slow.events.at(-1)?.sequence === 2101);
    expect(slow.events.length).toBeLessThan(2000);
    expectMissingCovered(slow, 2000);
  });

  test('covers every event that a stuck subscriber missed while history was pruned', async () => {
    const bus = await openTestBus({ shards: 1, retention: [{ maxEvents: 200 }] });
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = await Collector.start(bus, '*', { maxBuffer: 10, hold: () => gate });
    for (let first = 0; first < 12_000; first += 2000) await publish(bus, 'log', first, 2000);
    await until('pruned', async () => (await eventsOf(bus, 'log')) <= 400);
    release();
    await until('the newest event', () => slow.payloads.at(-1) === 11_999);
    expectTopicOrder(slow.events, 'slow');
    expectMissingCovered(slow, 12_000);
  });

  test('is right after the shard was killed during pruning', async () => {
    const bus = await openTestBus({ shards: 1, retention: [{ maxEvents: 500 }] });
    for (let first = 0; first < 10_000; first += 2000) {
      await publish(bus, 'log', first, 2000);
      await controls(bus).killShard(0);
    }
    await until('pruned', async () => (await eventsOf(bus, 'log')) <= 1000);
    const left = await gather(bus.read<number>({ topic: '*' }));
    expect(left.map(({ payload }) => payload)).toEqual(
      Array.from({ length: left.length }, (_, n) => 10_000 - left.length + n),
    );
    expect(left.length).toBeGreaterThanOrEqual(500);
  });

  test('is not reported to a subscription from earliest', async () => {
    const bus = await openTestBus({ shards: 1, retention: [{ maxEvents: 100 }] });
    await publish(bus, 'log', 0, 2000);
    await until('pruned', async () => (await eventsOf(bus, 'log')) <= 200);
    const earliest = await Collector.start(bus, '*', { from: 'earliest' });
    await until('the newest event', () => earliest.payloads.at(-1) === 1999);
    expect(earliest.gaps).toEqual([]);
  });
});

/** Checks that every sequence was delivered or is in a reported gap. */
function expectMissingCovered(collector: Collector, head: number, first = 1): void {
  const delivered = new Set(collector.events.map(({ sequence }) => sequence));
  for (let sequence = first; sequence <= head; sequence++) {
    if (delivered.has(sequence)) continue;
    const covered = collector.gaps.some(({ from, to }) => from <= sequence && sequence <= to);
    if (!covered) throw new Error(`sequence ${sequence} was neither delivered nor in a gap`);
  }
}
