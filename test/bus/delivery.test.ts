import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Bus, BusOptions } from '../../src/main/bus.js';
import type { EventInput, PublishAck } from '../../src/protocol/event.js';
import type { FilterData } from '../../src/protocol/filter.js';
import {
  busOptions,
  filters,
  payloadOf,
  payloadSizes,
  topics as topicArbitrary,
} from './support/arbitraries.js';
import { Collector, gather } from './support/collector.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { expectSameHistory, expectWithoutHoles, matchesFilter, stored } from './support/oracle.js';
import { holds, propertyTimeoutMs } from './support/properties.js';
import { RemoteEndpoint } from './support/remote-endpoint.js';
import { within } from './support/wait.js';

/**
 * The main promise, on random buses with random interleavings: every subscriber gets every matching event
 * once, each topic's in sequence order, and a replay, now and after a restart, says the same.
 */
type How = 'each' | 'many' | 'try' | 'worker' | 'workerTry' | 'awaited';

interface Burst {
  readonly how: How;
  readonly durability: 'synced' | 'written';
  readonly events: readonly (readonly [topic: number, size: number])[];
}

interface Scenario {
  readonly options: BusOptions & { ringBytes: number };
  readonly topics: readonly string[];
  readonly subscribers: readonly Subscriber[];
  readonly bursts: readonly Burst[];
}

interface Subscriber {
  readonly filter: FilterData;
  readonly maxBuffer: number;
  /** In how many of a hundred events the handler first yields its thread. */
  readonly slow: number;
}

const subscribers = fc.array(
  fc.record({
    filter: fc.oneof(fc.constant('*'), filters),
    maxBuffer: fc.constantFrom(1, 3, 50, 1000),
    slow: fc.constantFrom(0, 0, 5, 60),
  }),
  { minLength: 1, maxLength: 5 },
);

const scenarios: fc.Arbitrary<Scenario> = busOptions.chain((options) =>
  fc.record({
    options: fc.constant(options),
    topics: fc.uniqueArray(topicArbitrary, { minLength: 1, maxLength: 12 }),
    subscribers,
    bursts: fc.array(
      fc.record({
        how: fc.constantFrom<How>('each', 'many', 'try', 'worker', 'workerTry', 'awaited'),
        durability: fc.constantFrom('synced', 'written'),
        events: fc.array(
          fc.tuple(fc.nat(1000), payloadSizes(Math.min(options.ringBytes, 65_536))),
          {
            minLength: 1,
            maxLength: 150,
          },
        ),
      }),
      { minLength: 1, maxLength: 8 },
    ),
  }),
);

describe('every subscriber', () => {
  test(
    'property: gets every published event once and in order, as does every replay',
    async () => {
      await holds(fc.asyncProperty(scenarios, play), 15);
    },
    propertyTimeoutMs(15),
  );
});

async function play(scenario: Scenario): Promise<void> {
  const dir = temporaryDirectory();
  let bus = await openTestBus({ dir, ...scenario.options });
  const worker = scenario.bursts.some(({ how }) => how.startsWith('worker'))
    ? await RemoteEndpoint.attach(bus)
    : undefined;
  const live = await Promise.all(scenario.subscribers.map((one) => subscribe(bus, one)));
  const acks = await publishAll(bus, worker, scenario);
  await within('drain', bus.drain());
  const all = await gather(bus.read({ topic: '*' }));
  const published = scenario.bursts.reduce((sum, { events }) => sum + events.length, 0);
  expect(all).toHaveLength(published);
  expectNumbersInOrder(all);
  expectWithoutHoles(acks);
  const storedAcks = stored(acks);
  for (const ack of storedAcks) expect(ack.duplicate).toBe(false);
  await expectSubscribersAgree(scenario, live, all);
  const replay = await Collector.start(bus, '*', { from: 'earliest' });
  await replay.count(published);
  expectSameHistory(replay.events, all, 'replay');
  expect(live[0]!.subscription.dropped).toBe(0);
  await worker?.terminate();
  await closeTestBus(bus);
  bus = await openTestBus({ dir });
  const reopened = await gather(bus.read({ topic: '*' }));
  expect(sorted(reopened)).toEqual(sorted(all));
  await closeTestBus(bus, dir);
}

function subscribe(bus: Bus, { filter, maxBuffer, slow }: Subscriber): Promise<Collector> {
  let turn = 0;
  const hold = (): Promise<void> | undefined =>
    turn++ % 100 < slow ? new Promise((resolve) => setImmediate(resolve)) : undefined;
  return Collector.start(bus, filter, { maxBuffer, ...(slow > 0 && { hold }) });
}

async function publishAll(
  bus: Bus,
  worker: RemoteEndpoint | undefined,
  scenario: Scenario,
): Promise<PublishAck[]> {
  const waiting: Promise<PublishAck[]>[] = [];
  let n = 0;
  for (const { how, durability, events } of scenario.bursts) {
    const inputs = events.map(([topic, size]) => ({
      topic: scenario.topics[topic % scenario.topics.length]!,
      type: 'agent_log',
      payload: payloadOf(n++, size),
    }));
    const outcome = publishBurst(bus, worker, how, inputs, durability);
    // A failure is handled below, and must not be reported as unhandled before.
    outcome.catch(() => undefined);
    waiting.push(outcome);
    if (how === 'awaited') await within('a burst', outcome);
  }
  return (await within('all bursts', Promise.all(waiting))).flat();
}

async function publishBurst(
  bus: Bus,
  worker: RemoteEndpoint | undefined,
  how: How,
  inputs: EventInput[],
  durability: 'synced' | 'written',
): Promise<PublishAck[]> {
  const options = { durability };
  switch (how) {
    case 'many':
      return bus.publishMany(inputs, options);
    case 'worker':
      return worker!.publishEach(inputs, options);
    case 'workerTry':
      await worker!.tryPublishEach(inputs, options);
      await worker!.drain();
      return withoutAcks(bus, inputs);
    case 'try':
      for (const input of inputs) {
        while (!bus.tryPublish(input, options)) await bus.drained();
      }
      await bus.drain();
      return withoutAcks(bus, inputs);
    default:
      return Promise.all(inputs.map((input) => bus.publish(input, options)));
  }
}

/** The acks of events published without a promise, made from the log. */
async function withoutAcks(bus: Bus, inputs: readonly EventInput[]): Promise<PublishAck[]> {
  const wanted = new Set(inputs.map(({ payload }) => (payload as { n: number }).n));
  const acks: PublishAck[] = [];
  for await (const event of bus.read<{ n: number }>({ topic: '*' })) {
    if (!wanted.has(event.payload.n)) continue;
    const { id, topic, shard, sequence } = event;
    acks.push({ id, topic, shard, sequence: sequence!, durability: 'synced', duplicate: false });
  }
  expect(acks).toHaveLength(inputs.length);
  return acks;
}

/** Every number was stored once, with the payload it was given. */
function expectNumbersInOrder(all: readonly { payload: unknown }[]): void {
  const numbers = (all as { payload: { n: number } }[]).map(({ payload }) => payload.n);
  expect(numbers.sort((a, b) => a - b)).toEqual(numbers.map((_, index) => index));
}

async function expectSubscribersAgree(
  scenario: Scenario,
  live: readonly Collector[],
  all: Awaited<ReturnType<Bus['query']>>,
): Promise<void> {
  for (const [index, { filter }] of scenario.subscribers.entries()) {
    const whole = typeof filter === 'string' ? { topics: [filter] } : filter;
    const expected = all.filter((event) =>
      matchesFilter('topics' in whole ? whole : { topics: [...whole] }, event),
    );
    await live[index]!.count(expected.length);
    expectSameHistory(live[index]!.events, expected, `subscriber ${index}`);
    expect(sorted(live[index]!.events)).toEqual(sorted(expected));
  }
}

function sorted<E extends { shard: number; sequence?: number }>(events: readonly E[]): E[] {
  return [...events].sort((a, b) => a.shard - b.shard || a.sequence! - b.sequence!);
}
