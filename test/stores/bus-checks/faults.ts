import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { PublishAck } from '../../../src/protocol/event.js';
import type { HeldStore } from '../../../src/testing.js';
import { Collector, gather } from '../../bus/support/collector.js';
import { controls, openBus } from '../../bus/support/millrace.js';
import { expectSameHistory, expectWithoutHoles } from '../../bus/support/oracle.js';
import { holds, propertyTimeoutMs } from '../../bus/support/properties.js';
import { until, within } from '../../bus/support/wait.js';
import { connectTo } from '../../client/support/millrace-client.js';
import { expectKept, Load } from '../load.js';
import { type BusSubject, inputs, nodes, nodesAt, untilCounted } from './subject.js';
import { testIf } from './test-if.js';

const DEATHS = 3;
/** `late`: appends of this node are held back, on a store that can. */
const HARMS = ['kill', 'crash', 'late', 'nothing'] as const;

/** What goes on though threads, nodes or the broker end, or events are removed. */
export function faultChecks(subject: BusSubject): void {
  const { killRuns, keeping, mortal } = subject;

  testIf(killRuns > 0)(
    'property: lose and repeat nothing, however their shards are killed and crash',
    async () => {
      const step = fc.record({
        node: fc.nat({ max: 1 }),
        how: fc.constantFrom(...HARMS),
        count: fc.integer({ min: 1, max: 120 }),
      });
      const property = fc.asyncProperty(
        fc.constantFrom(4096, 65_536),
        fc.constantFrom(1, 20, 4096),
        fc.array(step, { minLength: 1, maxLength: 6 }),
        async (ringBytes, commitBatchEvents, steps) => {
          const place = subject.place(1);
          const options = { ringBytes, commitBatchEvents, publishWaitMs: 60_000, shards: 1 };
          const stores: Partial<HeldStore>[] = [];
          const buses: Bus[] = [];
          for (let n = 0; n < 2; n++) {
            const store = place.connect();
            stores.push(store);
            buses.push(await openBus({ ...options, store }));
          }
          const live = await Promise.all(
            buses.map((bus) => Collector.start(bus, '*', { maxBuffer: 30 })),
          );
          const waiting: Promise<PublishAck[]>[] = [];
          for (const [index, { node, how, count }] of steps.entries()) {
            if (how === 'late') stores[node]!.hold?.();
            for (const bus of buses) waiting.push(bus.publishMany(inputs(count, `${index}`)));
            const hurt = controls(buses[node]!);
            if (how === 'kill') await hurt.killShard(0);
            if (how === 'crash') hurt.crashShard(0);
            stores[node]!.release?.();
          }
          const acks = (await within('all acks', Promise.all(waiting), 40_000)).flat();
          expectWithoutHoles(acks);
          for (const collector of live) {
            await collector.count(acks.length);
            expectSameHistory(collector.events, acks, 'live');
          }
          expectSameHistory(await gather(buses[0]!.read({ topic: '*' })), acks, 'the log');
          for (const bus of buses) await bus.close();
          await place.dispose?.();
        },
      );
      await holds(property, killRuns);
    },
    propertyTimeoutMs(killRuns),
  );

  test('serve clients, which go on at another node from their cursors', async () => {
    const { one, other } = await nodes(subject, 2);
    const [here, there] = [await served(one), await served(other)];
    const live = new Collector(here, 't.*', { from: 'earliest' });
    await live.subscription.ready;
    const acks = await there.publishMany(inputs(40, 'there'));
    acks.push(...(await here.publishMany(inputs(40, 'here'))));
    await live.count(80);
    expectSameHistory(live.events, acks, 'live');
    const { subscription } = live;
    await subscription.unsubscribe();
    const more = await here.publishMany(inputs(40, 'more'));
    const rest = new Collector(there, 't.*', { from: { after: subscription.cursor } });
    await rest.count(40);
    expectSameHistory(rest.events, more, 'the rest');
    expectSameHistory(await gather(there.read({ topic: '*' })), [...acks, ...more], 'read');
  });

  testIf(keeping !== undefined)('tell who was away of what was removed meanwhile', async () => {
    const { place, options } = keeping!(30);
    const { one, other, later } = await nodesAt(subject, place, { ...options, shards: 1 });
    const first = await Collector.start(other, '*', { from: 'earliest' });
    await one.publishMany(inputs(3, 'x'));
    await first.count(3);
    const { subscription } = first;
    await subscription.unsubscribe();
    const acks = await one.publishMany(inputs(1500, 'y'));
    const kept = acks.slice(-30);
    const left = async (bus: Bus) => (await gather(bus.read({ topic: '*' }))).length;
    for (const bus of [one, other]) {
      await until('the oldest have gone', async () => (await left(bus)) === 30);
    }
    const bus = await later();
    const counts = Object.fromEntries([0, 1, 2, 3, 4].map((n) => [`t.${n}`, 6]));
    for (const node of new Set([bus, subject.isShared ? other : bus]))
      await untilCounted(node, counts);
    expectSameHistory(await gather(bus.read({ topic: '*' })), kept, 'the log');
    const again = await Collector.start(bus, '*', { from: { after: subscription.cursor } });
    await again.count(30);
    expectSameHistory(again.events, kept, 'what is left');
    const { gaps } = again;
    expect([gaps[0]?.from, gaps.at(-1)?.to]).toEqual([4, 1473]);
    expect(new Set(gaps.map(({ reason }) => reason))).toEqual(new Set(['pruned']));
    const more = await bus.publishMany(inputs(5, 'more'));
    expect(more.map(({ sequence }) => sequence)).toEqual([1504, 1505, 1506, 1507, 1508]);
    await again.count(35);
  });

  testIf(mortal !== undefined)(
    'lose and repeat nothing where their broker dies and comes again',
    async () => {
      const { place, kill, start } = await mortal!();
      const { one, other } = await nodesAt(subject, place, { publishWaitMs: 60_000, shards: 2 });
      const buses = [one, other];
      const live = await Promise.all(buses.map((bus) => Collector.start(bus, 't.*')));
      const loads = buses.map((bus, at) => new Load(bus, `node${at}`, { hasIds: at === 0 }));
      const more = () => Promise.all(loads.map((load) => load.more(100)));
      await more();
      for (let death = 0; death < DEATHS; death++) {
        await kill();
        await start();
        await more();
      }
      await Promise.all(loads.map((load) => load.end()));
      await expectKept(one, loads, live);
      // Also of batches that were stored just before a death, and sent again.
      const acks = loads.flatMap((load) => load.acks);
      expect(acks.every(({ duplicate }) => !duplicate)).toBe(true);
      for (const bus of buses) {
        expect((await bus.stats()).shards.map(({ restarts }) => restarts)).toEqual([0, 0]);
      }
    },
  );
}

/** A client of a gateway of this node; both end with the test. */
async function served(bus: Bus) {
  const { url } = await bus.serve({ port: 0 });
  return connectTo(url).client;
}
