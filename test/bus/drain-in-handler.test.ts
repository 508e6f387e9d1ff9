import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { BusApi, Subscription } from '../../src/protocol/bus-api.js';
import type { BusError } from '../../src/protocol/errors.js';
import { connectTo } from '../client/support/millrace-client.js';
import { openTestBus } from './support/open.js';
import { Gate, until, within } from './support/wait.js';

/** A `drain()` that a handler awaits would wait for the handler, which waits for the drain, for ever. */

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const MOMENTS: readonly (readonly [string, () => Promise<void> | undefined])[] = [
  ['at once', () => undefined],
  ['after it has awaited something', turn],
  ['after a timer', () => new Promise((resolve) => setTimeout(resolve, 1))],
];

type Drain = () => Promise<void>;
const later = async (drain: Drain): Promise<void> => {
  await turn();
  await drain();
};
/** How a handler may wait for a call that is not its own. */
const DETOURS: Record<string, (drain: Drain) => Promise<unknown>> = {
  'a function of its own': later,
  'one of several': (drain) => Promise.all([turn(), later(drain)]),
  'the first of several': (drain) => Promise.race([later(drain), new Promise(() => {})]),
  'a chain without await': (drain) => turn().then(turn).then(drain),
  'a loop': async (drain) => {
    for await (const _ of [turn()]) await drain();
  },
  'a promise that is made by hand': (drain) =>
    new Promise<void>((resolve, reject) => void turn().then(drain).then(resolve, reject)),
};

/** How a handler may start a drain that it leaves to itself. */
const STARTS: Record<string, (drain: Drain) => Promise<void>> = {
  'by itself': (drain) => drain(),
  'in a function of its own': later,
  'in a function that is called at once': async (drain) => drain(),
};

const input = (payload: number, topic = 'a') => ({ topic, type: 't', payload });

/** Calls `act` in the handler of the first event, and says what became of it, and what was seen. */
async function inHandler(
  bus: Bus,
  endpoint: BusApi,
  before: () => Promise<void> | undefined,
  act: (subscription: Subscription<number>) => Promise<unknown>,
): Promise<{ told: string; seen: number[]; subscription: Subscription<number> }> {
  const seen: number[] = [];
  let tell!: (outcome: string) => void;
  const told = new Promise<string>((resolve) => {
    tell = resolve;
  });
  const subscription: Subscription<number> = endpoint.subscribe<number>('a', async (event) => {
    seen.push(event.payload);
    if (event.payload !== 1) return;
    const waited = before();
    if (waited !== undefined) await waited;
    tell(
      await act(subscription).then(
        () => 'done',
        (error: BusError) => error.code,
      ),
    );
  });
  await subscription.ready;
  await bus.publishMany([1, 2, 3].map((payload) => input(payload)));
  return { told: await within('the answer', told), seen, subscription };
}

const places: Record<string, (bus: Bus) => Promise<BusApi>> = {
  bus: async (bus) => bus,
  client: async (bus) => connectTo((await bus.serve({ port: 0 })).url).client,
};

describe.each(Object.keys(places))('in a handler of a %s', (place) => {
  for (const [moment, before] of MOMENTS) {
    test(`both drains called ${moment} are refused, and all goes on`, async () => {
      const bus = await openTestBus({ shards: 2 });
      const endpoint = await places[place]!(bus);
      const drains = [() => endpoint.drain(), (one: Subscription<number>) => one.drain()];
      for (const drain of drains) {
        const { told, seen, subscription } = await inHandler(bus, endpoint, before, drain);
        expect(told).toBe('DRAIN_IN_HANDLER');
        // Refused before anything was done: the subscription takes what comes, until it is drained from outside.
        await bus.publish(input(4));
        await until('the fourth', () => seen.length === 4);
        await within('the end', subscription.drain());
        expect(seen).toEqual([1, 2, 3, 4]);
      }
    });
  }

  test.each(Object.keys(DETOURS))('a drain awaited by %s is refused', async (detour) => {
    const bus = await openTestBus({ shards: 1 });
    const endpoint = await places[place]!(bus);
    const act = (): Promise<unknown> => DETOURS[detour]!(() => endpoint.drain());
    const { told } = await inHandler(bus, endpoint, turn, act);
    expect(told).toBe('DRAIN_IN_HANDLER');
  });

  test.each(Object.keys(STARTS))(
    'a drain that it starts %s and does not await waits for the handler',
    async (way) => {
      const bus = await openTestBus({ shards: 1 });
      const endpoint = await places[place]!(bus);
      let drained: Promise<string> | undefined;
      const act = async (): Promise<void> => {
        drained = STARTS[way]!(() => endpoint.drain()).then(
          () => 'drained',
          (error: BusError) => error.code,
        );
        await turn();
      };
      const { told, seen } = await inHandler(bus, endpoint, turn, act);
      expect(told).toBe('done');
      expect(await within('the drain', drained!)).toBe('drained');
      // A client's drain waits for what has arrived.
      await until('the others', () => seen.length === 3);
      expect(seen).toEqual([1, 2, 3]);
    },
  );

  test('both drains are refused when it begins to await them later', async () => {
    const bus = await openTestBus({ shards: 1 });
    const endpoint = await places[place]!(bus);
    const drains = [() => endpoint.drain(), (one: Subscription<number>) => one.drain()];
    for (const drain of drains) {
      const act = async (one: Subscription<number>): Promise<void> => {
        const drained = drain(one);
        for (let turns = 0; turns < 5; turns++) await turn();
        await drained;
      };
      const { told, subscription } = await inHandler(bus, endpoint, turn, act);
      expect(told).toBe('DRAIN_IN_HANDLER');
      await within('the end', subscription.unsubscribe());
    }
  });

  test('unsubscribing and closing are allowed', async () => {
    const bus = await openTestBus({ shards: 2 });
    const endpoint = await places[place]!(bus);
    const none = (): undefined => undefined;
    const left = await inHandler(bus, endpoint, none, (one) => one.unsubscribe());
    expect([left.told, left.seen]).toEqual(['done', [1]]);
    // It has ended, and is waited for no more.
    const after = await inHandler(bus, endpoint, none, async (one) => {
      await one.unsubscribe();
      await one.drain();
    });
    expect(after.told).toBe('done');
    expect((await inHandler(bus, endpoint, none, () => endpoint.close())).told).toBe('done');
  });

  test('draining another subscription is allowed', async () => {
    const bus = await openTestBus({ shards: 2 });
    const endpoint = await places[place]!(bus);
    const other = endpoint.subscribe('b', () => {});
    await other.ready;
    const { told } = await inHandler(
      bus,
      endpoint,
      () => undefined,
      () => other.drain(),
    );
    expect(told).toBe('done');
  });

  test('a handler that has begun to drain another subscription ends by itself', async () => {
    const bus = await openTestBus({ shards: 2 });
    const endpoint = await places[place]!(bus);
    const gate = new Gate();
    const outer = endpoint.subscribe('b', () => {
      const inner = endpoint.subscribe('a', () => void outer.drain().then(() => gate.open()));
      return inner.ready;
    });
    await outer.ready;
    await bus.publish(input(1, 'b'));
    await until('the inner one', async () => (await endpoint.subscribers('a')).length > 0);
    await bus.publish(input(1));
    await within('the outer one has ended', gate.opened);
  });
});
