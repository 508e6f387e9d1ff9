import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readManifest } from '../../src/store/directory/manifest.js';
import { reshard } from '../../src/store/upkeep/reshard.js';
import { Collector } from './support/collector.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { until } from './support/wait.js';

const event = (topic: string) => ({ topic, type: 'note', payload: 1 });
const orders = Array.from({ length: 12 }, (_, n) => `orders.${n}`);

describe('a directory whose topics are divided by their first segments', () => {
  test('keeps what belongs together in one shard, for groups, subscriptions, queries and lists', async () => {
    const bus = await openTestBus({ shards: 4, shardBy: { segments: 2 } });
    const seen = await Collector.start(bus, 'orders.3.*');
    const used = new Set<number>();
    for (const order of orders) {
      const group = [event(order), event(`${order}.items.1`), event(`${order}.paid`)];
      const acks = await bus.publishMany(group, { atomic: true });
      expect(new Set(acks.map(({ shard }) => shard)).size).toBe(1);
      used.add(acks[0]!.shard);
    }
    expect(used.size).toBeGreaterThan(1);
    await until('both have come', () => seen.events.length === 2);
    expect(await bus.query({ topic: 'orders.5.*' })).toHaveLength(2);
    expect(await bus.query({ topic: 'orders.5.paid' })).toHaveLength(1);
    expect(await bus.query({ topic: '*' })).toHaveLength(36);
    const late = await Collector.start(bus, 'orders.7.+', { from: { last: 1 } });
    await until('the newest has come', () => late.events.length === 1);
    expect((await bus.subscribers('orders.3.paid')).map(({ topics }) => topics)).toEqual([
      ['orders.3.*'],
    ]);
  });

  test('keeps to that when it is opened again, and refuses another division', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 4, shardBy: { segments: 1 } });
    const { shard } = await bus.publish(event('a.1'));
    await bus.close();
    for (const shardBy of [{ segments: 2 }, { segments: 16 }]) {
      await expect(openTestBus({ dir, shardBy })).rejects.toMatchObject({
        code: 'SHARD_BY_MISMATCH',
        details: { expected: shardBy, found: { segments: 1 } },
      });
    }
    const again = await openTestBus({ dir });
    for (const topic of ['a.2', 'a.b.c', 'a']) {
      expect(await again.publish(event(topic))).toMatchObject({ shard });
    }
  });

  test('cannot be made of a directory that divides by the whole topic', async () => {
    const dir = temporaryDirectory();
    await (await openTestBus({ dir })).close();
    await expect(openTestBus({ dir, shardBy: { segments: 1 } })).rejects.toMatchObject({
      code: 'SHARD_BY_MISMATCH',
      details: { found: null },
    });
    // The refusal has let go of the directory.
    await openTestBus({ dir });
  });

  test('is copied with it, and an earlier version does not open it', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 2, shardBy: { segments: 1 } });
    for (const order of orders) await bus.publish(event(order.replace('.', '-').concat('.new')));
    await bus.publishMany([event('x.1'), event('x.2'), event('x.3.4')], { atomic: true });
    await bus.close();
    const manifest = readManifest(dir)!;
    expect(manifest).toMatchObject({ format: 5, shardBy: { segments: 1 } });
    const to = join(temporaryDirectory(), 'copy');
    reshard({ from: dir, to, shards: 5 });
    const copy = await openTestBus({ dir: to });
    const stored = await copy.query({ topic: 'x.*' });
    expect(new Set(stored.map(({ shard }) => shard)).size).toBe(1);
    expect(await copy.publish(event('x.9'))).toMatchObject({ shard: stored[0]!.shard });
    expect(await copy.query({ topic: '*' })).toHaveLength(16);
  });

  test('may be in memory, and takes only whole numbers of segments', async () => {
    const bus = await openTestBus({ dir: ':memory:', shards: 3, shardBy: { segments: 1 } });
    await bus.publishMany([event('m.1'), event('m.2')], { atomic: true });
    for (const segments of [0, 17, 1.5]) {
      await expect(openTestBus({ shardBy: { segments } })).rejects.toMatchObject({
        code: 'OPTION_INVALID',
      });
    }
  });
});
