import { test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import { openTestBus } from './support/open.js';
import { until } from './support/wait.js';

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

test('an event reaches all subscriptions that its publisher made before, also those that found no room', async () => {
  const bus = await openTestBus({ dir: ':memory:', shards: 1 });
  // The shard takes longer for these patterns than the calls are apart, so that the ring of the calls is full.
  const others = Array.from({ length: 60 }, (_, n) => `other.+.${n}.*`);
  const handled = callsAtOnce(bus, 0, 2000, others);
  await until('all subscriptions have it', () => handled() === 2000);
});
