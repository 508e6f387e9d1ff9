import { expect, test } from 'vitest';
import { controls } from './support/millrace.js';
import { openTestBus } from './support/open.js';
import { until, within } from './support/wait.js';

/**
 * So many small subscriptions to one topic that a few events make more credit than the way to the shard holds at once.
 */
const SUBSCRIPTIONS = 3000;
const EVENTS_PER_ROUND = 16;

const inputs = (topic: string, count: number, pad: number) =>
  Array.from({ length: count }, () => ({ topic, type: 't', payload: 'x'.repeat(pad) }));

async function openCrowded() {
  const bus = await openTestBus({ shards: 1, systemEvents: false });
  const got = new Int32Array(SUBSCRIPTIONS);
  const all = Array.from({ length: SUBSCRIPTIONS }, (_, n) =>
    bus.subscribe(
      'crowd',
      () => {
        got[n]!++;
      },
      { maxBuffer: 1 },
    ),
  );
  await within('all subscriptions', Promise.all(all.map(({ ready }) => ready)));
  const allHave = (count: number): boolean => got.every((n) => n === count);
  return { bus, allHave };
}

test('thousands of small subscriptions to one topic go on after the shard is killed while their credit is in flight', async () => {
  const { bus, allHave } = await openCrowded();
  await within('acks', bus.publishMany(inputs('crowd', EVENTS_PER_ROUND, 1)));
  const killed = controls(bus).killShard(0);
  await until('the first events', () => allHave(EVENTS_PER_ROUND));
  await killed;
  await within('acks', bus.publishMany(inputs('crowd', EVENTS_PER_ROUND, 1)));
  await until('the events after the kill', () => allHave(2 * EVENTS_PER_ROUND));
  expect((await bus.stats()).shards[0]!.restarts).toBe(1);
});
