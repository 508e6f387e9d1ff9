import { expect, test } from 'vitest';
import type * as internals from '../../src/endpoint/internals.js';
import type { Bus } from '../../src/main/bus.js';
import { openTestBus } from './support/open.js';
import { until } from './support/wait.js';

const { internalsOf }: typeof internals = await import(
  new URL('../../dist/endpoint/internals.js', import.meta.url).href
);

/** Makes subscriptions and publishes at once, without waiting for anything. */
function callsAtOnce(bus: Bus, round: number, subscriptions: number, others: string[] = []) {
  let handled = 0;
  const topic = `round.${round}`;
  for (let n = 0; n < subscriptions; n++) bus.subscribe([topic, ...others], () => void handled++);
  void bus.publish({ topic, type: 'chat_message', payload: round }, { durability: 'written' });
  return () => handled;
}

test('an event reaches a subscription that its publisher made before, though neither was awaited', async () => {
  const bus = await openTestBus({ dir: ':memory:', shards: 1 });
  const rounds = Array.from({ length: 2000 }, (_, round) => callsAtOnce(bus, round, 1));
  await until('all events are handled', () => rounds.every((handled) => handled() === 1));
});

/** The shard takes longer for these patterns than calls are apart, so that the ring of the calls gets full. */
const OTHERS = Array.from({ length: 60 }, (_, n) => `other.+.${n}.*`);

test('an event reaches all subscriptions that its publisher made before, also those that found no room', async () => {
  const bus = await openTestBus({ dir: ':memory:', shards: 1 });
  const handled = callsAtOnce(bus, 0, 2000, OTHERS);
  await until('all subscriptions have it', () => handled() === 2000);
});

test('drained resolves when tryPublish may succeed, also where it waits for calls that found no room', async () => {
  const bus = await openTestBus({ dir: ':memory:', shards: 1 });
  let handled = 0;
  const subscriptions = 2000;
  for (let n = 0; n < subscriptions; n++) bus.subscribe(['t', ...OTHERS], () => void handled++);
  let tries = 1;
  while (!bus.tryPublish({ topic: 't', type: 'chat_message', payload: 0 })) {
    // If this resolved at once, the loop would leave no time for the calls to be sent.
    await bus.drained();
    expect(++tries).toBeLessThan(100);
  }
  expect(tries).toBeGreaterThan(1);
  await until('all subscriptions have it', () => handled === subscriptions);
});

test('an event of the bus is not lost because calls have found no room', async () => {
  const bus = await openTestBus({ dir: ':memory:', shards: 1 });
  const told: string[] = [];
  await bus.subscribe('$sys.test', ({ type }) => void told.push(type)).ready;
  const subscriptions = Array.from({ length: 2000 }, () =>
    bus.subscribe(['t', ...OTHERS], () => {}),
  );
  expect(bus.tryPublish({ topic: 't', type: 'chat_message', payload: 0 })).toBe(false);
  internalsOf(bus)!.publishSystem('$sys.test', 'was_told', {});
  await until('the event has come', () => told.length > 0);
  expect(told).toEqual(['was_told']);
  await Promise.all(subscriptions.map(({ ready }) => ready));
});
