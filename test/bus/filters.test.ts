import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Query } from '../../src/protocol/bus-api.js';
import type { Event } from '../../src/protocol/event.js';
import type { Filter } from '../../src/protocol/filter.js';
import { matchesPattern } from '../../src/protocol/topic.js';
import { eventFields, filters, patterns, topics } from './support/arbitraries.js';
import { Collector, gather } from './support/collector.js';
import { EventFilter } from './support/millrace.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { expectSameHistory, matchesFilter } from './support/oracle.js';
import { holds, propertyTimeoutMs } from './support/properties.js';
import { until, within } from './support/wait.js';

/** Filters mean the same live, in a replay, in a query and in a read: what the plain oracle says. */
describe('a filter', () => {
  test('selects by types, categories, sources, correlation ids and attributes', async () => {
    const bus = await openTestBus({ shards: 2 });
    const event = { topic: 'a.b', type: 'agent_log', payload: 0, source: 'ada' };
    const more = { correlationId: 'run-1', attributes: { agentId: '7', taskId: '9' } };
    const count = async (filter: Filter): Promise<number> => {
      const collector = await Collector.start(bus, filter, { from: 'earliest' });
      await until('caughtUp', () => collector.caughtUp.length === 1);
      await within('drain', collector.subscription.drain());
      return collector.events.length;
    };
    await bus.publishMany([event, { ...event, ...more }, { ...event, type: 'agent' }]);
    expect(await count({ topics: ['a.*'] })).toBe(3);
    expect(await count({ topics: ['a.*'], types: ['agent_log'] })).toBe(2);
    expect(await count({ topics: ['a.*'], categories: ['agent'] })).toBe(3);
    expect(await count({ topics: ['a.*'], sources: ['grace'] })).toBe(0);
    expect(await count({ topics: ['a.*'], correlationIds: ['run-1', 'run-2'] })).toBe(1);
    expect(await count({ topics: ['+.b'], attributes: { agentId: ['7', '8'] } })).toBe(1);
    expect(await count({ topics: ['+.b'], attributes: { agentId: ['7'], taskId: ['1'] } })).toBe(0);
    expect(await count({ topics: ['b', 'a.b', 'a.*', '*'] })).toBe(3);
  });

  test('of EventFilter selects what its name says', async () => {
    const bus = await openTestBus({ shards: 2 });
    const event = { topic: 'a.b', type: 'agent_log', payload: 0 };
    const filters = [
      EventFilter.all(),
      EventFilter.forAgent('7'),
      EventFilter.forTask('8'),
      EventFilter.forWorkflow('9'),
      EventFilter.forCategories('agent', 'task'),
    ];
    const collectors = await Promise.all(filters.map((filter) => Collector.start(bus, filter)));
    await bus.publishMany([
      { ...event, type: 'chat_message', payload: 'plain' },
      { ...event, type: 'task_failed', payload: 'task', attributes: { taskId: '8' } },
      { ...event, payload: 'agent', attributes: { agentId: '7' } },
      { ...event, type: 'workflow_paused', payload: 'flow', attributes: { workflowId: '9' } },
    ]);
    await collectors[0]!.count(4);
    await within('drain', bus.drain());
    expect(collectors.map(({ payloads }) => payloads)).toEqual([
      ['plain', 'task', 'agent', 'flow'],
      ['agent'],
      ['task'],
      ['flow'],
      ['task', 'agent'],
    ]);
  });

  test('with several patterns that match a topic delivers an event once', async () => {
    const bus = await openTestBus({ shards: 1 });
    const live = await Collector.start(bus, ['a.b', 'a.*', 'a.+', '+.b', '*.b', '*']);
    await bus.publish({ topic: 'a.b', type: 'chat_message', payload: 1 });
    await bus.publish({ topic: 'z', type: 'chat_message', payload: 2 });
    await live.count(2);
    await within('drain', bus.drain());
    expect(live.payloads).toEqual([1, 2]);
  });

  test(
    'property: selects the same events live, in a replay, a query and a read as the oracle',
    async () => {
      const property = fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(filters, { minLength: 1, maxLength: 8 }),
        fc.array(eventFields, { minLength: 1, maxLength: 120 }),
        async (shards, wanted, fields) => {
          const dir = temporaryDirectory();
          const bus = await openTestBus({ dir, shards });
          const live = await Promise.all(wanted.map((filter) => Collector.start(bus, filter)));
          const inputs = fields.map((field, n) => ({ ...field, payload: n }));
          await bus.publishMany(inputs);
          const all = await gather(bus.read({ topic: '*' }));
          expect(all).toHaveLength(inputs.length);
          for (const [index, filter] of wanted.entries()) {
            const expected = all.filter((event) => matchesFilter(filter, event));
            await live[index]!.count(expected.length);
            await within('drain', bus.drain());
            expectSameHistory(live[index]!.events, expected, 'live');
            const replay = await Collector.start(bus, filter, { from: 'earliest' });
            await replay.count(expected.length);
            await within('drain', bus.drain());
            expectSameHistory(replay.events, expected, 'replay');
            if (filter.categories !== undefined) continue;
            await expectQueriesAgree(bus, filter, expected);
          }
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 10);
    },
    propertyTimeoutMs(10),
  );

  test(
    'property: with a wildcard delivers the same as the naive matcher',
    async () => {
      const property = fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(patterns, { minLength: 1, maxLength: 40 }),
        fc.array(topics, { minLength: 1, maxLength: 80 }),
        async (shards, wanted, published) => {
          const dir = temporaryDirectory();
          const bus = await openTestBus({ dir, shards });
          const live = await Promise.all(wanted.map((pattern) => Collector.start(bus, pattern)));
          await bus.publishMany(
            published.map((topic, n) => ({ topic, type: 'chat_message', payload: n })),
          );
          const all = await gather(bus.read({ topic: '*' }));
          for (const [index, pattern] of wanted.entries()) {
            const expected = all.filter(({ topic }) => matchesPattern(pattern, topic));
            await live[index]!.count(expected.length);
          }
          await within('drain', bus.drain());
          for (const [index, pattern] of wanted.entries()) {
            const expected = all.filter(({ topic }) => matchesPattern(pattern, topic));
            expectSameHistory(live[index]!.events, expected, pattern);
          }
          await expectSubscribersAgree(bus, live, wanted, published[0]!);
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 10);
    },
    propertyTimeoutMs(10),
  );
});

type TestBus = Awaited<ReturnType<typeof openTestBus>>;

async function expectQueriesAgree(
  bus: TestBus,
  filter: Filter,
  expected: readonly Event[],
): Promise<void> {
  const { topics: topic, types, sources, correlationIds, attributes } = filter;
  const query: Query = {
    topic,
    ...(types && { types }),
    ...(sources && { sources }),
    ...(correlationIds && { correlationIds }),
    ...(attributes && { attributes }),
  };
  expectSameHistory(await bus.query({ ...query, limit: 1000 }), expected, 'query');
  expectSameHistory(await gather(bus.read(query)), expected, 'read');
  const reversed = await bus.query({ ...query, limit: 1000, reverse: true });
  expectSameHistory(reversed.reverse(), expected, 'query in reverse');
  const few = await bus.query({ ...query, limit: 3 });
  expect(few).toHaveLength(Math.min(3, expected.length));
}

async function expectSubscribersAgree(
  bus: TestBus,
  live: readonly Collector[],
  wanted: readonly string[],
  topic: string,
): Promise<void> {
  const infos = await bus.subscribers(topic);
  const expected = wanted.flatMap((pattern, index) =>
    matchesPattern(pattern, topic) ? [live[index]!.subscription.id] : [],
  );
  expect(infos.map(({ id }) => id).sort()).toEqual(expected.sort());
}
