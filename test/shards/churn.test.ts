import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { Subscription } from '../../src/protocol/bus-api.js';
import type { PublishAck } from '../../src/protocol/event.js';
import type { SubscribeFrom } from '../../src/protocol/subscribe-from.js';
import { Collector, gather } from '../bus/support/collector.js';
import { controls } from '../bus/support/millrace.js';
import { closeTestBus, openTestBus, temporaryDirectory } from '../bus/support/open.js';
import { expectSameHistory } from '../bus/support/oracle.js';
import { holds, propertyTimeoutMs } from '../bus/support/properties.js';
import { RemoteEndpoint } from '../bus/support/remote-endpoint.js';
import { until, within } from '../bus/support/wait.js';

/** Changes while shards die: subscriptions come and go, filters are updated, workers attach. */
const TOPICS = ['t.0', 't.1', 't.2', 't.3', 't.4'];

const inputs = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({
    topic: TOPICS[(first + index) % TOPICS.length]!,
    type: 'worker_progress',
    payload: { n: first + index, pad: 'x'.repeat((first + index) % 53 === 0 ? 5000 : 10) },
  }));

type Step = 'subscribe' | 'update' | 'unsubscribe' | 'drain' | 'kill' | 'attach' | 'terminate';

interface Move {
  readonly what: Step;
  readonly which: number;
  readonly topics: string[];
  readonly from: SubscribeFrom;
  readonly maxBuffer: number;
  readonly count: number;
  readonly wait: boolean;
}

const moves: fc.Arbitrary<Move[]> = fc.array(
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
    from: fc.constantFrom<SubscribeFrom>('now', 'earliest', { last: 20 }),
    maxBuffer: fc.constantFrom(1, 10, 1000),
    count: fc.nat({ max: 60 }),
    wait: fc.boolean(),
  }),
  { minLength: 3, maxLength: 30 },
);

/** One run: a bus, its open subscriptions and workers, and the changes that are not done yet. */
class Churn {
  readonly acks: Promise<PublishAck[]>[] = [];
  readonly doing: Promise<unknown>[] = [];
  published = 0;
  #workers: RemoteEndpoint[] = [];
  #open: Subscription[] = [];

  constructor(readonly bus: Bus) {}

  get open(): number {
    return this.#open.length + this.#workers.length;
  }

  async move(move: Move): Promise<void> {
    const { which, count } = move;
    const worker = this.#workers[which % Math.max(1, this.#workers.length)];
    const publisher = which % 2 && worker ? worker : this.bus;
    this.acks.push(publisher.publishMany(inputs(this.published, count)));
    this.published += count;
    const started = await this.#begin(move, worker);
    if (started === undefined) return;
    this.doing.push(started.end);
    if (move.wait) await within(move.what, started.end);
  }

  async endAll(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    await within('the end', Promise.all(this.#open.map((one) => one.unsubscribe())));
  }

  async #begin(
    { what, which, topics, from, maxBuffer }: Move,
    worker: RemoteEndpoint | undefined,
  ): Promise<Started | undefined> {
    const chosen = this.#open[which % Math.max(1, this.#open.length)];
    switch (what) {
      case 'kill':
        return held(controls(this.bus).killShard(which % this.bus.shards));
      case 'subscribe': {
        const subscription = this.bus.subscribe(topics, () => {}, { from, maxBuffer });
        this.#open.push(subscription);
        return held(subscription.ready);
      }
      case 'attach': {
        if (this.#workers.length === 2) return undefined;
        const attached = await RemoteEndpoint.attach(this.bus);
        this.#workers.push(attached);
        return held(attached.subscribe('all', topics, { from }));
      }
      case 'terminate':
        if (worker === undefined) return undefined;
        // The worker must get the answers to its publishes before it ends.
        await within('acks', Promise.all(this.acks));
        this.#workers = this.#workers.filter((one) => one !== worker);
        return held(worker.terminate());
      case 'update':
        return chosen && held(chosen.update(topics));
      default:
        this.#open = this.#open.filter((one) => one !== chosen);
        return chosen && held(what === 'drain' ? chosen.drain() : chosen.unsubscribe());
    }
  }
}

/** A promise in a box, which an async function can return without waiting for it. */
interface Started {
  readonly end: Promise<unknown>;
}

function held(promise: Promise<unknown>): Started {
  return { end: promise.catch(expectGone) };
}

describe('while shards die', () => {
  test(
    'property: subscriptions come, change and go, and in the end exactly the live ones are listed',
    async () => {
      const property = fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom(4096, 65_536),
        moves,
        async (shards, ringBytes, sequence) => {
          const dir = temporaryDirectory();
          const bus = await openTestBus({ dir, shards, ringBytes });
          const steady = await Collector.start(bus, '*', { maxBuffer: 5 });
          const churn = new Churn(bus);
          for (const move of sequence) await churn.move(move);
          await within('all steps', Promise.all(churn.doing));
          const acks = (await within('acks', Promise.all(churn.acks))).flat();
          await steady.count(churn.published);
          await within('drain', bus.drain());
          expectSameHistory(steady.events, acks, 'the steady one');
          expectSameHistory(await gather(bus.read({ topic: '*' })), acks, 'the log');
          await subscriptionsLeft(bus, 1 + churn.open);
          await churn.endAll();
          await subscriptionsLeft(bus, 1);
          for (const topic of TOPICS) expect(await bus.subscribers(topic)).toHaveLength(1);
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 8);
    },
    propertyTimeoutMs(8),
  );

  test('a subscription that reads a long history goes on from its position', async () => {
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

  test('reads and queries end and miss no event', async () => {
    const bus = await openTestBus({ shards: 2 });
    await bus.publishMany(inputs(0, 6000));
    const seen: number[] = [];
    for await (const event of bus.read<{ n: number }>({ topic: '*' })) {
      seen.push(event.payload.n);
      if (seen.length % 1500 === 0) await controls(bus).killShard(seen.length % 2);
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 6000 }, (_, n) => n));
  });

  test('drain waits for the work that the dying shard had left', async () => {
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

async function subscriptionsLeft(bus: Bus, count: number): Promise<void> {
  await until(`${count} subscriptions`, async () => (await bus.stats()).subscriptions === count);
}

/** Errors that a run may meet: a subscription has ended already, or a worker was ended before it answered. */
function expectGone(error: unknown): void {
  if (error instanceof Error && error.message === 'the worker is gone') return;
  expect(error).toMatchObject({ code: 'SUBSCRIPTION_UNKNOWN' });
}
