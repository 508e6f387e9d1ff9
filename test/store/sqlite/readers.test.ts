import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Filter } from '../../../src/protocol/filter.js';
import { matchesPattern } from '../../../src/protocol/topic.js';
import { decodePage, type Page, type PageRequest } from '../../../src/store/page.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { SqliteHistory } from '../../../src/store/sqlite/reading/open-history.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { INDEX_BLOCK_EVENTS } from '../../../src/store/sqlite/tables/tables.js';
import { temporaryDirectory } from '../directories.js';
import { append } from './sqlite-log-promises.js';

interface Known {
  sequence: number;
  recordedAt: number;
  id: string;
  topic: string;
  type: string;
  source: string;
  correlationId?: string;
  agentId?: string;
}

/** A log with two blocks in the index and a part of one that is not, and topics of every frequency. */
const EVENTS = Math.floor(INDEX_BLOCK_EVENTS * 2.3);
const PRUNED_TOPIC = 'logs.pruned';
const KEPT_OF_PRUNED = 100;
/** Some events have the same id: the bus makes them, so that it looks for no repeats. */
const IDS = 5000;

const known: Known[] = [];
const dir = temporaryDirectory();
const file = shardFile(dir, 0);
let readers: SqliteHistory;
let log: SqliteShardLog;
let memory: SqliteShardLog;

function eventAt(i: number): Omit<Known, 'sequence' | 'recordedAt'> {
  const topic =
    i % 3 === 0
      ? `logs.${i % 97}`
      : i % 5000 === 1
        ? 'rare'
        : i % 7 === 0
          ? PRUNED_TOPIC
          : `data.${i % 2}.deep`;
  const type = i % 11 ? 'task_done' : i % 1001 ? 'agent_log' : 'rare_type';
  const source = i % 601 ? `s${i % 3}` : `ünïcode ${i % 5}`;
  const rest = { id: `e${i % IDS}`, topic, type, source };
  if (i % 13 === 0) return { ...rest, correlationId: `c${i % 4}` };
  if (i % 2 === 0) return { ...rest, correlationId: `run-${i >> 7}` };
  return i % 17 === 0 ? { ...rest, agentId: `a${i % 5}` } : rest;
}

function fill(into: SqliteShardLog): void {
  for (let i = 0; i < EVENTS; i++) {
    const { agentId, ...event } = eventAt(i);
    append(
      into,
      agentId === undefined ? event : { ...event, attributes: { agentId } },
      1000 + (i >> 3),
    );
    if (i % 1000 === 999) into.commit(false, []);
  }
  into.commit(true, []);
  while (into.maintain());
  while (into.pruning.pruneStep(0));
}

beforeAll(() => {
  const retention = [{ pattern: PRUNED_TOPIC, maxEvents: KEPT_OF_PRUNED }];
  log = new SqliteShardLog({ file, shard: 0, retention });
  memory = new SqliteShardLog({ file: ':memory:', shard: 0, retention });
  fill(log);
  fill(memory);
  for (let i = 0; i < EVENTS; i++) {
    known.push({ sequence: i + 1, recordedAt: 1000 + (i >> 3), ...eventAt(i) });
  }
  const pruned = known.filter((one) => one.topic === PRUNED_TOPIC).slice(0, -KEPT_OF_PRUNED);
  const gone = new Set(pruned);
  known.splice(0, known.length, ...known.filter((one) => !gone.has(one)));
  readers = new SqliteHistory(dir);
});

afterAll(async () => {
  readers.close();
  log.close();
  memory.close();
});

function fits(event: Known, request: PageRequest): boolean {
  const { filter, id, after, until = EVENTS, sinceMs = 0, untilMs = 1e12 } = request;
  if (id !== undefined && id !== event.id) return false;
  const { sequence, recordedAt } = event;
  if (sequence <= after || sequence > until || recordedAt < sinceMs || recordedAt >= untilMs) {
    return false;
  }
  if (filter === undefined) return true;
  return (
    filter.topics.some((pattern) => matchesPattern(pattern, event.topic)) &&
    (filter.types?.includes(event.type) ?? true) &&
    (filter.categories?.includes(event.type.split('_')[0]!) ?? true) &&
    (filter.sources?.includes(event.source) ?? true) &&
    (filter.correlationIds?.includes(event.correlationId ?? '') ?? true) &&
    (filter.attributes?.agentId?.includes(event.agentId ?? '') ?? true)
  );
}

/** Follows a request to its end, or as long as it has found fewer than so many events. */
async function readWhole(
  page: (request: PageRequest) => Page | Promise<Page>,
  request: PageRequest,
  enough = Number.POSITIVE_INFINITY,
): Promise<number[]> {
  const sequences: number[] = [];
  let rest = request;
  while (sequences.length < enough) {
    const found = await page(rest);
    let count = 0;
    decodePage(found, (record) => {
      count++;
      sequences.push(record.sequence);
    });
    expect(count).toBe(found.count);
    expect(count).toBeLessThanOrEqual(request.limit);
    expect(found.head).toBe(EVENTS);
    if (found.done) return sequences;
    rest = request.reverse ? { ...rest, until: found.next } : { ...rest, after: found.next };
  }
  return sequences;
}

const topics = fc.constantFrom(
  ['*'],
  ['rare'],
  ['logs.*'],
  ['logs.5', 'rare', 'nowhere'],
  [PRUNED_TOPIC],
  ['data.+.deep'],
  ['data.0.deep'],
  ['nowhere.*'],
);

const filters: fc.Arbitrary<Filter> = fc.record(
  {
    topics,
    types: fc.constantFrom(['task_done'], ['agent_log'], ['rare_type'], ['none']),
    categories: fc.constantFrom(['agent'], ['task', 'agent']),
    sources: fc.constantFrom(['s1'], ['s0', 's2'], ['ünïcode 0'], ['ünïcode 3', 'nobody']),
    correlationIds: fc.oneof(
      fc.constantFrom(['c1'], ['c0', 'c3'], ['nowhere']),
      fc.uniqueArray(
        fc.integer({ min: 0, max: EVENTS >> 7 }).map((run) => `run-${run}`),
        { minLength: 1, maxLength: 200 },
      ),
    ),
    attributes: fc.constantFrom({ agentId: ['a1'] }, { agentId: ['a2', 'a4'] }),
  },
  { requiredKeys: ['topics'] },
);

const requests: fc.Arbitrary<PageRequest> = fc.record(
  {
    filter: filters,
    after: fc.integer({ min: 0, max: EVENTS + 10 }),
    until: fc.integer({ min: 0, max: EVENTS + 10 }),
    sinceMs: fc.integer({ min: 900, max: 1000 + (EVENTS >> 3) }),
    untilMs: fc.integer({ min: 900, max: 2000 + (EVENTS >> 3) }),
    limit: fc.constantFrom(500, 1024, 10_000),
    limitBytes: fc.constantFrom(50_000, 1_000_000),
    reverse: fc.boolean(),
  },
  { requiredKeys: ['after', 'limit'] },
);

describe('readers', () => {
  it('find exactly the events that a request asks for, in its order', async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        const expected = known.filter((one) => fits(one, request)).map((one) => one.sequence);
        if (request.reverse) expected.reverse();
        expect(await readWhole((one) => readers.page(0, one), request)).toEqual(expected);
        expect(await readWhole((one) => memory.page(one), request)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it('find the same in pages of few events, and in pages that have no time', async () => {
    const few = fc.record(
      {
        filter: filters,
        id: fc.oneof(
          fc.nat({ max: IDS }).map((n) => `e${n}`),
          fc.constant('nowhere'),
        ),
        after: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: EVENTS })),
        until: fc.integer({ min: 0, max: EVENTS + 10 }),
        limit: fc.constantFrom(1, 2, 63, 64, 65, 128),
        timeMs: fc.constantFrom(-1, 1),
        reverse: fc.boolean(),
      },
      { requiredKeys: ['after', 'limit'] },
    );
    await fc.assert(
      fc.asyncProperty(few, async (request) => {
        const enough = 4 * request.limit;
        const expected = known.filter((one) => fits(one, request)).map((one) => one.sequence);
        if (request.reverse) expected.reverse();
        for (const page of [
          (one: PageRequest) => readers.page(0, one),
          (one: PageRequest) => memory.page(one),
        ]) {
          const found = await readWhole(page, request, enough);
          expect(found).toEqual(expected.slice(0, Math.max(found.length, enough)));
        }
      }),
      { numRuns: 200 },
    );
  });

  it.each([['*'], ['logs.*'], ['data.0.deep'], [PRUNED_TOPIC]])(
    'page backwards over %s and find every event once',
    async (pattern) => {
      const request = { filter: { topics: [pattern] }, after: 0, limit: 700, reverse: true };
      const expected = known.filter((one) => fits(one, request)).map((one) => one.sequence);
      expected.reverse();
      expect(await readWhole((one) => readers.page(0, one), request)).toEqual(expected);
      expect(await readWhole((one) => memory.page(one), request)).toEqual(expected);
    },
  );

  it('hand over whole records', async () => {
    const request: PageRequest = { filter: { topics: ['rare'] }, after: 0, limit: 1 };
    const page = readers.page(0, request);
    decodePage(page, ({ sequence, recordedAt, bytes, offset, length }) => {
      expect([sequence, recordedAt]).toEqual([2, 1000]);
      expect(bytes.toString('utf8', offset, offset + length)).toContain('rare');
    });
    expect(page.count).toBe(1);
  });

  it('find the position of a time, also among pruned events', async () => {
    for (const time of [0, 999, 1000, 1001, 1500, 1000 + (EVENTS >> 3), 1e12]) {
      const before = known.filter((one) => one.recordedAt < time);
      expect(readers.positionAt(0, time)).toBe(before[before.length - 1]?.sequence ?? 0);
    }
  });

  it('see events that were committed after they opened', async () => {
    const other = temporaryDirectory();
    const live = new SqliteShardLog({ file: shardFile(other, 0), shard: 0 });
    const own = new SqliteHistory(other);
    const filter = { topics: ['new.*'] };
    append(live, { topic: 'old' });
    live.commit(true, []);
    expect(own.page(0, { filter, after: 0, limit: 10 }).count).toBe(0);
    append(live, { topic: 'new.1' });
    live.commit(true, []);
    expect(own.page(0, { filter, after: 0, limit: 10 }).count).toBe(1);
    own.close();
    live.close();
  });

  it('name the damaged event', async () => {
    const other = temporaryDirectory();
    const damaged = new SqliteShardLog({ file: shardFile(other, 0), shard: 0 });
    for (let i = 0; i < 5; i++) append(damaged);
    damaged.commit(true, []);
    damaged.close();
    const database = openDatabase(shardFile(other, 0));
    database.exec("UPDATE events SET id = 'changed' WHERE sequence = 3");
    database.close();
    const own = new SqliteHistory(other);
    const details = expect.objectContaining({ shard: 0, sequence: 3 });
    expect(() => own.page(0, { after: 0, limit: 10 })).toThrow(
      expect.objectContaining({ code: 'STORE_CORRUPT', details }),
    );
    expect(own.page(0, { after: 3, limit: 10 }).count).toBe(2);
    own.close();
  });
});
