import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Event, EventInput } from '../../src/protocol/event.js';
import { gather } from './support/collector.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { holds, propertyTimeoutMs } from './support/properties.js';
import { RemoteEndpoint } from './support/remote-endpoint.js';

/** The newest event of each topic. */
const event = (topic: string, n: number, more: Partial<EventInput> = {}): EventInput => ({
  topic,
  type: 'state_updated',
  payload: n,
  ...more,
});

const shown = (events: readonly Event[]) => events.map(({ topic, payload }) => [topic, payload]);

describe('latest', () => {
  test('gives one event of each topic, the oldest of them first', async () => {
    const bus = await openTestBus({ shards: 1 });
    await bus.publishMany([event('a.1', 1), event('a.2', 2), event('b.1', 3), event('a.1', 4)]);
    expect(shown(await gather(bus.latest('a.*')))).toEqual([
      ['a.2', 2],
      ['a.1', 4],
    ]);
    expect(shown(await gather(bus.latest('*', { reverse: true })))).toEqual([
      ['a.1', 4],
      ['b.1', 3],
      ['a.2', 2],
    ]);
    expect(shown(await gather(bus.latest(['b.1', 'a.1', 'b.1', 'c'])))).toEqual([
      ['b.1', 3],
      ['a.1', 4],
    ]);
    expect(shown(await bus.query({ topic: '*', latest: true, limit: 2 }))).toEqual([
      ['a.2', 2],
      ['b.1', 3],
    ]);
  });

  test('chooses among the newest events, and takes no older one instead', async () => {
    const bus = await openTestBus({ shards: 2 });
    await bus.publishMany([
      event('a', 1, { source: 'ada' }),
      event('a', 2, { source: 'bob' }),
      event('b', 3, { source: 'ada' }),
    ]);
    expect(shown(await gather(bus.latest('*', { sources: ['ada'] })))).toEqual([['b', 3]]);
    const [last] = await gather(bus.latest('b'));
    expect(await gather(bus.latest('*', { until: last!.timestamp }))).toHaveLength(
      (await gather(bus.latest('a')))[0]!.timestamp < last!.timestamp ? 1 : 0,
    );
    expect(await gather(bus.latest('*', { since: '2999-01-01T00:00:00Z' }))).toEqual([]);
  });

  test('after a cursor gives only topics with an event since, and its cursors go on', async () => {
    const bus = await openTestBus({ shards: 2 });
    const topics = Array.from({ length: 30 }, (_, n) => `t.${n}`);
    await bus.publishMany(topics.map((topic, n) => event(topic, n)));
    const [first] = await gather(bus.latest('*', { limit: 10 })).then((found) => found.slice(-1));
    const rest = await gather(bus.latest('*', { after: first!.cursor! }));
    expect(rest).toHaveLength(20);
    const [end] = rest.slice(-1);
    expect(await gather(bus.latest('*', { after: end!.cursor! }))).toEqual([]);
    await bus.publishMany([event('t.3', 100), event('t.3', 101)]);
    expect(shown(await gather(bus.latest('*', { after: end!.cursor! })))).toEqual([['t.3', 101]]);
  });

  test('leaves out topics without stored events, ephemeral ones and those of the bus', async () => {
    const bus = await openTestBus({ shards: 1, systemEvents: true });
    await bus.publishMany([event('a', 1), event('b', 2)]);
    await bus.publish(event('a', 3), { persist: false });
    await bus.prune({ pattern: 'b', maxEvents: 0 });
    expect(shown(await gather(bus.latest('*')))).toEqual([['a', 1]]);
    expect(await gather(bus.latest('b'))).toEqual([]);
  });

  test('is the same in an attached worker', async () => {
    const bus = await openTestBus({ shards: 2 });
    await bus.publishMany(Array.from({ length: 600 }, (_, n) => event(`t.${n % 200}`, n)));
    const worker = await RemoteEndpoint.attach(bus);
    const read = await worker.read({ topic: 't.*', latest: true });
    expect(shown(read)).toEqual(shown(await gather(bus.latest('t.*'))));
    expect(read).toHaveLength(200);
    await worker.terminate();
  });

  test('refuses options that are none', async () => {
    const bus = await openTestBus({ shards: 1 });
    const latest = bus.latest as (topic: unknown, options?: unknown) => unknown;
    for (const options of [7, { latset: 1 }, { limit: 0 }, { reverse: 'yes' }]) {
      expect(() => latest.call(bus, '*', options)).toThrow(/query/);
    }
    await expect(bus.query({ topic: '*', latest: 'yes' as never })).rejects.toMatchObject({
      code: 'QUERY_INVALID',
    });
  });

  const steps = fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ topic: fc.nat(12), count: fc.integer({ min: 1, max: 40 }) }),
      },
      { weight: 1, arbitrary: fc.record({ prune: fc.nat(60) }) },
      { weight: 1, arbitrary: fc.constant('reopen' as const) },
    ),
    { maxLength: 25 },
  );

  test(
    'equals a map from topic to event, through pruning and openings',
    async () => {
      await holds(
        fc.asyncProperty(steps, fc.integer({ min: 1, max: 3 }), async (history, shards) => {
          const dir = temporaryDirectory();
          let bus = await openTestBus({ dir, shards });
          let n = 0;
          for (const step of history) {
            if (step === 'reopen') {
              await closeTestBus(bus);
              bus = await openTestBus({ dir });
            } else if ('prune' in step) await bus.prune({ pattern: '*', maxEvents: step.prune });
            else {
              const inputs = Array.from({ length: step.count }, () =>
                event(`t.${step.topic}`, n++),
              );
              await bus.publishMany(inputs);
            }
          }
          const newest = new Map<string, unknown>();
          for await (const { topic, payload } of bus.read({ topic: '*' })) {
            newest.set(topic, payload);
          }
          const found = shown(await gather(bus.latest('*')));
          expect(found).toHaveLength(newest.size);
          expect(new Map(found as [string, unknown][])).toEqual(newest);
          await closeTestBus(bus, dir);
        }),
        8,
      );
    },
    propertyTimeoutMs(8),
  );
});
