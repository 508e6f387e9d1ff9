import { describe, expect, test } from 'vitest';
import { DELIVER_AHEAD_MS_MAX } from '../../src/protocol/limits/schedules.js';
import { Collector } from './support/collector.js';
import { controls } from './support/millrace.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { until } from './support/wait.js';

/** `publish` with `deliverAt` and `delayMs`, `scheduled` and `cancel`, on a bus with its threads. */
const event = (topic: string, n = 0, id?: string) => ({
  topic,
  type: 'note',
  payload: n,
  ...(id === undefined ? {} : { id }),
});
const HOUR_MS = 3_600_000;

describe('a publish with a delay', () => {
  test('waits, becomes an event when it is due, and has neither sequence nor cursor before', async () => {
    const bus = await openTestBus({ shards: 1 });
    const live = await Collector.start(bus, '*');
    const from = Date.now();
    const ack = await bus.publish(event('a', 1), { delayMs: 300 });
    expect(ack).toEqual({
      id: ack.id,
      topic: 'a',
      shard: 0,
      deliverAt: expect.any(String),
      durability: 'synced',
      duplicate: false,
    });
    expect(ack.cursor).toBeUndefined();
    expect(Date.parse(ack.deliverAt!)).toBeGreaterThanOrEqual(from + 300);
    expect(await bus.publish(event('a', 2))).toMatchObject({ sequence: 1 });
    await until('it has come', () => live.events.length === 2);
    const [, late] = live.events;
    expect(late).toMatchObject({ id: ack.id, payload: 1, sequence: 2 });
    expect(Date.parse(late!.timestamp)).toBeGreaterThanOrEqual(Date.parse(ack.deliverAt!));
    expect(await bus.scheduled()).toEqual({ publishes: [] });
    expect(await bus.query({ topic: 'a' })).toHaveLength(2);
  });

  test('whose time has passed is an event at once', async () => {
    const bus = await openTestBus({ shards: 1 });
    const at = new Date(Date.now() - HOUR_MS);
    expect(await bus.publish(event('a'), { deliverAt: at })).toMatchObject({ sequence: 1 });
    expect(await bus.publish(event('a'), { delayMs: 0 })).toMatchObject({ sequence: 2 });
  });

  test('survives restarts of its bus and of its shard', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 2 });
    const deliverAt = new Date(Date.now() + 1500);
    for (let n = 0; n < 20; n++) await bus.publish(event(`t.${n}`, n), { deliverAt });
    for (const shard of [0, 1]) controls(bus).killShard(shard);
    expect((await bus.scheduled({ limit: 1000 })).publishes).toHaveLength(20);
    await bus.close();
    const again = await openTestBus({ dir });
    const live = await Collector.start(again, '*', { from: 'earliest' });
    await until('all have come', () => live.events.length === 20);
    expect(new Set(live.events.map(({ payload }) => payload)).size).toBe(20);
    expect(await again.stats()).toMatchObject({ shards: [{ state: 'running' }, {}] });
  });

  test('is a repeat while another of its id waits, and after that is an event', async () => {
    const bus = await openTestBus({ shards: 1 });
    const first = await bus.publish(event('a', 1, 'x'), { delayMs: HOUR_MS });
    const repeat = { ...first, duplicate: true };
    expect(await bus.publish(event('a', 2, 'x'), { delayMs: 5 })).toEqual(repeat);
    expect(await bus.publish(event('a', 3, 'x'))).toEqual(repeat);
    expect(await bus.publish(event('b', 4, 'x'))).toMatchObject({ duplicate: false });
    const other = { ...event('a', 5, 'x'), source: 'else' };
    expect(await bus.publish(other, { idScope: 'source' })).toMatchObject({ duplicate: false });
    await bus.publish(event('c', 1, 'y'), { delayMs: 50 });
    await until('it is an event', async () => (await bus.query({ topic: 'c' })).length === 1);
    expect(await bus.publish(event('c', 1, 'y'), { delayMs: 50 })).toMatchObject({
      duplicate: true,
      sequence: 3,
    });
  });

  test('goes with publishMany, and with groups: all of one wait, or none', async () => {
    const bus = await openTestBus({ shards: 1 });
    const acks = await bus.publishMany([event('a'), event('b')], { delayMs: HOUR_MS });
    expect(acks.map(({ topic, sequence }) => [topic, sequence])).toEqual([
      ['a', undefined],
      ['b', undefined],
    ]);
    const group = [event('a', 1, 'p'), event('b', 2, 'q')];
    const options = { atomic: true, delayMs: HOUR_MS };
    const grouped = await bus.publishMany(group, options);
    expect(await bus.publishMany(group, options)).toEqual(
      grouped.map((ack) => ({ ...ack, duplicate: true })),
    );
    await expect(bus.publishMany([event('c', 1, 'r'), ...group], options)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('waits for its time already'),
    });
    expect((await bus.scheduled()).publishes).toHaveLength(4);
  });

  test('is refused with expect, without storage, too far ahead, and twice given', async () => {
    const bus = await openTestBus({ shards: 1, noPersistTopics: ['live'] });
    const refused = async (options: object, topic = 'a'): Promise<unknown> => {
      const one = await bus.publish(event(topic), options).catch((error) => error);
      const many = await bus.publishMany([event(topic)], options).catch((error) => error);
      expect([one.code, many.code]).toEqual(['OPTION_INVALID', 'OPTION_INVALID']);
      return one.message;
    };
    expect(await refused({ delayMs: 5, expect: 'none' })).toMatch(/expect: goes without delayMs/);
    expect(await refused({ delayMs: 5, persist: false })).toMatch(/delayMs: goes with stored/);
    expect(await refused({ delayMs: 5 }, 'live')).toMatch(/delayMs: an event on "live"/);
    expect(await refused({ delayMs: 5, deliverAt: new Date() })).toMatch(/goes without deliverAt/);
    expect(await refused({ delayMs: -1 })).toMatch(/whole number/);
    expect(await refused({ deliverAt: 'tomorrow' })).toMatch(/RFC 3339/);
    const far = new Date(Date.now() + DELIVER_AHEAD_MS_MAX + HOUR_MS);
    expect(await refused({ deliverAt: far })).toMatch(/which is the limit/);
    const century = new Date(Date.now() + DELIVER_AHEAD_MS_MAX - HOUR_MS);
    expect(await bus.publish(event('a'), { deliverAt: century })).toMatchObject({
      deliverAt: century.toISOString(),
    });
  });

  test('is tried without a promise too', async () => {
    const bus = await openTestBus({ shards: 1 });
    expect(bus.tryPublish(event('a', 1, 'x'), { delayMs: HOUR_MS })).toBe(true);
    await until('it waits', async () => (await bus.scheduled()).publishes.length === 1);
  });
});

describe('what waits', () => {
  test('is listed in the order of due times over all shards, in pages, by patterns and ids', async () => {
    const bus = await openTestBus({ shards: 3 });
    const at = (n: number): Date => new Date(Date.now() + HOUR_MS + (n % 7) * 1000);
    for (let n = 0; n < 50; n++) {
      await bus.publish(event(n % 2 === 0 ? `even.${n}` : `odd.${n}`, n, `id-${n}`), {
        deliverAt: at(n),
      });
    }
    const seen: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await bus.scheduled({ limit: 8, ...(after === undefined ? {} : { after }) });
      expect(page.publishes.length).toBeLessThanOrEqual(8);
      seen.push(...page.publishes.map(({ deliverAt, id }) => `${deliverAt} ${id}`));
      after = page.next;
      if (after === undefined) break;
    }
    expect(seen).toHaveLength(50);
    expect(new Set(seen).size).toBe(50);
    const times = seen.map((one) => one.slice(0, 24));
    expect(times).toEqual([...times].sort());
    expect((await bus.scheduled({ topic: 'even.*' })).publishes).toHaveLength(25);
    const { publishes } = await bus.scheduled({ id: 'id-7' });
    expect(publishes).toMatchObject([{ topic: 'odd.7', type: 'note', source: 'millrace' }]);
    expect(publishes[0]).not.toHaveProperty('payload');
    await expect(bus.scheduled({ limit: 0 })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await expect(bus.scheduled({ after: 'x' })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await until('the gauge has it', async () => (await bus.stats()).scheduled === 50);
  });

  test('is cancelled among any number of publishes with its id', async () => {
    const bus = await openTestBus({ shards: 1 });
    const options = { delayMs: HOUR_MS };
    const topics = Array.from({ length: 600 }, (_, n) => `t.${n}`);
    await bus.publishMany(
      topics.map((topic) => event(topic, 0, 'x')),
      options,
    );
    expect((await bus.scheduled({ id: 'x', topic: 't.599' })).publishes).toHaveLength(1);
    expect(await bus.cancel('x', { topic: 't.599' })).toBe(true);
    expect(await bus.cancel('x', { topic: 't.599' })).toBe(false);
    await expect(bus.cancel('x')).rejects.toMatchObject({ code: 'CONFLICT' });
    await bus.publish({ ...event('t.last', 0, 'x'), source: 'ada' }, options);
    expect(await bus.cancel('x', { source: 'ada' })).toBe(true);
    await until('the gauge has it', async () => (await bus.stats()).scheduled === 599);
  });

  test('is cancelled by its id, once, and by its topic where several have the id', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 4 });
    const delayMs = HOUR_MS;
    const { id } = await bus.publish(event('a'), { delayMs });
    expect(await bus.cancel(id)).toBe(true);
    expect(await bus.cancel(id)).toBe(false);
    await bus.publish(event('a', 0, 'x'), { delayMs });
    await bus.publish(event('b', 0, 'x'), { delayMs });
    await expect(bus.cancel('x')).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { topics: expect.arrayContaining(['a', 'b']) },
    });
    expect(await bus.cancel('x', { topic: 'b' })).toBe(true);
    expect(await bus.cancel('x', { source: 'else' })).toBe(false);
    await bus.close();
    const again = await openTestBus({ dir });
    expect((await again.scheduled()).publishes).toMatchObject([{ topic: 'a', id: 'x' }]);
    expect(await again.cancel('x')).toBe(true);
    // The id is free again.
    expect(await again.publish(event('a', 0, 'x'))).toMatchObject({ duplicate: false });
  });
});
