import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Subscription } from '../../src/main/bus.js';
import type { PublishAck } from '../../src/protocol/event.js';
import { Collector, gather } from '../bus/support/collector.js';
import { controls } from '../bus/support/millrace.js';
import { closeTestBus, openTestBus, temporaryDirectory } from '../bus/support/open.js';
import { expectSameHistory } from '../bus/support/oracle.js';
import { holds, propertyTimeoutMs } from '../bus/support/properties.js';
import { RemoteEndpoint } from '../bus/support/remote-endpoint.js';
import { until, within } from '../bus/support/wait.js';

/** Everything that changes, changed while shards die: subscriptions come and go, filters move, workers attach. */
const TOPICS = ['t.0', 't.1', 't.2', 't.3', 't.4'];

const inputs = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({
    topic: TOPICS[(first + index) % TOPICS.length]!,
    type: 'worker_progress',
    payload: { n: first + index, pad: 'x'.repeat((first + index) % 53 === 0 ? 5000 : 10) },
  }));

type Step = 'subscribe' | 'update' | 'unsubscribe' | 'drain' | 'kill' | 'attach' | 'terminate';

const steps = fc.array(
  fc.record({
    what: fc.constantFrom<Step>(
      'subscribe',
      'subscribe',
      'update',
      'unsubscribe',
      'drain',
      'kill',
      'kill',
      'attach',
      'terminate',
    ),
    which: fc.nat({ max: 20 }),
    topics: fc.subarray([...TOPICS, 't.*', '*'], { minLength: 1 }),
    from: fc.constantFrom('now' as const, 'earliest' as const, { last: 20 }),
    maxBuffer: fc.constantFrom(1, 10, 1000),
    count: fc.nat({ max: 60 }),
    wait: fc.boolean(),
  }),
  { minLength: 3, maxLength: 30 },
);

describe('while shards die', () => {
  test(
    'property: subscriptions may come, change and go, and in the end just those left are there',
    async () => {
      const property = fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom(4096, 65_536),
        steps,
        async (shards, ringBytes, sequence) => {
          const dir = temporaryDirectory();
          const bus = await openTestBus({ dir, shards, ringBytes });
          const steady = await Collector.start(bus, '*', { maxBuffer: 5 });
          const workers: RemoteEndpoint[] = [];
          let open: Subscription[] = [];
          const acks: Promise<PublishAck[]>[] = [];
          const doing: Promise<unknown>[] = [];
          let published = 0;
          for (const { what, which, topics, from, maxBuffer, count, wait } of sequence) {
            const worker = workers[which % Math.max(1, workers.length)];
            const publisher = which % 2 && worker ? worker : bus;
            acks.push(publisher.publishMany(inputs(published, count)));
            published += count;
            const chosen = open[which % Math.max(1, open.length)];
            let done: Promise<unknown> = Promise.resolve();
            if (what === 'kill') done = controls(bus).killShard(which % shards);
            else if (what === 'subscribe') {
              const subscription = bus.subscribe(topics, () => {}, { from, maxBuffer });
              open.push(subscription);
              done = subscription.ready;
            } else if (what === 'attach' && workers.length < 2) {
              const attached = await RemoteEndpoint.attach(bus);
              workers.push(attached);
              done = attached.subscribe('all', topics, { from });
            } else if (what === 'terminate' && worker !== undefined) {
              // Its publishes must be answered first, or it would take the answers along.
              await within('acks', Promise.all(acks));
              workers.splice(workers.indexOf(worker), 1);
              done = worker.terminate();
            } else if (chosen !== undefined && what === 'update') done = chosen.update(topics);
            else if (chosen !== undefined && (what === 'unsubscribe' || what === 'drain')) {
              open = open.filter((one) => one !== chosen);
              done = what === 'drain' ? chosen.drain() : chosen.unsubscribe();
            }
            const quiet = done.catch((error: unknown) => expectGone(error));
            doing.push(quiet);
            if (wait) await within(what, quiet);
          }
          await within('all steps', Promise.all(doing));
          const stored = (await within('acks', Promise.all(acks))).flat();
          await steady.count(published);
          await within('drain', bus.drain());
          expectSameHistory(steady.events, stored, 'the steady one');
          expectSameHistory(await gather(bus.read({ topic: '*' })), stored, 'the log');
          const expected = 1 + open.length + workers.length;
          await until(
            `${expected} subscriptions`,
            async () => (await bus.stats()).subscriptions === expected,
          );
          await Promise.all(workers.map((worker) => worker.terminate()));
          await within('the end', Promise.all(open.map((one) => one.unsubscribe())));
          await until('one left', async () => (await bus.stats()).subscriptions === 1);
          for (const topic of TOPICS) expect(await bus.subscribers(topic)).toHaveLength(1);
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 8);
    },
    propertyTimeoutMs(8),
  );

  test('a subscription that gets a long history goes on where it was', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: 16_384 });
    for (let first = 0; first < 16_000; first += 4000) await bus.publishMany(inputs(first, 4000));
    const collector = new Collector(bus, '*', { from: 'earliest', maxBuffer: 20 });
    for (const seen of [1, 3000, 9000, 15_000]) {
      await collector.count(seen);
      await controls(bus).killShard(seen % 2);
      await bus.publishMany(inputs(16_000 + seen, 100));
    }
    await collector.count(16_400);
    await within('drain', bus.drain());
    expectSameHistory(collector.events, await gather(bus.read({ topic: '*' })), 'history');
    expect(collector.gaps).toEqual([]);
  });

  test('a read and its queries come to their end, and miss nothing', async () => {
    const bus = await openTestBus({ shards: 2 });
    await bus.publishMany(inputs(0, 6000));
    const seen: number[] = [];
    for await (const event of bus.read<{ n: number }>({ topic: '*' })) {
      seen.push(event.payload.n);
      if (seen.length % 1500 === 0) await controls(bus).killShard(seen.length % 2);
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 6000 }, (_, n) => n));
  });

  test('drain waits for what the dying shard had still to do', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 4096 });
    let handled = 0;
    const subscription = bus.subscribe('*', async () => {
      await new Promise((resolve) => setImmediate(resolve));
      handled++;
    });
    await subscription.ready;
    const acks = bus.publishMany(inputs(0, 700));
    const killed = controls(bus).killShard(0);
    await within('drain', bus.drain());
    expect(await acks).toHaveLength(700);
    expect(handled).toBe(700);
    await killed;
  });
});

/** A change of what has ended already is refused so; a worker that was ended meanwhile gives no answer. */
function expectGone(error: unknown): void {
  if (error instanceof Error && error.message === 'the worker is gone') return;
  expect(error).toMatchObject({ code: 'SUBSCRIPTION_UNKNOWN' });
}
