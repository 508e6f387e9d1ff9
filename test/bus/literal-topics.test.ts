import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import { matchesPattern } from '../../src/protocol/topic.js';
import { shardOf } from '../../src/protocol/topic-hash.js';
import { Collector } from './support/collector.js';
import { controls } from './support/millrace.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { holds, propertyTimeoutMs } from './support/properties.js';
import { until, within } from './support/wait.js';

/** A filter of literal topics needs the shards of those topics alone. */
const SHARDS = 3;
/** One in each shard. */
const TOPICS = Array.from({ length: SHARDS }, (_, shard) => topicIn(shard));

function topicIn(shard: number): string {
  for (let n = 0; ; n++) if (shardOf(`t.${n}`, SHARDS) === shard) return `t.${n}`;
}

async function inShards(bus: Bus): Promise<readonly number[]> {
  return (await bus.stats()).shards.map(({ subscriptions }) => subscriptions);
}

/** `count` events to each of the topics in turn, numbered from `first` on. */
async function publish(bus: Bus, topics: readonly string[], first: number, count: number) {
  const inputs = Array.from({ length: count }, (_, index) => {
    const payload = first + index;
    return { topic: topics[payload % topics.length]!, type: 'note', payload };
  });
  await within('the acks', bus.publishMany(inputs, { durability: 'written' }));
  return inputs;
}

describe('a subscription to literal topics', () => {
  test('is known to their shards alone, and to no shard once it has ended', async () => {
    const bus = await openTestBus({ shards: SHARDS });
    const one = await Collector.start(bus, TOPICS[1]!);
    expect(await inShards(bus)).toEqual([0, 1, 0]);
    const two = await Collector.start(bus, [TOPICS[0]!, TOPICS[1]!], { from: 'earliest' });
    const all = await Collector.start(bus, '*');
    expect(await inShards(bus)).toEqual([2, 3, 1]);
    expect((await bus.stats()).subscriptions).toBe(3);
    await publish(bus, TOPICS, 0, 6);
    await all.count(6);
    await two.count(4);
    await one.count(2);
    for (const { subscription } of [one, two, all]) await subscription.unsubscribe();
    expect(await inShards(bus)).toEqual([0, 0, 0]);
    expect((await bus.stats()).subscriptions).toBe(0);
  });

  test('is put into further shards by an update, and gets what they commit from then on', async () => {
    const bus = await openTestBus({ shards: SHARDS });
    const collector = await Collector.start(bus, TOPICS[0]!);
    await publish(bus, TOPICS, 0, 6);
    await collector.subscription.update([TOPICS[0]!, TOPICS[2]!]);
    expect(await inShards(bus)).toEqual([1, 0, 1]);
    await publish(bus, TOPICS, 6, 6);
    await collector.subscription.update('*');
    expect(await inShards(bus)).toEqual([1, 1, 1]);
    await publish(bus, TOPICS, 12, 3);
    await collector.count(9);
    const seen = (collector.payloads as number[]).sort((a, b) => a - b);
    expect(seen).toEqual([0, 3, 6, 8, 9, 11, 12, 13, 14]);
  });

  test.each(['now', 'earliest'] as const)(
    'from %s is caught up, lags behind nothing and holds up no drain where other shards are busy',
    async (from) => {
      const bus = await openTestBus({ shards: SHARDS });
      await publish(bus, TOPICS, 0, 30);
      const collector = await Collector.start(bus, TOPICS[1]!, { from });
      await until('caught up', () => collector.caughtUp.length === 1);
      await publish(bus, [TOPICS[0]!, TOPICS[2]!], 0, 3000);
      await within('drain', bus.drain());
      expect(collector.subscription.lag).toBe(0);
      expect(collector.gaps).toEqual([]);
    },
  );

  test('lives on where a shard that it does not need is given up', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: SHARDS });
    await publish(bus, TOPICS, 0, 3);
    const narrowed = await Collector.start(bus, '*');
    const needing = await Collector.start(bus, TOPICS[2]!);
    for (const file of readdirSync(dir)) if (file.startsWith('shard-002')) rmSync(join(dir, file));
    controls(bus).killShard(2);
    // Asked before the shard is given up, and answered by nobody.
    const update = narrowed.subscription.update(TOPICS[0]!);
    await expect(needing.subscription.closed).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await within('updated', update);
    const since = new Date(Date.now() - 60_000);
    const late = await Collector.start(bus, TOPICS[0]!, { from: { since } });
    await publish(bus, [TOPICS[0]!], 3, 1);
    await late.count(2);
    await until('the event', () => narrowed.payloads.includes(3));
    await narrowed.subscription.unsubscribe();
    await late.subscription.unsubscribe();
  });

  test('keeps its filter where the new one needs a shard that was given up', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: SHARDS });
    const kept = await Collector.start(bus, TOPICS[0]!);
    const needing = await Collector.start(bus, TOPICS[2]!);
    for (const file of readdirSync(dir)) if (file.startsWith('shard-002')) rmSync(join(dir, file));
    controls(bus).killShard(2);
    await expect(needing.subscription.closed).rejects.toMatchObject({ code: 'STORE_FAILED' });
    const update = kept.subscription.update([TOPICS[1]!, TOPICS[2]!]);
    await expect(update).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await publish(bus, [TOPICS[1]!], 0, 1);
    await publish(bus, [TOPICS[0]!], 1, 1);
    await kept.count(1);
    expect(kept.payloads).toEqual([1]);
    await kept.subscription.unsubscribe();
  });

  test('has a cursor that leads a wider filter past what the other shards had before it', async () => {
    const dir = temporaryDirectory();
    const old = await openTestBus({ dir, shards: SHARDS });
    await publish(old, TOPICS, 0, 30);
    await closeTestBus(old);
    const bus = await openTestBus({ dir });
    const { subscription } = await Collector.start(bus, TOPICS[1]!);
    const { cursor } = subscription;
    await publish(bus, TOPICS, 30, 6);
    const wide = await Collector.start(bus, '*', { from: { after: cursor } });
    await wide.count(6);
    await within('drain', bus.drain());
    expect((wide.payloads as number[]).sort((a, b) => a - b)).toEqual([30, 31, 32, 33, 34, 35]);
  });

  test(
    'property: gets what its filter wanted when it was published, over updates, kills and resumptions',
    async () => {
      const topics = [...TOPICS, 'u.0', 'u.1', 'u.2'];
      const filter = fc.oneof(
        fc.subarray(topics, { minLength: 1, maxLength: 3 }),
        fc.constantFrom(['t.*'], ['*'], ['u.*', TOPICS[0]!]),
      );
      const step = fc.record({
        count: fc.integer({ min: 1, max: 60 }),
        next: fc.constantFrom('update', 'kill', 'resume'),
        filter,
      });
      const property = fc.asyncProperty(
        filter,
        fc.array(step, { minLength: 1, maxLength: 6 }),
        fc.constantFrom('now' as const, 'earliest' as const),
        async (first, steps, from) => {
          const dir = temporaryDirectory();
          const bus = await openTestBus({ dir, shards: SHARDS, ringBytes: 8192 });
          const wanted: number[] = [];
          const seen: number[] = [];
          let wants = first;
          let published = 0;
          const note = async (count: number): Promise<void> => {
            const inputs = await publish(bus, topics, published, count);
            published += count;
            for (const { topic, payload } of inputs) {
              if (wants.some((pattern) => matchesPattern(pattern, topic))) wanted.push(payload);
            }
          };
          if (from === 'earliest') await note(40);
          let reader = await Collector.start(bus, wants, { from });
          // An update judges what a shard has not passed over yet by the new filter, as after a kill, so it waits for that.
          const settled = (): Promise<void> =>
            until(
              'all that is wanted, and the rest passed over',
              () =>
                seen.length + reader.events.length >= wanted.length &&
                reader.subscription.lag === 0,
            );
          for (const { count, next, filter } of steps) {
            await note(count);
            if (next === 'kill') await controls(bus).killShard(published % SHARDS);
            else await settled();
            if (next === 'update') {
              wants = filter;
              await reader.subscription.update(wants);
            } else if (next === 'resume') {
              seen.push(...(reader.payloads as number[]));
              const after = reader.subscription.cursor;
              await reader.subscription.unsubscribe();
              await note(count);
              reader = await Collector.start(bus, wants, { from: { after } });
            }
          }
          await settled();
          await within('drain', bus.drain());
          seen.push(...(reader.payloads as number[]));
          expect(seen.sort((a, b) => a - b)).toEqual(wanted);
          expect(reader.gaps).toEqual([]);
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 12);
    },
    propertyTimeoutMs(12),
  );
});
