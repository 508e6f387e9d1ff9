import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import { Collector, gather } from './support/collector.js';
import { controls } from './support/millrace.js';
import { openTestBus } from './support/open.js';
import { within } from './support/wait.js';

/**
 * Publishes and filters that are each too long for a ring. Both travel beside the rings of one link, in the same
 * direction, at the same time.
 */
const PAD = 'x'.repeat(700_000);
const FILTER = Array.from({ length: 1000 }, (_, n) => `some.quite.long.topic.of.a.filter.n${n}`);

/** Keeps the shard busy for a moment, so that what comes next reaches it in one turn of its loop. */
function busy(bus: Bus): Promise<unknown> {
  return bus.publishMany(
    Array.from({ length: 2000 }, (_, n) => ({ topic: `busy.${n}`, type: 't', payload: n })),
  );
}

const publishLarge = (bus: Bus, n: number) =>
  bus.publish({ topic: 'large', type: 't', payload: { n, pad: PAD } });

describe.each(['publish', 'subscribe'] as const)(
  'a long publish and a long filter, %s first',
  (first) => {
    test('are both taken', async () => {
      const bus = await openTestBus({ dir: ':memory:', shards: 1 });
      for (let n = 0; n < 3; n++) {
        const many = busy(bus);
        const early = first === 'publish' ? publishLarge(bus, n) : undefined;
        const subscription = bus.subscribe({ topics: FILTER }, () => {});
        await within('the ack', early ?? publishLarge(bus, n));
        await within('the subscription', subscription.ready);
        await many;
        await within('the end of the subscription', subscription.unsubscribe());
      }
    });

    test('are both taken if the shard is killed while they are in flight', async () => {
      const bus = await openTestBus({ shards: 1 });
      const live = await Collector.start(bus, 'large', { maxBuffer: 1 });
      const rounds = 4;
      for (let n = 0; n < rounds; n++) {
        const many = busy(bus);
        const early = first === 'publish' ? publishLarge(bus, n) : undefined;
        const subscription = bus.subscribe({ topics: FILTER }, () => {});
        const late = early ?? publishLarge(bus, n);
        const killed = controls(bus).killShard(0);
        await within('the ack', late);
        await within('the subscription', subscription.ready);
        await killed;
        await many;
        await within('the end of the subscription', subscription.unsubscribe());
      }
      await live.count(rounds);
      const numbers = live.events.map(({ payload }) => (payload as { n: number }).n);
      expect(numbers).toEqual(Array.from({ length: rounds }, (_, n) => n));
      expect(await gather(bus.read({ topic: 'large' }))).toHaveLength(rounds);
    });
  },
);
