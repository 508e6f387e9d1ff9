import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { Subscription } from '../../src/protocol/bus-api.js';
import type { Event } from '../../src/protocol/event.js';
import { filters, patterns } from './support/arbitraries.js';
import { Collector, gather } from './support/collector.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { expectTopicOrder, matchesFilter } from './support/oracle.js';
import { holds, propertyTimeoutMs } from './support/properties.js';
import { Gate, until, within } from './support/wait.js';

/** The life of a subscription: changed in place without a gap, and gone without a trace. */
async function publish(bus: Bus, first: number, count: number): Promise<void> {
  const inputs = Array.from({ length: count }, (_, index) => {
    const n = first + index;
    return { topic: `t.${n % 6}`, type: 'chat_message', payload: n };
  });
  await within('the acks', bus.publishMany(inputs));
}

async function nobodyLeft(bus: Bus): Promise<void> {
  await until('no subscription left', async () => (await bus.stats()).subscriptions === 0);
  const stats = await bus.stats();
  expect(stats.shards.map(({ subscriptions }) => subscriptions)).toEqual(stats.shards.map(() => 0));
  for (const topic of ['t.0', 't.1', 'a', 'a.b', 'worker.é']) {
    expect(await bus.subscribers(topic)).toEqual([]);
  }
}

describe('a subscription', () => {
  test('is known by its id, name, topics and policy', async () => {
    const bus = await openTestBus({ shards: 2 });
    const { subscription } = await Collector.start(bus, ['t.*', 'u'], {
      name: 'auditor',
      overflow: 'conflate',
    });
    expect(await bus.subscribers('t.0')).toEqual([
      {
        id: subscription.id,
        name: 'auditor',
        endpoint: expect.any(String),
        topics: expect.arrayContaining(['t.*', 'u']),
        overflow: 'conflate',
        mode: 'live',
        queued: 0,
        dropped: 0,
        slow: 0,
        since: expect.stringMatching(/^\d{4}-.*Z$/),
        lag: 0,
        lagMs: 0,
      },
    ]);
    expect(await bus.subscribers('v')).toEqual([]);
    expect((await bus.stats()).subscriptions).toBe(1);
  });

  test('gives no more events once it has unsubscribed', async () => {
    const bus = await openTestBus({ shards: 2 });
    const gone = await Collector.start(bus, '*');
    const other = await Collector.start(bus, '*');
    const publishing = publish(bus, 0, 3000);
    await gone.subscription.unsubscribe();
    const { length } = gone.events;
    await publishing;
    await other.count(3000);
    expect(gone.events).toHaveLength(length);
    await gone.subscription.closed;
    await gone.subscription.unsubscribe();
    await other.subscription.unsubscribe();
    await nobodyLeft(bus);
  });

  test('that drains consumes the events sent to it, and then ends', async () => {
    const bus = await openTestBus({ shards: 1 });
    const gate = new Gate();
    const collector = await Collector.start(bus, '*', { hold: () => gate.opened });
    await publish(bus, 0, 100);
    await until('100 pending', () => collector.subscription.pending >= 99);
    const drained = collector.subscription.drain();
    gate.open();
    await within('drained', drained);
    expect(collector.events).toHaveLength(100);
    await within('closed', collector.subscription.closed);
    await nobodyLeft(bus);
  });

  test('that was drained resumes from where it ended, not from where the bus has got to', async () => {
    const bus = await openTestBus({ shards: 1 });
    const drained = await Collector.start(bus, '*');
    // Keeps this endpoint's watermark going.
    const other = await Collector.start(bus, '*');
    await publish(bus, 0, 10);
    await within('drained', drained.subscription.drain());
    const { cursor } = drained.subscription;
    await publish(bus, 10, 50);
    await other.count(60);
    await within('drain', bus.drain());
    expect(drained.subscription.cursor).toBe(cursor);
    const resumed = await Collector.start(bus, '*', { from: { after: cursor } });
    await resumed.count(50);
  });

  test('is left by breaking out of for await', async () => {
    const bus = await openTestBus({ shards: 2 });
    const subscription = bus.subscribe('*');
    await subscription.ready;
    await publish(bus, 0, 50);
    const seen: unknown[] = [];
    for await (const event of subscription) {
      seen.push(event.payload);
      if (seen.length === 10) break;
    }
    await within('closed', subscription.closed);
    await nobodyLeft(bus);
  });

  test('ends its for await when it unsubscribes elsewhere', async () => {
    const bus = await openTestBus({ shards: 1 });
    const subscription = bus.subscribe('*');
    const reading = gather(subscription);
    await subscription.ready;
    await publish(bus, 0, 5);
    await until('all taken', () => subscription.lag === 0 && subscription.pending === 0);
    await subscription.unsubscribe();
    expect(await within('the end of the iterator', reading)).toHaveLength(5);
  });

  test('can be disposed of, and ended by a signal', async () => {
    const bus = await openTestBus({ shards: 2 });
    const disposed = bus.subscribe('*');
    await disposed.ready;
    await disposed[Symbol.asyncDispose]();
    const abort = new AbortController();
    const aborted = bus.subscribe('*', () => {}, { signal: abort.signal });
    await aborted.ready;
    abort.abort();
    await within(
      'closed',
      aborted.closed.catch(() => undefined),
    );
    const never = bus.subscribe('*', () => {}, { signal: AbortSignal.abort() });
    await within(
      'closed',
      never.closed.catch(() => undefined),
    );
    await nobodyLeft(bus);
  });

  test('may share a signal with any number of others, and leaves no listener on it', async () => {
    const bus = await openTestBus({ shards: 1 });
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    const abort = new AbortController();
    const { signal } = abort;
    const held = Array.from({ length: 20 }, () => bus.subscribe('*', () => {}, { signal }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await Promise.all(held.slice(1).map((one) => one.unsubscribe()));
    abort.abort();
    await within('the end of the last', held[0]!.closed);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  test('that unsubscribes at once leaves nothing behind', async () => {
    const bus = await openTestBus({ shards: 3 });
    const subscriptions = Array.from({ length: 100 }, (_, n) =>
      bus.subscribe(`t.${n % 3}`, { from: n % 2 ? 'earliest' : 'now' }),
    );
    await within(
      'all unsubscribed',
      Promise.all(subscriptions.map((subscription) => subscription.unsubscribe())),
    );
    await nobodyLeft(bus);
  });

  test.each(['t.1', '*'])(
    'of %s that unsubscribes before it is ready stays where it was',
    async (filter) => {
      const bus = await openTestBus({ shards: 3 });
      await publish(bus, 0, 60);
      const subscription = bus.subscribe(filter);
      await within('unsubscribed', subscription.unsubscribe());
      const { cursor } = subscription;
      await publish(bus, 60, 60);
      const missed = await bus.query({ topic: filter, after: cursor });
      expect(missed.map(({ payload }) => Number(payload) >= 60)).toEqual(
        Array(filter === '*' ? 60 : 10).fill(true),
      );
      expect(subscription.cursor).toBe(cursor);
    },
  );

  test(
    'property: any sequence of subscribe, update and unsubscribe leaves none behind',
    async () => {
      const step = fc.record({
        what: fc.constantFrom(
          'subscribe',
          'subscribe',
          'update',
          'unsubscribe',
          'break',
          'publish',
        ),
        which: fc.nat({ max: 20 }),
        filter: fc.oneof(patterns, filters),
        from: fc.constantFrom('now' as const, 'earliest' as const),
        wait: fc.boolean(),
      });
      const property = fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { minLength: 1, maxLength: 60 }),
        async (shards, steps) => {
          const dir = temporaryDirectory();
          const bus = await openTestBus({ dir, shards, ringBytes: 4096 });
          let open: Subscription[] = [];
          const doing: Promise<unknown>[] = [];
          for (const { what, which, filter, from, wait } of steps) {
            const chosen = open[which % Math.max(1, open.length)];
            let done: Promise<unknown> = Promise.resolve();
            if (what === 'subscribe') {
              const subscription = bus.subscribe(filter, () => {}, { from });
              open.push(subscription);
              done = subscription.ready;
            } else if (what === 'publish') done = publish(bus, 0, 1 + which);
            else if (chosen !== undefined && what === 'update') done = chosen.update(filter);
            else if (chosen !== undefined) {
              open = open.filter((one) => one !== chosen);
              done = what === 'break' ? chosen.drain() : chosen.unsubscribe();
            }
            // An update may find its subscription gone: refused, and that is right.
            const quiet = done.catch(() => undefined);
            doing.push(quiet);
            if (wait) await within(what, quiet);
          }
          await within('all steps', Promise.all(doing));
          const { subscriptions } = await bus.stats();
          expect(subscriptions).toBe(open.length);
          await within('the rest', Promise.all(open.map((one) => one.unsubscribe())));
          await nobodyLeft(bus);
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 15);
    },
    propertyTimeoutMs(15),
  );
});

describe('update', () => {
  test('changes the filter for the events from then on', async () => {
    const bus = await openTestBus({ shards: 2 });
    const collector = await Collector.start(bus, 't.0');
    await publish(bus, 0, 12);
    await collector.count(2);
    await collector.subscription.update(['t.1', 't.2']);
    await publish(bus, 12, 12);
    await collector.count(6);
    await within('drain', bus.drain());
    expect((collector.payloads as number[]).sort((a, b) => a - b)).toEqual([0, 6, 13, 14, 19, 20]);
    expect(await bus.subscribers('t.0')).toEqual([]);
    expect(await bus.subscribers('t.1')).toHaveLength(1);
  });

  test('to a malformed filter is refused, and the old filter stays', async () => {
    const bus = await openTestBus({ shards: 2 });
    const collector = await Collector.start(bus, 't.0');
    await expect(collector.subscription.update('a..b')).rejects.toMatchObject({
      code: 'PATTERN_INVALID',
    });
    await publish(bus, 0, 12);
    await collector.count(2);
  });

  test(
    'property: what both the old and the new filter match is never missed or repeated',
    async () => {
      const property = fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.subarray([1, 2, 3, 4, 5]), { minLength: 1, maxLength: 8 }),
        fc.constantFrom('now' as const, 'earliest' as const),
        fc.constantFrom(1, 20, 1000),
        fc.boolean(),
        async (shards, changes, from, maxBuffer, slow) => {
          const dir = temporaryDirectory();
          const bus = await openTestBus({ dir, shards, ringBytes: 8192 });
          const hold = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
          const collector = await Collector.start(bus, ['t.0', 't.1'], {
            from,
            maxBuffer,
            ...(slow && { hold }),
          });
          const publishing: Promise<void>[] = [];
          let published = 0;
          for (const topics of changes) {
            publishing.push(publish(bus, published, 90));
            published += 90;
            await collector.subscription.update(['t.0', ...topics.map((n) => `t.${n}`)]);
          }
          await Promise.all(publishing);
          const all = await gather(bus.read({ topic: '*' }));
          const always = all.filter((event) => matchesFilter({ topics: ['t.0'] }, event));
          const seen = (): Event[] => collector.events.filter(({ topic }) => topic === 't.0');
          await until('all of t.0', () => seen().length >= always.length);
          await within('drain', bus.drain());
          expect(seen()).toEqual(always);
          expectTopicOrder(collector.events, 'updated');
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 12);
    },
    propertyTimeoutMs(12),
  );
});
