import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { Query } from '../../src/protocol/bus-api.js';
import type { Event } from '../../src/protocol/event.js';
import { matchesPattern } from '../../src/protocol/topic.js';
import { patterns, topics } from './support/arbitraries.js';
import { Collector, gather } from './support/collector.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { expectTopicOrder, linesOf } from './support/oracle.js';
import { holds, propertyTimeoutMs } from './support/properties.js';
import { until, within } from './support/wait.js';

/** Queries by place and time, and what a bus says of its topics, against the plain list of what was published. */
async function publishInRounds(bus: Bus, rounds: readonly (readonly string[])[]): Promise<void> {
  for (const round of rounds) {
    await bus.publishMany(round.map((topic) => ({ topic, type: 'chat_message', payload: topic })));
    // So that rounds differ in the time at which they are recorded.
    const now = Date.now();
    await until('the clock has moved on', () => Date.now() > now);
  }
}

interface Ask {
  readonly topic: string;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  readonly after?: number | undefined;
  readonly limit?: number | undefined;
  readonly reverse?: boolean;
}

const asks: fc.Arbitrary<Ask> = fc.record(
  {
    topic: fc.oneof(patterns, topics, fc.constant('*')),
    since: fc.nat({ max: 100 }),
    until: fc.nat({ max: 100 }),
    after: fc.nat({ max: 100 }),
    limit: fc.constantFrom(1, 3, 20, 1000),
    reverse: fc.boolean(),
  },
  { requiredKeys: ['topic'] },
);

/** Makes the query, with times of the stored events and with cursors noted on the way. */
function questionOf(ask: Ask, all: readonly Event[], cursors: readonly string[]): Query {
  const timeOf = (index: number): string => all[index % all.length]!.timestamp;
  const { topic, since, until: end, after, limit, reverse } = ask;
  return {
    topic,
    ...(since !== undefined && { since: timeOf(since) }),
    ...(end !== undefined && { until: new Date(timeOf(end)) }),
    ...(after !== undefined && { after: cursors[after % cursors.length]! }),
    ...(limit !== undefined && { limit }),
    ...(reverse !== undefined && { reverse }),
  };
}

/** Such a query is a mistake, and refused. */
function isBackwards({ since, until: end }: Query): boolean {
  return since !== undefined && end !== undefined && new Date(since) > new Date(end);
}

function expectedOf(ask: Ask, query: Query, all: readonly Event[], heads: number[][]): Event[] {
  const head = ask.after === undefined ? undefined : heads[ask.after % heads.length]!;
  const time = (value: Date | string | undefined, otherwise: number): number =>
    value === undefined ? otherwise : new Date(value).getTime();
  const since = time(query.since, 0);
  const end = time(query.until, Number.POSITIVE_INFINITY);
  return all.filter(({ topic, timestamp, shard, sequence }) => {
    const recorded = Date.parse(timestamp);
    if (head !== undefined && sequence! <= head[shard]!) return false;
    return matchesPattern(ask.topic, topic) && recorded >= since && recorded < end;
  });
}

/** Checks that the events found are the first or the last of each shard, and as many as the limit allows. */
function expectEnd(found: readonly Event[], expected: readonly Event[], query: Query): void {
  const limit = query.limit ?? 100;
  expect(found).toHaveLength(Math.min(limit, expected.length));
  const ordered = query.reverse ? [...found].reverse() : found;
  expectTopicOrder(ordered, JSON.stringify(query));
  for (const shard of new Set(expected.map((event) => event.shard))) {
    const got = ordered.filter((event) => event.shard === shard);
    const all = expected.filter((event) => event.shard === shard);
    all.sort((a, b) => a.sequence! - b.sequence!);
    const end = query.reverse ? all.slice(all.length - got.length) : all.slice(0, got.length);
    expect(linesOf(got)).toEqual(linesOf(end));
  }
}

describe('a query', () => {
  test(
    'property: by time, cursor, limit and direction gives the same as a plain list',
    async () => {
      const property = fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.array(topics, { minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 5 }),
        fc.array(asks, { minLength: 1, maxLength: 15 }),
        async (shards, rounds, questions) => {
          const dir = temporaryDirectory();
          const bus = await openTestBus({ dir, shards });
          const cursors: string[] = [];
          const heads: number[][] = [];
          const reader = await Collector.start(bus, '*', { from: 'earliest' });
          for (const round of rounds) {
            await publishInRounds(bus, [round]);
            await reader.count(reader.events.length);
            await until('all read', () => reader.subscription.lag === 0);
            await within('drain', bus.drain());
            cursors.push(reader.subscription.cursor);
            heads.push((await bus.stats()).shards.map(({ head }) => head));
          }
          const all = await gather(bus.read({ topic: '*' }));
          for (const ask of questions) {
            const query = questionOf(ask, all, cursors);
            if (isBackwards(query)) {
              await expect(bus.query(query)).rejects.toMatchObject({ code: 'QUERY_INVALID' });
              continue;
            }
            const expected = expectedOf(ask, query, all, heads);
            expectEnd(await bus.query(query), expected, query);
            const { limit, ...unlimited } = query;
            const read = await gather(bus.read(unlimited));
            expectEnd(read, expected, { ...unlimited, limit: 100_000 });
            if (limit === undefined) continue;
            expectEnd(await gather(bus.read(query)), expected, query);
          }
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 10);
    },
    propertyTimeoutMs(10),
  );

  test('over several shards is in the order of recording', async () => {
    const bus = await openTestBus({ shards: 3 });
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    await publishInRounds(
      bus,
      names.map((name) => [name]),
    );
    const forwards = await bus.query<string>({ topic: '*' });
    expect(forwards.map(({ payload }) => payload)).toEqual(names);
    const backwards = await bus.query<string>({ topic: '*', reverse: true, limit: 3 });
    expect(backwards.map(({ payload }) => payload)).toEqual(['h', 'g', 'f']);
    const read = await gather(bus.read<string>({ topic: '*', reverse: true }));
    expect(read.map(({ payload }) => payload)).toEqual([...names].reverse());
  });

  test('finds a rare topic in a long history', async () => {
    const bus = await openTestBus({ shards: 1 });
    const rare = { topic: 'rare', type: 'chat_message', payload: 'rare' };
    for (let round = 0; round < 4; round++) {
      await bus.publish(rare);
      await bus.publishMany(
        Array.from({ length: 4000 }, (_, n) => ({ ...rare, topic: `t.${n % 50}` })),
      );
    }
    expect(await bus.query({ topic: 'rare' })).toHaveLength(4);
    expect(await bus.query({ topic: 'rare', reverse: true, limit: 1 })).toMatchObject([
      { sequence: 3 * 4001 + 1 },
    ]);
    expect(await gather(bus.read({ topic: ['rare', 't.49'] }))).toHaveLength(4 + 4 * 80);
  });

  test('that is left early frees its resources', async () => {
    const bus = await openTestBus({ shards: 2 });
    await bus.publishMany(
      Array.from({ length: 3000 }, (_, n) => ({ topic: `t.${n % 7}`, type: 'a', payload: n })),
    );
    for (let round = 0; round < 20; round++) {
      for await (const event of bus.read({ topic: '*' })) {
        expect(event.sequence).toBe(1);
        break;
      }
    }
    await within('close', bus.close());
  });
});

describe('topics()', () => {
  test(
    'property: gives the number of events of each topic, and its first and last event',
    async () => {
      const property = fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.array(topics, { maxLength: 60 }), { minLength: 1, maxLength: 3 }),
        patterns,
        async (shards, rounds, pattern) => {
          const dir = temporaryDirectory();
          let bus = await openTestBus({ dir, shards });
          await publishInRounds(bus, rounds);
          const all = await gather(bus.read({ topic: '*' }));
          for (const asked of ['*', pattern]) {
            const names = [...new Set(all.map(({ topic }) => topic))];
            const expected = names
              .filter((name) => matchesPattern(asked, name))
              .map((name) => infoOf(all.filter(({ topic }) => topic === name)));
            const byName = (a: { name: string }, b: { name: string }): number =>
              a.name < b.name ? -1 : 1;
            expect([...(await bus.topics(asked))].sort(byName)).toEqual(expected.sort(byName));
            await closeTestBus(bus);
            bus = await openTestBus({ dir });
          }
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 8);
    },
    propertyTimeoutMs(8),
  );
});

function infoOf(events: readonly Event[]) {
  const sorted = [...events].sort((a, b) => a.sequence! - b.sequence!);
  const first = sorted[0]!;
  const last = sorted.at(-1)!;
  return {
    name: first.topic,
    shard: first.shard,
    events: events.length,
    firstSequence: first.sequence,
    lastSequence: last.sequence,
    firstAt: first.timestamp,
    lastAt: last.timestamp,
  };
}
