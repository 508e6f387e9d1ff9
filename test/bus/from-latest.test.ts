import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Event, EventInput } from '../../src/protocol/event.js';
import { Collector } from './support/collector.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { holds, propertyTimeoutMs } from './support/properties.js';
import { RemoteEndpoint } from './support/remote-endpoint.js';
import { until } from './support/wait.js';

/** `from: 'latest'`: the newest event of each topic, and then everything behind them. */
const event = (topic: string, n: number, more: Partial<EventInput> = {}): EventInput => ({
  topic,
  type: 'state_updated',
  payload: n,
  ...more,
});

/** Scatters numbers over topics. */
const topicOf = (n: number, topics: number) => `t.${(Math.imul(n, 0x9e3779b1) >>> 8) % topics}`;

const shown = (events: readonly Event[]) => events.map(({ topic, payload }) => [topic, payload]);

describe("a subscription from 'latest'", () => {
  test('begins with one event of each topic, and goes on live', async () => {
    const bus = await openTestBus({ shards: 1 });
    await bus.publishMany([event('a.1', 1), event('a.2', 2), event('b', 3), event('a.1', 4)]);
    const seen = await Collector.start(bus, 'a.*', { from: 'latest' });
    await bus.publishMany([event('a.2', 5), event('a.3', 6), event('a.2', 7)]);
    await seen.count(5);
    expect(shown(seen.events)).toEqual([
      ['a.2', 2],
      ['a.1', 4],
      ['a.2', 5],
      ['a.3', 6],
      ['a.2', 7],
    ]);
    expect(seen.gaps).toEqual([]);
    expect(seen.caughtUp).toHaveLength(1);
  });

  test('chooses among the newest events by its filter', async () => {
    const bus = await openTestBus({ shards: 2 });
    await bus.publishMany([
      event('a', 1, { source: 'ada' }),
      event('a', 2, { source: 'bob' }),
      event('b', 3, { source: 'ada' }),
    ]);
    const filter = { topics: ['*'], sources: ['ada'] };
    const seen = await Collector.start(bus, filter, { from: 'latest' });
    // The topics lie in different shards, which do not wait for each other.
    await seen.count(1);
    await bus.publish(event('a', 4, { source: 'ada' }));
    await seen.count(2);
    expect(shown(seen.events)).toEqual([
      ['b', 3],
      ['a', 4],
    ]);
  });

  test('that has had nothing yet can be resumed, and misses nothing', async () => {
    const bus = await openTestBus({ shards: 2 });
    await bus.publishMany(Array.from({ length: 90 }, (_, n) => event(`t.${n % 9}`, n)));
    const stuck = new Promise<void>(() => {});
    const first = await Collector.start(bus, '*', { from: 'latest', hold: () => stuck });
    const { cursor } = first.subscription;
    void first.subscription.unsubscribe();
    const second = await Collector.start(bus, '*', { from: { after: cursor } });
    await second.count(9);
    expect(second.payloads.sort((a, b) => Number(a) - Number(b))).toEqual([
      81, 82, 83, 84, 85, 86, 87, 88, 89,
    ]);
  });

  test.each([1, 3, 10])(
    'whose filter changes amid the newest events goes on behind what it has had, with window %i',
    async (maxBuffer) => {
      const bus = await openTestBus({ shards: 1 });
      const pairs = 400;
      const names = Array.from({ length: pairs }, (_, n) => [`a.${n}`, `b.${n}`]).flat();
      await bus.publishMany(names.map((topic) => event(topic, 0)));
      await bus.publishMany(names.map((topic, n) => event(topic, n)));
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      let isHeld = false;
      const hold = () => {
        isHeld = true;
        return held;
      };
      const options = { from: 'latest', maxBuffer, hold } as const;
      const seen = new Collector(bus, 'a.*', options);
      await seen.subscription.ready;
      await until('the first is in hand', () => isHeld);
      await seen.subscription.update('b.*');
      release();
      await bus.publishMany([event('b.0', 1000), event('a.0', 1001), event('b.1', 1002)]);
      await until('the last has come', () => seen.payloads.at(-1) === 1002);
      const all = seen.payloads.map(Number);
      // In the order of the log, so nothing comes twice.
      expect(all).toEqual([...all].sort((one, other) => one - other));
      expect(new Set(all).size).toBe(all.length);
      const ofNew = all.filter((n) => n < 1000 && n % 2 === 1);
      const ofOld = all.filter((n) => n < 1000 && n % 2 === 0);
      // What was on its way may come; then all of the new filter, from the first behind it on.
      expect(ofOld.length).toBeLessThan(pairs);
      const last = ofOld.at(-1)!;
      const behind = Array.from({ length: pairs }, (_, n) => 2 * n + 1).filter((n) => n > last);
      expect(ofNew).toEqual(behind);
      expect(all.filter((n) => n >= 1000)).toEqual([1000, 1002]);
    },
  );

  test('is refused to a durable consumer', async () => {
    const bus = await openTestBus({ shards: 1 });
    const making = bus.consumer('mailer', { filter: '*', from: 'latest' });
    await expect(making).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  test('is the same in an attached worker', async () => {
    const bus = await openTestBus({ shards: 2 });
    await bus.publishMany(Array.from({ length: 3000 }, (_, n) => event(`t.${n % 700}`, n)));
    const worker = await RemoteEndpoint.attach(bus);
    await worker.subscribe('all', 't.*', { from: 'latest', maxBuffer: 10 });
    await bus.publish(event('t.1', 9999));
    await worker.count('all', 701);
    expect(worker.received('all')).toHaveLength(701);
    await worker.terminate();
  });

  const plan = fc.record({
    shards: fc.integer({ min: 1, max: 3 }),
    topics: fc.integer({ min: 1, max: 60 }),
    before: fc.nat(400),
    during: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 12 }),
    maxBuffer: fc.integer({ min: 1, max: 40 }),
    resumeAfter: fc.nat(80),
    slow: fc.boolean(),
  });

  test(
    'equals a map of the newest events and what was published since, however slow, and goes on behind its cursor',
    async () => {
      await holds(
        fc.asyncProperty(plan, async ({ shards, topics, before, during, maxBuffer, ...how }) => {
          const dir = temporaryDirectory();
          const bus = await openTestBus({ dir, shards });
          let n = 0;
          const inputs = (count: number) =>
            Array.from({ length: count }, () => event(topicOf(n, topics), n++));
          const stored: Event[] = [];
          await bus.publishMany(inputs(before));
          const publishing = (async () => {
            for (const count of during) await bus.publishMany(inputs(count));
          })();
          const hold = how.slow ? () => new Promise<void>((done) => setImmediate(done)) : undefined;
          const options = { maxBuffer, ...(hold && { hold }) };
          const first = new Collector(bus, 't.*', { from: 'latest', ...options });
          await first.subscription.ready;
          const known = new Set(Array.from({ length: before }, (_, at) => topicOf(at, topics)))
            .size;
          const goal = Math.min(how.resumeAfter, known);
          await first.count(goal);
          await first.subscription.unsubscribe();
          const { cursor } = first.subscription;
          const second = new Collector(bus, 't.*', { from: { after: cursor }, ...options });
          await publishing;
          await bus.drain();
          for await (const one of bus.read({ topic: 't.*' })) stored.push(one);
          const key = ({ shard, sequence }: Event) => `${shard}:${sequence}`;
          // The event in hand when the first one ended may not have been consumed. Then it comes again, alone.
          const inHand = first.events.at(-1);
          const isRepeated =
            how.slow && inHand && second.events.some((one) => key(one) === key(inHand));
          const seen = [
            ...(isRepeated ? first.events.slice(0, -1) : first.events),
            ...second.events,
          ];
          const keys = seen.map(key);
          expect(new Set(keys).size, 'no event twice').toBe(keys.length);
          // Everything from the newest event of each topic on was seen, in the order of its topic.
          for (const topic of new Set(stored.map((one) => one.topic))) {
            const of = (events: readonly Event[]) =>
              events.filter((one) => one.topic === topic).map(({ payload }) => payload);
            const [all, got] = [of(stored), of(seen)];
            expect(got.length, topic).toBeGreaterThan(0);
            expect(got).toEqual(all.slice(all.length - got.length));
            if (during.length === 0) expect(of(first.events).length).toBeLessThanOrEqual(1);
          }
          await second.subscription.unsubscribe();
          await closeTestBus(bus, dir);
        }),
        10,
      );
    },
    propertyTimeoutMs(10),
  );
});
