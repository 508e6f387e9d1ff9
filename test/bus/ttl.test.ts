import { describe, expect, test } from 'vitest';
import { EVENT_TTL_MS_MAX } from '../../src/protocol/limits/events.js';
import { Collector } from './support/collector.js';
import { controls } from './support/millrace.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { until } from './support/wait.js';

/** `publish` with `ttlMs` and `expiresAt`, on a bus with its threads. */
const HOUR_MS = 3_600_000;
const SHORT_MS = 150;

const event = (topic: string, n = 0) => ({ topic, type: 'note', payload: n });
const PAST = new Date(Date.now() - HOUR_MS);

describe('an event with a time to live', () => {
  test('says when it expires, to subscribers and readers', async () => {
    const bus = await openTestBus({ shards: 1 });
    const live = await Collector.start(bus, '*');
    const from = Date.now();
    const ack = await bus.publish(event('a', 1), { ttlMs: HOUR_MS });
    await until('it has come', () => live.events.length === 1);
    const expiresAt = Date.parse(live.events[0]!.expiresAt!);
    expect(expiresAt).toBeGreaterThanOrEqual(from + HOUR_MS);
    expect(expiresAt).toBeLessThanOrEqual(Date.now() + HOUR_MS);
    expect(await bus.get('a', ack.id)).toEqual(live.events[0]);
    await bus.publish(event('a', 2));
    await until('both have come', () => live.events.length === 2);
    expect(live.events[1]).not.toHaveProperty('expiresAt');
  });

  test('is neither read nor delivered after it, and is removed', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 1 });
    const short = await bus.publish(event('a', 1), { ttlMs: SHORT_MS });
    await bus.publish(event('b', 2));
    const newest = await bus.publish(event('b', 3), { ttlMs: SHORT_MS });
    // The ack came after the shard had recorded it.
    const over = Date.now() + SHORT_MS;
    await until('it has expired', () => Date.now() >= over);
    expect((await bus.query({ topic: '*' })).map(({ payload }) => payload)).toEqual([2]);
    expect(await bus.get('a', short.id)).toBeUndefined();
    const newestOf: unknown[] = [];
    for await (const { payload } of bus.latest('*')) newestOf.push(payload);
    // An older event does not come back for `b`.
    expect(newestOf).toEqual([]);
    const replayed = await Collector.start(bus, '*', { from: 'earliest' });
    await until('it has caught up', () => replayed.caughtUp.length > 0);
    expect(replayed.events.map(({ payload }) => payload)).toEqual([2]);
    expect(replayed.gaps).toEqual([]);
    await until('it is removed', async () => {
      const topics = await bus.topics();
      return topics.length === 1 && topics[0]!.events === 1;
    });
    // The topic still has its last sequence.
    await expect(
      bus.publish(event('b', 4), { expect: { sequence: newest.sequence! } }),
    ).resolves.toMatchObject({ sequence: 4 });
    await bus.close();
    const again = await openTestBus({ dir });
    expect((await again.query({ topic: '*' })).map(({ payload }) => payload)).toEqual([2, 4]);
  });

  test('whose time has passed is stored, acknowledged, and seen by nobody', async () => {
    const bus = await openTestBus({ shards: 1 });
    const live = await Collector.start(bus, '*');
    const ack = await bus.publish({ ...event('a', 1), expiresAt: PAST }, { ttlMs: HOUR_MS });
    expect(ack).toMatchObject({ sequence: 1, durability: 'synced' });
    await bus.publish({ ...event('a', 2), expiresAt: PAST }, { persist: false });
    await bus.publish(event('a', 3));
    await until('the last has come', () => live.events.length === 1);
    expect(live.events[0]).toMatchObject({ payload: 3, sequence: 2 });
    expect(live.gaps).toEqual([]);
  });

  test('does not reach a subscriber that was too slow for it', async () => {
    const bus = await openTestBus({ shards: 1 });
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = await Collector.start(bus, '*', { hold: () => gate, maxBuffer: 1 });
    await bus.publish(event('a', 0));
    const acks = await bus.publishMany(
      Array.from({ length: 2000 }, (_, n) => event('a', n + 1)),
      { ttlMs: SHORT_MS },
    );
    const last = await bus.publish(event('a', -1));
    expect(acks).toHaveLength(2000);
    await until('they are removed', async () => (await bus.topics())[0]!.events === 2);
    release();
    await until('the last has come', () => slow.events.at(-1)?.payload === -1);
    expect(slow.events.map(({ payload }) => payload)).toEqual([0, -1]);
    expect(slow.gaps).toEqual([]);
    expect(slow.droppedTold).toBe(0);
    expect(last.sequence).toBe(2002);
  });

  test('counts from its delivery if it waits', async () => {
    const bus = await openTestBus({ shards: 1 });
    const live = await Collector.start(bus, '*');
    const deliverAt = new Date(Date.now() + 2 * SHORT_MS);
    await bus.publish(event('a', 1), { deliverAt, ttlMs: HOUR_MS });
    await until('it has come', () => live.events.length === 1);
    const { expiresAt, timestamp } = live.events[0]!;
    expect(Date.parse(expiresAt!)).toBeGreaterThanOrEqual(deliverAt.getTime() + HOUR_MS);
    expect(Date.parse(expiresAt!)).toBeLessThanOrEqual(Date.parse(timestamp) + HOUR_MS + 1000);
  });

  test('keeps its time through the death of its shard, and its id is remembered', async () => {
    const bus = await openTestBus({ shards: 1 });
    const once = { ...event('a', 1), id: 'once' };
    const ack = await bus.publish(once, { ttlMs: SHORT_MS });
    controls(bus).killShard(0);
    await until('it is removed', async () => (await bus.topics()).length === 0);
    expect(await bus.publish(once, { ttlMs: SHORT_MS })).toMatchObject({
      duplicate: true,
      sequence: ack.sequence,
    });
  });

  test.each([0, -1, 1.5, Number.NaN, Infinity, EVENT_TTL_MS_MAX + 1, '5' as never])(
    'is refused with a ttlMs of %s',
    async (ttlMs) => {
      const bus = await openTestBus({ shards: 1 });
      await expect(bus.publish(event('a'), { ttlMs })).rejects.toMatchObject({
        code: 'OPTION_INVALID',
        message: expect.stringContaining('ttlMs'),
      });
      await expect(bus.publishMany([event('a')], { ttlMs })).rejects.toThrow('ttlMs');
    },
  );

  test('is refused with an expiresAt that is no time', async () => {
    const bus = await openTestBus({ shards: 1 });
    await expect(bus.publish({ ...event('a'), expiresAt: 'soon' })).rejects.toMatchObject({
      code: 'EVENT_INVALID',
      details: { field: 'expiresAt' },
    });
  });
});

describe('a consumer', () => {
  const pull = { max: 10, waitMs: 2000 };

  test('is not given what has expired, and counts it', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await bus.consumer('work', { filter: 'jobs', from: 'earliest' });
    await bus.publish(event('jobs', 1), { ttlMs: SHORT_MS });
    await bus.publish(event('jobs', 2));
    await until('it is removed', async () => (await bus.topics())[0]!.events === 1);
    const deliveries = await consumer.pull(pull);
    expect(deliveries.map(({ event: { payload } }) => payload)).toEqual([2]);
    await deliveries[0]!.ack();
    expect(await consumer.info()).toMatchObject({ expired: 1, lost: 0, acked: 1, pending: 0 });
    expect((await bus.stats()).shards[0]).toMatchObject({ expired: 1, published: 2 });
  });

  test('may acknowledge an event that expires in its hand, and does not get it again', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await bus.consumer('work', {
      filter: 'jobs',
      from: 'earliest',
      backoffMs: [1],
      deadLetter: 'dead',
    });
    await bus.publishMany([event('jobs', 1), event('jobs', 2)], { ttlMs: SHORT_MS });
    const deliveries = await consumer.pull(pull);
    expect(deliveries).toHaveLength(2);
    await until('they are removed', async () => (await bus.topics()).length === 0);
    await deliveries[0]!.ack();
    await deliveries[1]!.nak();
    await until('both are over', async () => (await consumer.info()).pending === 0);
    expect(await consumer.info()).toMatchObject({ acked: 1, expired: 1, lost: 0, dead: 0 });
  });
});
