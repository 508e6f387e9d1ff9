import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { OverflowPolicy } from '../../src/protocol/bus-api.js';
import { CREDIT_PER_BUFFERED_EVENT } from '../../src/protocol/limits/links.js';
import { Collector } from './support/collector.js';
import { controls } from './support/millrace.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { holds, propertyTimeoutMs } from './support/properties.js';
import { RemoteEndpoint } from './support/remote-endpoint.js';
import { Gate, until, within } from './support/wait.js';

/**
 * A subscriber that is slow or stuck changes nothing for the others: they get the same events, and a shard's loop
 * does not go round more often before they have them than the bound below allows.
 */
const POLICIES: readonly OverflowPolicy[] = [
  'catch-up',
  'drop-oldest',
  'drop-newest',
  'conflate',
  'disconnect',
];

/**
 * Turns that a shard may take until others have `count` events: one for each event (a batch of one), one for each
 * time that credit comes back or the shard wakes to look, and some for the endpoint's requests.
 */
const turnsMax = (count: number): number => 8 * count + 1000;

async function turnsToDeliver(bus: Bus, live: Collector, count: number): Promise<number> {
  const already = live.events.length;
  const before = controls(bus).shardTurns(0);
  const inputs = Array.from({ length: count }, (_, n) => ({
    topic: `t.${n % 3}`,
    type: 'chat_message',
    payload: already + n,
  }));
  await within('the acks', bus.publishMany(inputs));
  await live.count(already + count);
  return controls(bus).shardTurns(0) - before;
}

describe('a stuck subscriber', () => {
  test.each(POLICIES)('with %s delays no other subscriber and no publisher', async (overflow) => {
    const bus = await openTestBus({ shards: 1, ringBytes: 16_384 });
    const live = await Collector.start(bus, '*');
    const gate = new Gate();
    const stuck = await Collector.start(bus, '*', {
      overflow,
      maxBuffer: 5,
      hold: () => gate.opened,
    });
    // One with `disconnect` rejects: its policy, and no matter here.
    stuck.subscription.closed.catch(() => undefined);
    for (const count of [1, 500, 4000, 1]) {
      expect(await turnsToDeliver(bus, live, count)).toBeLessThanOrEqual(turnsMax(count));
    }
    expect(live.payloads).toEqual(live.events.map((_, n) => n));
    gate.open();
  });

  test('in another thread delays no other subscriber', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 16_384 });
    const live = await Collector.start(bus, '*');
    const worker = await RemoteEndpoint.attach(bus);
    await worker.subscribeStuck('stuck', '*', { maxBuffer: 5 });
    for (const count of [1, 3000, 1]) {
      expect(await turnsToDeliver(bus, live, count)).toBeLessThanOrEqual(turnsMax(count));
    }
    await worker.terminate();
  });

  test('whose thread blocks its event loop for ever delays no other subscriber', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 4096 });
    const live = await Collector.start(bus, 't.*');
    const worker = await RemoteEndpoint.attach(bus);
    await worker.subscribe('busy', '*', { maxBuffer: 1000 });
    await worker.subscribe('dropping', '*', { maxBuffer: 1000, overflow: 'drop-oldest' });
    const big = { topic: 'big', type: 'chat_message', payload: 'x'.repeat(3000) };
    await worker.spin([...Array(50).fill(big), ...Array(50).fill({ ...big, payload: 1 })]);
    for (const count of [1, 3000, 1]) {
      expect(await turnsToDeliver(bus, live, count)).toBeLessThanOrEqual(turnsMax(count));
    }
    await controls(bus).killShard(0);
    expect(await turnsToDeliver(bus, live, 500)).toBeLessThanOrEqual(turnsMax(500));
    await worker.terminate();
    await until('one subscription', async () => (await bus.stats()).subscriptions === 1);
    await turnsToDeliver(bus, live, 1);
  });

  test('that never reads its iterator delays no other subscriber, and uses little memory', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 16_384 });
    const live = await Collector.start(bus, '*');
    const never = bus.subscribe('*', { maxBuffer: 10 });
    await never.ready;
    expect(await turnsToDeliver(bus, live, 5000)).toBeLessThanOrEqual(turnsMax(5000));
    expect(never.pending).toBeLessThanOrEqual(10 * CREDIT_PER_BUFFERED_EVENT);
    await never.unsubscribe();
  });

  test(
    'property: with any policy leaves the others all their events, in order and in bounded turns',
    async () => {
      const stuck = fc.record({
        overflow: fc.constantFrom(...POLICIES),
        maxBuffer: fc.constantFrom(1, 10, 300),
        from: fc.constantFrom('now' as const, 'earliest' as const),
        after: fc.nat({ max: 50 }),
      });
      const property = fc.asyncProperty(
        fc.array(stuck, { minLength: 1, maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 1200 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(4096, 65_536),
        async (stuckOnes, counts, ringBytes) => {
          const dir = temporaryDirectory();
          const bus = await openTestBus({ dir, shards: 1, ringBytes });
          const gate = new Gate();
          const live = await Collector.start(bus, '*');
          for (const { after, ...options } of stuckOnes) {
            let taken = 0;
            const hold = (): Promise<void> | undefined =>
              taken++ < after ? undefined : gate.opened;
            const { subscription } = await Collector.start(bus, '*', { ...options, hold });
            subscription.closed.catch(() => undefined);
          }
          for (const count of counts) {
            const turns = await turnsToDeliver(bus, live, count);
            expect(turns).toBeLessThanOrEqual(turnsMax(count));
          }
          expect(live.payloads).toEqual(live.events.map((_, n) => n));
          gate.open();
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 10);
    },
    propertyTimeoutMs(10),
  );
});
