import { expect, test } from 'vitest';
import type * as internals from '../../src/endpoint/internals.js';
import type { Bus } from '../../src/main/bus.js';
import type { Event } from '../../src/protocol/event.js';
import { fillCommandRing } from './support/full-command-ring.js';
import { openTestBus } from './support/open.js';
import { until } from './support/wait.js';

const { internalsOf }: typeof internals = await import(
  new URL('../../dist/endpoint/internals.js', import.meta.url).href
);

/** Subscribes and publishes at once, without waiting for anything. */
function callsAtOnce(bus: Bus, round: number) {
  let handled = 0;
  const topic = `round.${round}`;
  bus.subscribe(topic, () => void handled++);
  void bus.publish({ topic, type: 'chat_message', payload: round }, { durability: 'written' });
  return () => handled;
}

test('an event reaches a subscription that its publisher made before, though neither was awaited', async () => {
  const bus = await openTestBus({ dir: ':memory:', shards: 1 });
  const rounds = Array.from({ length: 2000 }, (_, round) => callsAtOnce(bus, round));
  await until('all events are handled', () => rounds.every((handled) => handled() === 1));
});

/** Counts the events that are not the probes of `fillCommandRing`. */
function counter() {
  let handled = 0;
  const handler = ({ type }: Event): void => {
    if (type !== 'probe') handled++;
  };
  return { handler, handled: () => handled };
}

test('an event reaches all subscriptions that its publisher made before, also those that found no room', async () => {
  const bus = await openTestBus({ dir: ':memory:', shards: 1 });
  const { handler, handled } = counter();
  const { length } = fillCommandRing(bus, handler);
  void bus.publish({ topic: 't', type: 'chat_message', payload: 0 }, { durability: 'written' });
  await until('all subscriptions have it', () => handled() === length);
});

test('drained resolves when tryPublish may succeed, also where it waits for calls that found no room', async () => {
  const bus = await openTestBus({ dir: ':memory:', shards: 1 });
  const { handler, handled } = counter();
  const { length } = fillCommandRing(bus, handler);
  let tries = 1;
  while (!bus.tryPublish({ topic: 't', type: 'chat_message', payload: 0 })) {
    // If this resolved at once, the loop would leave no time for the calls to be sent.
    await bus.drained();
    expect(++tries).toBeLessThan(100);
  }
  expect(tries).toBeGreaterThan(1);
  await until('all subscriptions have it', () => handled() === length);
});

test('an event of the bus is not lost because calls have found no room', async () => {
  const bus = await openTestBus({ dir: ':memory:', shards: 1 });
  const told: string[] = [];
  await bus.subscribe('$sys.test', ({ type }) => void told.push(type)).ready;
  const subscriptions = fillCommandRing(bus);
  internalsOf(bus)!.publishSystem('$sys.test', 'was_told', {});
  await until('the event has come', () => told.length > 0);
  expect(told).toEqual(['was_told']);
  await Promise.all(subscriptions.map(({ ready }) => ready));
});
