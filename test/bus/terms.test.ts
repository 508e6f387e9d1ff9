import { describe, expect, test } from 'vitest';
import { ATOMIC_BYTES_MAX, ATOMIC_EVENTS_MAX } from '../../src/protocol/limits/bus-api.js';
import { Collector, gather } from './support/collector.js';
import { controls } from './support/millrace.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { until } from './support/wait.js';

/** `publishMany` with `atomic`, and `expect`, on a bus with its threads. */
const event = (topic: string, n = 0, id?: string) => ({
  topic,
  type: 'note',
  payload: n,
  ...(id === undefined ? {} : { id }),
});

describe('an atomic publishMany', () => {
  test('stores all its events, one behind the other, and delivers them', async () => {
    const bus = await openTestBus({ shards: 1 });
    const live = await Collector.start(bus, '*');
    const acks = await bus.publishMany([event('a', 1), event('b', 2), event('a', 3)], {
      atomic: true,
    });
    expect(acks.map(({ topic, sequence }) => [topic, sequence])).toEqual([
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ]);
    expect(acks[0]!.cursor).toBeTypeOf('string');
    await until('the events have come', () => live.events.length === 3);
    expect(live.events.map(({ payload }) => payload)).toEqual([1, 2, 3]);
    expect(await bus.publishMany([], { atomic: true })).toEqual([]);
  });

  test('is refused before anything is written if its topics are of several shards', async () => {
    const bus = await openTestBus({ shards: 4 });
    const events = Array.from({ length: 20 }, (_, n) => event(`t.${n}`));
    const refused = bus.publishMany(events, { atomic: true });
    await expect(refused).rejects.toMatchObject({
      code: 'ATOMIC_ACROSS_SHARDS',
      details: { topics: expect.arrayContaining([expect.stringMatching(/^t\.\d+$/)]) },
    });
    expect(await bus.query({ topic: '*' })).toEqual([]);
  });

  test('has bounds: too many events, too many bytes, the same event twice, ephemeral events', async () => {
    const bus = await openTestBus({ shards: 1, noPersistTopics: ['live.*'] });
    const many = Array.from({ length: ATOMIC_EVENTS_MAX + 1 }, (_, n) => event('a', n));
    const atomic = { atomic: true } as const;
    await expect(bus.publishMany(many, atomic)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    const large = { ...event('a'), payload: 'x'.repeat(ATOMIC_BYTES_MAX / 5) };
    await expect(bus.publishMany(Array(5).fill(large), atomic)).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
    });
    const twice = [event('a', 1, 'x'), event('a', 2, 'x')];
    await expect(bus.publishMany(twice, atomic)).rejects.toMatchObject({
      code: 'EVENT_INVALID',
      details: { index: 1, field: 'id' },
    });
    const ephemeral = [event('a'), event('live.1')];
    await expect(bus.publishMany(ephemeral, atomic)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
    await expect(
      bus.publishMany([event('a')], { atomic: true, persist: false }),
    ).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    expect(await bus.query({ topic: '*' })).toEqual([]);
    const acks = await bus.publishMany(many.slice(1), atomic);
    expect(acks.at(-1)).toMatchObject({ sequence: ATOMIC_EVENTS_MAX });
  });

  test('is larger than the ring of its link, than a batch, and than the buffer of a block subscription', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 16_384, commitBatchEvents: 3 });
    const slow = await Collector.start(bus, '*', { overflow: 'block', maxBuffer: 2 });
    const events = Array.from({ length: 200 }, (_, n) => ({
      ...event('a', n),
      attributes: { pad: 'x'.repeat(900) },
    }));
    const before = bus.publish(event('b'));
    const acks = await bus.publishMany(events, { atomic: true });
    await before;
    const first = acks[0]!.sequence!;
    expect(acks.map(({ sequence }) => sequence! - first)).toEqual([...events.keys()]);
    await until('all has come', () => slow.events.length === 201);
  });

  test('repeats a whole group as duplicates, and is refused if only some of it is stored', async () => {
    const bus = await openTestBus({ shards: 1 });
    const atomic = { atomic: true } as const;
    const group = [event('a', 1, 'x'), event('b', 2, 'y')];
    const first = await bus.publishMany(group, atomic);
    const again = await bus.publishMany(group, atomic);
    expect(again).toEqual(first.map((ack) => ({ ...ack, duplicate: true })));
    const mixed = [event('a', 3, 'z'), event('b', 2, 'y')];
    await expect(bus.publishMany(mixed, atomic)).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { index: 1, topic: 'b', id: 'y', sequence: 2 },
    });
    const turned = [group[1]!, group[0]!];
    await expect(bus.publishMany(turned, atomic)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await bus.query({ topic: '*' })).toHaveLength(2);
  });

  test('is whole or absent whenever its shard dies', async () => {
    const bus = await openTestBus({ shards: 1, dir: temporaryDirectory() });
    const groups = 60;
    const outcomes: Promise<unknown>[] = [];
    for (let n = 0; n < groups; n++) {
      const events = Array.from({ length: 7 }, (_, k) => event(`g.${n}`, k, `${n}-${k}`));
      outcomes.push(bus.publishMany(events, { atomic: true }));
      if (n % 20 === 10) await controls(bus).killShard(0);
    }
    const settled = await Promise.allSettled(outcomes);
    expect(settled.filter(({ status }) => status === 'rejected')).toEqual([]);
    const stored = await gather(bus.read({ topic: 'g.*' }));
    expect(stored).toHaveLength(groups * 7);
    for (const [at, one] of stored.entries()) expect(one.payload).toBe(at % 7);
  });

  test('rejects with ABORTED while it waits, and is not stored', async () => {
    const bus = await openTestBus({ shards: 1 });
    const signal = AbortSignal.abort();
    const refused = bus.publishMany([event('a')], { atomic: true, signal });
    await expect(refused).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await bus.query({ topic: '*' })).toEqual([]);
  });
});

describe('a publish that expects the last event of its topic', () => {
  test('is stored if it is there, and refused with it if it is another', async () => {
    const bus = await openTestBus({ shards: 1 });
    const first = await bus.publish(event('a', 1), { expect: 'none' });
    const second = await bus.publish(event('a', 2), { expect: { sequence: first.sequence! } });
    await expect(bus.publish(event('a', 3), { expect: 'none' })).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { topic: 'a', expected: 'none', sequence: second.sequence, id: second.id },
    });
    await expect(bus.publish(event('b'), { expect: { sequence: 1 } })).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { topic: 'b', expected: { sequence: 1 } },
    });
    expect((await bus.query({ topic: '*' })).map(({ payload }) => payload)).toEqual([1, 2]);
  });

  test('lets exactly one of many writers win each round, in one batch and over a death', async () => {
    const bus = await openTestBus({ shards: 1 });
    let last = 0;
    for (let round = 0; round < 8; round++) {
      const expectation = last === 0 ? ('none' as const) : { sequence: last };
      const tries = Array.from({ length: 10 }, (_, n) =>
        bus.publish(event('a', n), { expect: expectation }),
      );
      if (round === 4) await controls(bus).killShard(0);
      const outcomes = await Promise.allSettled(tries);
      const won = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      expect(won).toHaveLength(1);
      last = won[0]!.sequence!;
      const codes = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
      expect(new Set(codes)).toEqual(new Set(['CONFLICT']));
    }
    expect(await bus.query({ topic: 'a' })).toHaveLength(8);
  });

  test('is answered as a duplicate if its id is stored already', async () => {
    const bus = await openTestBus({ shards: 1 });
    await bus.publish(event('a', 1, 'x'), { expect: 'none' });
    const again = await bus.publish(event('a', 1, 'x'), { expect: 'none' });
    expect(again).toMatchObject({ sequence: 1, duplicate: true });
  });

  test('goes for each topic of a group, and one that is not met refuses the group', async () => {
    const bus = await openTestBus({ shards: 1 });
    await bus.publish(event('a'));
    const group = [event('a'), event('b'), event('a')];
    const acks = await bus.publishMany(group, {
      atomic: true,
      expect: { a: { sequence: 1 }, b: 'none' },
    });
    expect(acks.map(({ sequence }) => sequence)).toEqual([2, 3, 4]);
    const refused = bus.publishMany(group, {
      atomic: true,
      expect: { a: { sequence: 4 }, b: 'none' },
    });
    await expect(refused).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { index: 1, topic: 'b', sequence: 3 },
    });
    expect(await bus.query({ topic: '*' })).toHaveLength(4);
    for (const expectation of [{ sequence: 4 }, { c: 'none' as const }]) {
      const wrong = bus.publishMany(group, { atomic: true, expect: expectation });
      await expect(wrong).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    }
    const without = bus.publishMany(group, { expect: 'none' });
    await expect(without).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  test('goes by the last event that the topic had, though retention has removed it', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ shards: 1, dir });
    await bus.publish(event('a'));
    await bus.prune({ pattern: 'a', maxEvents: 0 });
    const check = async (of: typeof bus): Promise<void> => {
      await expect(of.publish(event('a'), { expect: 'none' })).rejects.toMatchObject({
        code: 'CONFLICT',
        details: { sequence: 1 },
      });
    };
    await check(bus);
    await bus.close();
    const next = await openTestBus({ dir });
    await check(next);
    await next.publish(event('a'), { expect: { sequence: 1 } });
  });

  test('is refused where nothing would be stored, or if it is no expectation', async () => {
    const bus = await openTestBus({ shards: 1, noPersistTopics: ['live.*'] });
    const live = bus.publish(event('live.1'), { expect: 'none' });
    await expect(live).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    for (const wrong of [{ sequence: 0 }, 'last', 7, { sequence: 1, id: 'x' }]) {
      const options = { expect: wrong } as unknown as { expect: 'none' };
      await expect(bus.publish(event('a'), options)).rejects.toMatchObject({
        code: 'OPTION_INVALID',
      });
    }
  });

  test('reports a refused tryPublish to onError', async () => {
    const errors: string[] = [];
    const bus = await openTestBus({ shards: 1, onError: ({ code }) => errors.push(code) });
    expect(bus.tryPublish(event('a'), { expect: { sequence: 9 } })).toBe(true);
    await until('it is reported', () => errors.length === 1);
    expect(errors).toEqual(['CONFLICT']);
  });
});
