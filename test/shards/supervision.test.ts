import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { SubscribeOptions } from '../../src/protocol/bus-api.js';
import type { EventInput, PublishAck } from '../../src/protocol/event.js';
import { Collector, gather } from '../bus/support/collector.js';
import { expectBusError, refused } from '../bus/support/failures.js';
import { controls } from '../bus/support/millrace.js';
import { closeTestBus, openTestBus, temporaryDirectory } from '../bus/support/open.js';
import { expectSameHistory, expectWithoutHoles } from '../bus/support/oracle.js';
import { holds, propertyTimeoutMs } from '../bus/support/properties.js';
import { RemoteEndpoint } from '../bus/support/remote-endpoint.js';
import { until, within } from '../bus/support/wait.js';

/** Shard threads that are killed, throw, or cannot start again: no event is lost without an error. */
const input = (n: number, mark = 'main'): EventInput => ({
  topic: `t.${n % 13}`,
  type: 'worker_progress',
  payload: { mark, n, pad: n % 97 === 0 ? 'x'.repeat(3000) : '' },
});

const inputs = (first: number, count: number, mark?: string): EventInput[] =>
  Array.from({ length: count }, (_, index) => input(first + index, mark));

async function disturb(bus: Bus, how: 'kill' | 'crash', shard: number): Promise<void> {
  if (how === 'kill') return controls(bus).killShard(shard);
  const before = (await bus.stats()).shards[shard]!.restarts;
  await controls(bus).crashShard(shard);
  await until('its restart', async () => (await bus.stats()).shards[shard]!.restarts > before);
}

/** Publishes from both threads, in bursts that nobody waits for, while `meanwhile` goes on. */
async function publishMeanwhile(
  bus: Bus,
  worker: RemoteEndpoint,
  bursts: number,
  meanwhile: (burst: number) => Promise<void>,
): Promise<PublishAck[]> {
  const waiting: Promise<PublishAck[]>[] = [];
  for (let burst = 0; burst < bursts; burst++) {
    waiting.push(bus.publishMany(inputs(burst * 300, 300)));
    waiting.push(worker.publishEach(inputs(burst * 300, 300, 'worker')));
    await meanwhile(burst);
  }
  return (await within('all acks', Promise.all(waiting), 40_000)).flat();
}

describe.each(['kill', 'crash'] as const)('a shard that suffers a %s', (how) => {
  test('five times, while two threads publish, loses and repeats nothing', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 2, ringBytes: 16_384 });
    const worker = await RemoteEndpoint.attach(bus);
    const options: SubscribeOptions[] = [{}, { maxBuffer: 3 }, { from: 'earliest' }];
    const live = await Promise.all(options.map((one) => Collector.start(bus, '*', one)));
    await worker.subscribe('all', '*');
    const acks = await publishMeanwhile(bus, worker, 10, async (burst) => {
      if (burst % 2 === 1) await disturb(bus, how, burst % 4 === 1 ? 0 : 1);
    });
    expectWithoutHoles(acks);
    expect(acks.every(({ duplicate }) => !duplicate)).toBe(true);
    const all = await gather(bus.read({ topic: '*' }));
    expectSameHistory(all, acks, 'the log');
    for (const [index, collector] of live.entries()) {
      await collector.count(acks.length);
      await within('drain', bus.drain());
      expectSameHistory(collector.events, acks, `subscriber ${index}`);
    }
    await worker.count('all', acks.length);
    expectSameHistory(worker.received('all'), acks, 'the worker');
    const restarts = (await bus.stats()).shards.map((shard) => shard.restarts);
    expect(restarts[0]! + restarts[1]!).toBe(5);
    await worker.terminate();
    await bus.close();
    bus = await openTestBus({ dir });
    expectSameHistory(await gather(bus.read({ topic: '*' })), acks, 'reopened');
  });

  test('answers queries, changes of subscriptions and new ones again', async () => {
    const bus = await openTestBus({ shards: 1 });
    const kept = await Collector.start(bus, 't.0');
    await bus.publishMany(inputs(0, 26));
    const disturbed = disturb(bus, how, 0);
    const asked = await within(
      'all answers',
      Promise.all([
        bus.query({ topic: 't.0' }),
        Collector.start(bus, '*', { from: 'earliest' }),
        kept.subscription.update('t.1'),
        bus.topics(),
        bus.subscribers('t.0').then(() => undefined),
        disturbed,
      ]),
    );
    expect(asked[0]).toHaveLength(2);
    expect(asked[3]).toHaveLength(13);
    await bus.publishMany(inputs(0, 26));
    await asked[1].count(52);
    await kept.count(4);
    // Events that the kill delayed are matched by the old filter or by the new one.
    expect(kept.events.every(({ topic }) => topic === 't.0' || topic === 't.1')).toBe(true);
    expect(kept.events.filter(({ topic }) => topic === 't.1').length).toBeGreaterThanOrEqual(2);
    expect((await bus.stats()).subscriptions).toBe(2);
    await kept.subscription.unsubscribe();
    expect(await bus.subscribers('t.1')).toHaveLength(1);
  });

  test('delivers ephemeral events at most once, and takes new ones', async () => {
    const bus = await openTestBus({ shards: 1 });
    const live = await Collector.start(bus, '*');
    const publishes = inputs(0, 500).map((one) => bus.publish(one, { persist: false }));
    const settled = Promise.allSettled(publishes);
    await disturb(bus, how, 0);
    await within('all outcomes', settled);
    await bus.publish(input(1000), { persist: false });
    await until('the last', () =>
      live.events.some(({ payload }) => (payload as { n: number }).n === 1000),
    );
    const ids = live.events.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('random kills', () => {
  test(
    'property: any kills and crashes meanwhile, on any rings, lose and repeat nothing',
    async () => {
      const disturbance = fc.record({
        how: fc.constantFrom('kill' as const, 'crash' as const, 'nothing' as const),
        shard: fc.nat({ max: 2 }),
        count: fc.integer({ min: 1, max: 250 }),
        durability: fc.constantFrom('synced' as const, 'written' as const),
      });
      const property = fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom(4096, 65_536),
        fc.constantFrom(1, 20, 4096),
        fc.array(disturbance, { minLength: 1, maxLength: 8 }),
        async (shards, ringBytes, commitBatchEvents, disturbances) => {
          const dir = temporaryDirectory();
          const bus = await openTestBus({
            dir,
            shards,
            ringBytes,
            commitBatchEvents,
            // Generous, because restarts take long on a busy machine: beyond 40 s it is a hang.
            publishWaitMs: 60_000,
          });
          const worker = await RemoteEndpoint.attach(bus);
          const live = await Collector.start(bus, '*', { maxBuffer: 30 });
          const waiting: Promise<PublishAck[]>[] = [];
          let first = 0;
          for (const { how, shard, count, durability } of disturbances) {
            const options = { durability };
            waiting.push(Promise.all(inputs(first, count).map((one) => bus.publish(one, options))));
            waiting.push(worker.publishMany(inputs(first, count, 'worker'), options));
            first += count;
            if (how !== 'nothing') await disturb(bus, how, shard % shards);
          }
          const acks = (await within('all acks', Promise.all(waiting), 40_000)).flat();
          expectWithoutHoles(acks);
          await live.count(2 * first);
          await within('drain', bus.drain());
          expectSameHistory(live.events, acks, 'live');
          expectSameHistory(await gather(bus.read({ topic: '*' })), acks, 'the log');
          await worker.terminate();
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 8);
    },
    propertyTimeoutMs(8),
  );
});

describe('a shard that cannot start again', () => {
  /**
   * Generous: a shard is given up after a few attempts, each of which starts a thread, on a machine that may be busy.
   */
  const GIVEN_UP_WITHIN_MS = 50_000;

  /**
   * Replaces the log's file under the running shard, whose open files stay valid; the thread that is started after the
   * kill finds the replacement.
   */
  async function loseLog(bus: Bus, dir: string, replace: (file: string) => void): Promise<void> {
    for (const suffix of ['', '-wal', '-shm']) {
      const file = join(dir, `shard-000.db${suffix}`);
      renameSync(file, `${file}.away`);
    }
    replace(join(dir, 'shard-000.db'));
    await controls(bus)
      .killShard(0)
      .catch(() => undefined);
    await until(
      'the failure',
      async () => (await bus.stats()).shards[0]!.state === 'failed',
      GIVEN_UP_WITHIN_MS,
    );
  }

  const replacements: readonly (readonly [what: string, replace: (file: string) => void])[] = [
    ['a directory', (file) => mkdirSync(file)],
    ['garbage', (file) => writeFileSync(file, 'garbage '.repeat(9000))],
  ];

  test.each(replacements)(
    'because its file is %s fails publishes with STORE_FAILED and the reason',
    async (_, replace) => {
      const dir = temporaryDirectory();
      const bus = await openTestBus({ dir, shards: 2 });
      const acks = await bus.publishMany(inputs(0, 40));
      const lost = acks.find(({ shard }) => shard === 0)!.topic;
      const kept = acks.find(({ shard }) => shard === 1)!.topic;
      const worker = await RemoteEndpoint.attach(bus);
      const live = await Collector.start(bus, kept);
      await loseLog(bus, dir, replace);
      const error = await refused(() => bus.publish({ ...input(0), topic: lost }), 'STORE_FAILED');
      expect(error.message).toMatch(/shard-000|shard 0/);
      expect(error.message).toMatch(
        /unable to open|not a database|corrupt|directory|malformed|replaced/i,
      );
      // Until the worker gets the notice, it publishes to a shard that has ended.
      await until('the worker knows', async () => {
        const publish = () => worker.publish({ ...input(0), topic: lost });
        return (
          (await refused(publish, ['STORE_FAILED', 'PUBLISH_UNKNOWN'])).code === 'STORE_FAILED'
        );
      });
      await refused(() => bus.tryPublish({ ...input(0), topic: lost }), 'STORE_FAILED');
      expect(await bus.publish({ ...input(0), topic: kept })).toMatchObject({ shard: 1 });
      await live.count(1);
      await worker.terminate();
      await within('close', bus.close());
    },
  );

  test('fails the waiting publishes, each with an error of its own', async () => {
    const dir = temporaryDirectory();
    const publishWaitMs = 2 * GIVEN_UP_WITHIN_MS;
    const bus = await openTestBus({ dir, shards: 1, ringBytes: 4096, publishWaitMs });
    const waiting = inputs(0, 2000).map((one) => bus.publish(one));
    const settled = Promise.allSettled(waiting);
    await loseLog(bus, dir, (file) => mkdirSync(file));
    for (const outcome of await within('all outcomes', settled)) {
      if (outcome.status === 'fulfilled') continue;
      expectBusError(outcome.reason, ['STORE_FAILED', 'PUBLISH_UNKNOWN']);
    }
  });
});
