import { describe, expect, it } from 'vitest';
import { openTestBus } from './support/open.js';

const event = (topic: string, payload: unknown = null) => ({
  topic,
  type: 'state_updated',
  payload,
});

const total = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);

describe('statistics', () => {
  it('count every commit in a bucket, and the bytes in the WAL', async () => {
    const bus = await openTestBus({ shards: 1 });
    for (let n = 0; n < 20; n++) await bus.publish(event('a', n));
    // Gauges are taken a few times a second.
    let shard = (await bus.stats()).shards[0]!;
    while (shard.walBytes === 0) {
      await bus.publish(event('a'));
      shard = (await bus.stats()).shards[0]!;
    }
    expect(shard.commits).toBeGreaterThanOrEqual(20);
    expect(total(shard.commitMs.counts)).toBe(shard.commits);
    expect(shard.commitMs.counts).toHaveLength(shard.commitMs.bounds.length + 1);
    expect(shard.commitMs.sum / shard.commits).toBeCloseTo(shard.commitMsMean);
  });

  it('tell the rules of retention with which the bus was opened, in every thread', async () => {
    const retention = [{ maxEvents: 7 }, { pattern: 'logs.*', maxAgeMs: 1000, maxBytes: 2048 }];
    const bus = await openTestBus({ shards: 2, retention });
    const wanted = [
      { pattern: '*', maxEvents: 7 },
      { pattern: 'logs.*', maxAgeMs: 1000, maxBytes: 2048 },
    ];
    expect((await bus.stats()).retention).toEqual(wanted);
    const { url } = await bus.serve({ port: 0 });
    const answer = await fetch(`${url}/v1/stats`);
    expect(await answer.json()).toMatchObject({ retention: wanted });
  });

  it('sample the delivery time of live events, and ignore history and timestamps of publishers', async () => {
    const bus = await openTestBus({ shards: 1 });
    await bus.publishMany(Array.from({ length: 640 }, () => event('a')));
    const old = bus.subscribe('a', () => {}, { from: 'earliest' });
    await old.ready;
    await bus.drain();
    const before = total((await bus.stats()).deliveryMs.counts);
    expect(before).toBe(0);
    const live = bus.subscribe('b', () => {});
    await live.ready;
    await bus.publishMany(
      Array.from({ length: 640 }, () => ({ ...event('b'), timestamp: '2020-01-01T00:00:00Z' })),
    );
    await bus.drain();
    expect(total((await bus.stats()).deliveryMs.counts)).toBe(0);
    await bus.publishMany(Array.from({ length: 640 }, () => event('b')));
    await bus.drain();
    const { deliveryMs } = await bus.stats();
    expect(total(deliveryMs.counts)).toBe(10);
    expect(deliveryMs.sum).toBeLessThan(10 * 60_000);
  });

  it('list the subscriptions furthest behind, added up over the shards', async () => {
    const bus = await openTestBus({ shards: 2 });
    const stuck = bus.subscribe('*', { name: 'stuck', maxBuffer: 1 });
    const quick = bus.subscribe('*', () => {}, { name: 'quick' });
    await Promise.all([stuck.ready, quick.ready]);
    const topics = ['a', 'b', 'c', 'd', 'e', 'f'];
    const count = 400;
    for (const topic of topics) {
      await bus.publishMany(Array.from({ length: count }, (_, n) => event(topic, n)));
    }
    const listed = await bus.subscribers();
    expect(listed.map(({ name }) => name)).toEqual(['stuck', 'quick']);
    const [first, second] = listed;
    expect(first!.lag).toBeGreaterThan(count);
    expect(second).toMatchObject({ lag: 0, queued: 0, mode: 'live' });
    expect((await bus.subscribers('a')).map(({ name }) => name).sort()).toEqual(['quick', 'stuck']);
  });
});
