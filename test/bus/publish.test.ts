import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EventInput } from '../../src/protocol/event.js';
import { shardOf } from '../../src/protocol/topic-hash.js';
import { Collector, gather } from './support/collector.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { expectWithoutHoles, linesOf } from './support/oracle.js';
import { holds, propertyTimeoutMs } from './support/properties.js';
import { within } from './support/wait.js';

/** The events of a publisher, their acks, and the events that a subscriber gets. */
const note: EventInput = { topic: 'notes.one', type: 'chat_message', payload: { text: 'hello' } };

describe('an ack', () => {
  test('says where the event is and that it is synced', async () => {
    const bus = await openTestBus({ shards: 2 });
    const ack = await bus.publish(note);
    expect(ack).toEqual({
      id: expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
      topic: 'notes.one',
      shard: shardOf('notes.one', 2),
      sequence: 1,
      durability: 'synced',
      duplicate: false,
    });
  });

  test('says written if that was asked for', async () => {
    const bus = await openTestBus({ shards: 1 });
    const ack = await bus.publish(note, { durability: 'written' });
    expect(ack).toMatchObject({ durability: 'written', sequence: 1 });
  });

  test('of an ephemeral event has no sequence, and does not use one up', async () => {
    const bus = await openTestBus({ shards: 1 });
    const live = await Collector.start(bus, '*');
    const ack = await bus.publish(note, { persist: false });
    expect(ack).toMatchObject({ durability: 'none', duplicate: false });
    expect(Object.keys(ack)).not.toContain('sequence');
    expect(await bus.publish(note)).toMatchObject({ sequence: 1 });
    await live.count(2);
    expect(live.events[0]).toMatchObject({ id: ack.id, payload: note.payload });
    expect(Object.keys(live.events[0]!)).not.toContain('sequence');
    expect(await bus.query({ topic: '*' })).toHaveLength(1);
    expect(await bus.topics()).toMatchObject([{ name: 'notes.one', events: 1 }]);
  });

  test('of every shard counts 1, 2, 3 without holes', async () => {
    const bus = await openTestBus({ shards: 3, ringBytes: 4096, commitBatchEvents: 5 });
    const inputs = Array.from({ length: 600 }, (_, n) => ({ ...note, topic: `t.${n % 17}` }));
    const acks = await Promise.all(
      inputs.map((input, n) => bus.publish(input, n % 5 === 0 ? { persist: false } : {})),
    );
    expectWithoutHoles(acks);
    expect(new Set(acks.map(({ shard }) => shard)).size).toBe(3);
  });

  test('comes in the order of the publishes to a topic', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 4096 });
    const acks = await Promise.all(
      Array.from({ length: 500 }, (_, n) => bus.publish({ ...note, payload: { n } })),
    );
    expect(acks.map(({ sequence }) => sequence)).toEqual(acks.map((_, index) => index + 1));
  });
});

describe('publishMany', () => {
  test('returns an ack for each event, in their order', async () => {
    const bus = await openTestBus({ shards: 2 });
    const inputs = Array.from({ length: 50 }, (_, n) => ({ ...note, topic: `t.${n}` }));
    const acks = await bus.publishMany(inputs);
    expect(acks.map(({ topic }) => topic)).toEqual(inputs.map(({ topic }) => topic));
    expectWithoutHoles(acks);
  });

  test('of no events returns no acks', async () => {
    const bus = await openTestBus({ shards: 1 });
    expect(await bus.publishMany([])).toEqual([]);
  });

  test('takes more than the ring holds at once', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: 4096 });
    const inputs = Array.from({ length: 2000 }, (_, n) => ({ ...note, topic: `t.${n % 9}` }));
    const acks = await bus.publishMany(inputs);
    expectWithoutHoles(acks);
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(2000);
  });
});

describe('storing an event', () => {
  test('depends on persist, noPersistTopics and defaultPersist', async () => {
    const bus = await openTestBus({
      shards: 1,
      defaultPersist: false,
      noPersistTopics: ['typing.*'],
    });
    expect(await bus.publish(note)).toMatchObject({ durability: 'none' });
    expect(await bus.publish(note, { persist: true })).toMatchObject({ sequence: 1 });
    const typing = { ...note, topic: 'typing.ada' };
    expect(await bus.publish(typing)).toMatchObject({ durability: 'none' });
    expect(await bus.publish(typing, { persist: true })).toMatchObject({ durability: 'none' });
    expect(await bus.query({ topic: '*' })).toHaveLength(1);
  });

  test('keeps every field as it was given', async () => {
    const bus = await openTestBus({ shards: 1 });
    const live = await Collector.start(bus, '*');
    const given = {
      ...note,
      id: 'my-id_7',
      source: 'größe 雪',
      correlationId: 'run 1/é',
      causationId: 'cause-1',
      attributes: { agentId: 'a1', größe: '', text: 'line\n"quoted" \u0000' },
      timestamp: '2024-02-29T12:34:56.789Z',
    };
    await bus.publish(given);
    await live.count(1);
    const expected = { ...given, shard: 0, sequence: 1 };
    expect(live.events).toEqual([expected]);
    expect(await bus.query({ topic: '*' })).toEqual([expected]);
  });

  test('keeps a type of any printable characters', async () => {
    const bus = await openTestBus({ shards: 1 });
    const live = await Collector.start(bus, '*');
    const given = ['größe_geändert', '雪', '😀'.repeat(63)].map((type) => ({ ...note, type }));
    await bus.publishMany(given);
    await live.count(3);
    const expected = given.map((event) =>
      expect.objectContaining({ ...event, source: 'millrace' }),
    );
    expect(live.events).toEqual(expected);
    expect(await bus.query({ topic: '*' })).toEqual(expected);
    expect(await bus.query({ topic: '*', types: ['雪'] })).toEqual([expected[1]]);
  });

  test('takes a Date as timestamp, and the time of recording if none is given', async () => {
    const bus = await openTestBus({ shards: 1, source: 'scanner' });
    const before = Date.now();
    await bus.publish({ ...note, timestamp: new Date('2020-01-02T03:04:05.006Z') });
    await bus.publish(note);
    const [given, recorded] = await bus.query({ topic: '*' });
    expect(given).toMatchObject({ timestamp: '2020-01-02T03:04:05.006Z', source: 'scanner' });
    expect(recorded!.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Date.parse(recorded!.timestamp)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(recorded!.timestamp)).toBeLessThanOrEqual(Date.now());
  });

  test('sets the source to millrace by default', async () => {
    const bus = await openTestBus({ shards: 1 });
    await bus.publish(note);
    expect(await bus.query({ topic: '*' })).toMatchObject([{ source: 'millrace' }]);
  });

  test('treats a payload by the rules of JSON.stringify', async () => {
    const bus = await openTestBus({ shards: 1 });
    const payload = {
      gone: undefined,
      list: [undefined, () => 1, Symbol('s'), Number.NaN, Number.POSITIVE_INFINITY],
      date: new Date(0),
      own: { toJSON: () => 'replaced' },
      map: new Map([[1, 2]]),
      lone: '\ud800',
      line: '\u2028',
    };
    await bus.publish({ ...note, payload });
    const [event] = await bus.query({ topic: '*' });
    expect(event!.payload).toEqual(JSON.parse(JSON.stringify(payload)));
  });

  test('keeps a key __proto__ in a payload', async () => {
    const bus = await openTestBus({ shards: 1 });
    await bus.publish({ ...note, payload: JSON.parse('{"__proto__":{"polluted":true}}') });
    const [event] = await bus.query({ topic: '*' });
    expect(Object.keys(event!.payload as object)).toEqual(['__proto__']);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  test(
    'property: any JSON value is a payload, live and replayed',
    async () => {
      const property = fc.asyncProperty(
        fc.array(fc.jsonValue({ maxDepth: 4 }), { minLength: 1, maxLength: 30 }),
        fc.constantFrom(4096, 65_536),
        async (payloads, ringBytes) => {
          const dir = temporaryDirectory();
          const bus = await openTestBus({ dir, shards: 1, ringBytes });
          const live = await Collector.start(bus, '*');
          await bus.publishMany(payloads.map((payload) => ({ ...note, payload })));
          await live.count(payloads.length);
          const expected = payloads.map((payload) => JSON.parse(JSON.stringify(payload)));
          expect(live.payloads).toEqual(expected);
          const replayed = await gather(bus.read({ topic: '*' }));
          expect(replayed).toEqual(live.events);
          expect(linesOf(replayed)).toEqual(linesOf(live.events));
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 8);
    },
    propertyTimeoutMs(8),
  );
});

describe('a signal', () => {
  test('has no listener any more once its publish was taken or refused', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 4096, publishWaitMs: 0 });
    const { signal } = new AbortController();
    const input = { topic: 't', type: 'chat_message', payload: 'x'.repeat(100) };
    const publishes = Array.from({ length: 500 }, () => bus.publish(input, { signal }));
    // While the ring is full, so that it is refused before it is in flight.
    const many = bus.publishMany([input, input], { signal });
    const outcomes = await Promise.allSettled([...publishes, many]);
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('gets one listener for any number of publishes, and gives up each of them', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 4096 });
    const controller = new AbortController();
    const { signal } = controller;
    const input = { topic: 't', type: 'chat_message', payload: 'x'.repeat(100) };
    const publishes = Array.from({ length: 500 }, () => bus.publish(input, { signal }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    controller.abort();
    const outcomes = await within('all', Promise.allSettled(publishes));
    const codes = new Set(outcomes.map((one) => one.status === 'rejected' && one.reason.code));
    expect([...codes].sort()).toEqual(['ABORTED', 'PUBLISH_UNKNOWN']);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});
