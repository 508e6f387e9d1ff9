import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { Event } from '../../src/protocol/event.js';
import { Collector, gather } from './support/collector.js';
import { refused, subscriptionRefused } from './support/failures.js';
import { controls } from './support/millrace.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { expectSameHistory } from './support/oracle.js';
import { holds, propertyTimeoutMs } from './support/properties.js';
import { until, within } from './support/wait.js';

/** Resuming: a cursor taken at any moment gives exactly what was not consumed before it. */
async function publish(bus: Bus, first: number, count: number): Promise<void> {
  const inputs = Array.from({ length: count }, (_, index) => {
    const n = first + index;
    return { topic: `t.${n % 7}`, type: 'chat_message', payload: n };
  });
  await within('the acks', bus.publishMany(inputs));
}

type Loop = (events: AsyncIterable<Event<number>>, isLast: IsLast) => Promise<unknown>;
type IsLast = (event: Event<number>) => boolean;

/** Ways to leave a loop with an event in hand. The iterator cannot tell them apart, or is not informed at all. */
const LEAVINGS: Readonly<Record<string, Loop>> = {
  'an error in its body': async (events, isLast) => {
    const loop = async (): Promise<void> => {
      for await (const event of events) if (isLast(event)) throw new Error('in the body');
    };
    await expect(loop()).rejects.toThrow('in the body');
  },
  break: async (events, isLast) => {
    for await (const event of events) if (isLast(event)) break;
  },
  return: async (events, isLast) => {
    for await (const event of events) if (isLast(event)) return event;
    return undefined;
  },
  'a generator that delegates to it and is thrown into': async (events, isLast) => {
    const delegate = (async function* () {
      yield* events;
    })();
    for (;;) {
      const { value } = await delegate.next();
      if (value !== undefined && isLast(value)) break;
    }
    await expect(delegate.throw(new Error('into it'))).rejects.toThrow('into it');
  },
};

describe('a cursor', () => {
  test('resumes after a restart of the bus, without loss or repeat', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 3 });
    const first = await Collector.start(bus, '*', { from: 'earliest' });
    await publish(bus, 0, 100);
    await first.count(100);
    await within('drain', bus.drain());
    await publish(bus, 100, 100);
    await bus.close();
    const { cursor } = first.subscription;
    bus = await openTestBus({ dir });
    const second = await Collector.start(bus, '*', { from: { after: cursor } });
    await publish(bus, 200, 100);
    await second.count(300 - first.events.length);
    await within('drain', bus.drain());
    const all = [...first.events, ...second.events];
    expectSameHistory(all, await gather(bus.read({ topic: '*' })), 'before and after');
    expect(second.gaps).toEqual([]);
    expect(second.events).toHaveLength(300 - first.events.length);
  });

  test('of a subscription that never got an event resumes where it began', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 2 });
    await publish(bus, 0, 10);
    const first = await Collector.start(bus, '*');
    const { cursor } = first.subscription;
    await bus.close();
    bus = await openTestBus({ dir });
    await publish(bus, 10, 10);
    const second = await Collector.start(bus, '*', { from: { after: cursor } });
    await second.count(10);
    await within('drain', bus.drain());
    expect((second.payloads as number[]).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 10 }, (_, n) => 10 + n),
    );
  });

  test('read inside a handler stands before the event in hand', async () => {
    const bus = await openTestBus({ shards: 1 });
    const seen: [number, string][] = [];
    const subscription = bus.subscribe<number>('*', ({ payload }) => {
      seen.push([payload, subscription.cursor]);
    });
    await subscription.ready;
    await publish(bus, 0, 20);
    await until('20 events', () => seen.length === 20);
    for (const [n, cursor] of seen) {
      const rest = await bus.query<number>({ topic: '*', after: cursor });
      expect(rest[0]?.payload ?? 20).toBeLessThanOrEqual(n + 1);
      expect(rest[0]?.payload ?? 20).toBeGreaterThanOrEqual(n);
    }
  });

  test.each(Object.keys(LEAVINGS))(
    'of a loop left by %s gives the event in hand again',
    async (way) => {
      const bus = await openTestBus({ shards: 2 });
      await publish(bus, 0, 50);
      const subscription = bus.subscribe<number>('*', { from: 'earliest' });
      const seen: Event<number>[] = [];
      await LEAVINGS[way]!(subscription, (event) => seen.push(event) === 20);
      await within('the end', subscription.closed);
      expect(seen).toHaveLength(20);
      const { cursor } = subscription;
      const rest = await gather(bus.read<number>({ topic: '*', after: cursor }));
      const again = rest.filter(({ id }) => seen.some((event) => event.id === id));
      expect(again).toEqual([seen[19]]);
      expect(rest).toHaveLength(31);
    },
  );

  test('moves past events that did not match, so that a resume need not read them again', async () => {
    const bus = await openTestBus({ shards: 1 });
    const rare = await Collector.start(bus, 'rare');
    await bus.publish({ topic: 'rare', type: 'chat_message', payload: 0 });
    await publish(bus, 0, 2000);
    await bus.publish({ topic: 'rare', type: 'chat_message', payload: 1 });
    await rare.count(2);
    await within('drain', bus.drain());
    await until('no lag', () => rare.subscription.lag === 0);
    expect(await bus.query({ topic: '*', after: rare.subscription.cursor })).toEqual([]);
  });

  test('of a drained subscription resumes with the events published after the drain', async () => {
    const bus = await openTestBus({ shards: 2 });
    const first = await Collector.start(bus, '*');
    await publish(bus, 0, 20);
    await bus.drain();
    await first.subscription.drain();
    await publish(bus, 20, 50);
    // This one's watermark, and so this endpoint's, goes on past the end of the first.
    const other = await Collector.start(bus, '*', { from: 'earliest' });
    await other.count(70);
    await bus.drain();
    const resumed = await Collector.start(bus, '*', {
      from: { after: first.subscription.cursor },
    });
    await bus.drain();
    await resumed.count(50);
    const later = other.events.filter(({ payload }) => Number(payload) >= 20);
    expectSameHistory(resumed.events, later, 'resumed');
  });

  test('of another history is refused with CURSOR_EXPIRED', async () => {
    const other = await openTestBus({ shards: 2 });
    await publish(other, 0, 5);
    const stranger = await Collector.start(other, '*', { from: 'earliest' });
    await stranger.count(5);
    const bus = await openTestBus({ shards: 2 });
    const { cursor } = stranger.subscription;
    await subscriptionRefused(
      () => bus.subscribe('*', () => {}, { from: { after: cursor } }),
      'CURSOR_EXPIRED',
    );
    await refused(() => bus.query({ topic: '*', after: cursor }), 'CURSOR_EXPIRED');
    await refused(() => gather(bus.read({ topic: '*', after: cursor })), 'CURSOR_EXPIRED');
    expect((await bus.stats()).subscriptions).toBe(0);
  });

  test('that is malformed is refused with CURSOR_INVALID', async () => {
    const bus = await openTestBus({ shards: 2 });
    for (const after of ['', 'garbage', '{}', 'a.b.c', 'ü', ' ', '0', 'A'.repeat(5000)]) {
      const shown = after.length < 80 ? after : undefined;
      await subscriptionRefused(
        () => bus.subscribe('*', () => {}, { from: { after } }),
        'CURSOR_INVALID',
        shown,
      );
      await refused(() => bus.query({ topic: '*', after }), 'CURSOR_INVALID', shown);
    }
    expect((await bus.stats()).subscriptions).toBe(0);
  });

  test(
    'property: that was tampered with is refused or works, and does no harm',
    async () => {
      const bus = await openTestBus({ shards: 2 });
      const live = await Collector.start(bus, '*', { from: 'earliest' });
      await publish(bus, 0, 50);
      await live.count(50);
      const { cursor } = live.subscription;
      const property = fc.asyncProperty(
        fc.nat({ max: cursor.length - 1 }),
        fc.string({ unit: 'grapheme', maxLength: 3 }),
        fc.nat({ max: 3 }),
        async (at, text, cut) => {
          const after = cursor.slice(0, at) + text + cursor.slice(at + cut);
          const outcome = await bus
            .query({ topic: '*', after })
            .catch((error: { code?: string }) => error.code ?? error);
          if (!Array.isArray(outcome)) expect(outcome).toMatch(/^CURSOR_(INVALID|EXPIRED)$/);
        },
      );
      await holds(property, 200);
      await publish(bus, 50, 1);
      await live.count(51);
      expect((await bus.stats()).shards.map(({ restarts }) => restarts)).toEqual([0, 0]);
    },
    propertyTimeoutMs(200),
  );

  test(
    'property: taken at any moment, over restarts and kills, resumes exactly',
    async () => {
      const step = fc.constantFrom('reopen', 'kill', 'resume');
      const property = fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 120 }), step), { minLength: 2, maxLength: 6 }),
        fc.integer({ min: 1, max: 40 }),
        async (shards, steps, maxBuffer) => {
          const dir = temporaryDirectory();
          let bus = await openTestBus({ dir, shards, ringBytes: 4096 });
          let reader = await Collector.start(bus, '*', { from: 'earliest', maxBuffer });
          const consumed: Collector[] = [reader];
          let published = 0;
          for (const [count, then] of steps) {
            await publish(bus, published, count);
            published += count;
            if (then === 'kill') await controls(bus).killShard(published % shards);
            if (then === 'resume') await reader.subscription.unsubscribe();
            if (then === 'reopen') {
              await closeTestBus(bus);
              bus = await openTestBus({ dir });
            }
            if (then === 'kill') continue;
            const from = { after: reader.subscription.cursor };
            reader = await Collector.start(bus, '*', { from, maxBuffer });
            consumed.push(reader);
          }
          const count = (): number => consumed.reduce((sum, { events }) => sum + events.length, 0);
          await until('all consumed', () => count() >= published);
          await within('drain', bus.drain());
          const all = consumed.flatMap(({ events }) => events);
          expectSameHistory(all, await gather(bus.read({ topic: '*' })), 'all readers');
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 8);
    },
    propertyTimeoutMs(8),
  );
});
