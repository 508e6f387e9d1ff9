import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventRecordView } from '../../../src/record/event-record.js';
import type { KeptFrom, RetentionRule } from '../../../src/store/pruning.js';
import type { RecordedStep } from '../../../src/store/recorded-step.js';
import type { TopicSummary } from '../../../src/store/shard-log.js';
import type { SqliteShardLog as ShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { record, type TestEvent } from '../records.js';

/**
 * The promises of SQLite's log beyond the contract of every log, which `millrace/testing` checks: roll-backs, its own
 * clocks, the bounds of its dedupe window, and retention; both in a file, where it can be opened again, and in memory.
 */
export interface LogOptions {
  dedupeWindowMs?: number;
  dedupeIdsMax?: number;
  retention?: readonly RetentionRule[];
  /** The wall clock, ms since 1970, and a monotonic clock, ms. */
  now?: () => number;
  elapsed?: () => number;
  steps?: readonly RecordedStep[];
}

export interface LogFactory {
  open(options?: LogOptions): ShardLog;
  reopen?(log: ShardLog, options?: LogOptions): ShardLog;
}

const SUPPLIED_ID = 1 | 4;
const OF_SOURCE = SUPPLIED_ID | 16;
const MINUTE = 60_000;

export function append(log: ShardLog, event: TestEvent = {}, recordedAt = 1000): number {
  const bytes = record({ timestamp: recordedAt, ...event }, 3);
  return log.head + 1 + log.append(bytes, 3, recordedAt);
}

export interface Stored {
  sequence: number;
  recordedAt: number;
  topic: string;
  type: string;
  source: string;
  id: string;
  timestamp: number;
  correlationId: string | undefined;
  causationId: string | undefined;
  attributes: Record<string, string> | undefined;
  payload: unknown;
}

const view = new EventRecordView();

export function decode(
  sequence: number,
  recordedAt: number,
  bytes: Buffer,
  offset: number,
): Stored {
  view.wrap(bytes, offset);
  const { topic, type, source, id, timestamp, correlationId, causationId, attributes } = view;
  const payload: unknown = JSON.parse(view.payloadText);
  const rest = { topic, type, source, id, timestamp, correlationId, causationId, attributes };
  return { sequence, recordedAt, ...rest, payload };
}

export function readAll(log: ShardLog, after = 0, limit = Number.MAX_SAFE_INTEGER): Stored[] {
  const stored: Stored[] = [];
  log.read({ after, limit }, (one) => {
    stored.push(decode(one.sequence, one.recordedAt, one.bytes, one.offset));
    return undefined;
  });
  return stored;
}

/** All topics of a log, in pages. */
export function allTopics(log: ShardLog, pageTopics = 7): TopicSummary[] {
  const names: string[] = [];
  let after = 0;
  do {
    after = log.scanTopics(after, pageTopics, ({ name }) => names.push(name));
  } while (after > 0);
  return names.map((name) => log.topic(name)!);
}

function topicsOf(log: ShardLog): Map<string, unknown> {
  return new Map(allTopics(log).map((summary) => [summary.name, summary]));
}

export function describeSqliteLog(name: string, factory: LogFactory): void {
  describe(`SQLite’s log of a shard, ${name}`, () => {
    describeAppending(factory);
    describeReading(factory);
    describeDedupe(factory);
    describeRetention(factory);
    describeWaiting(factory);
    describeModel(factory);
  });
}

function describeAppending(factory: LogFactory): void {
  it('says how far it is flushed, and flushes the rest on demand', () => {
    const log = factory.open();
    for (const synced of [true, false, false]) {
      append(log);
      log.commit(synced, []);
    }
    expect(log.syncedHead).toBeLessThan(3);
    log.commit(false, []);
    expect(log.syncedHead).toBeLessThan(3);
    log.commit(true, []);
    expect([log.syncedHead, log.head]).toEqual([3, 3]);
    log.close();
  });

  it('forgets everything of a rolled-back batch, and assigns its sequences again', () => {
    const log = factory.open();
    append(log, { topic: 'kept', type: 'kept_type' });
    log.commit(true, []);
    append(log, {
      topic: 'gone',
      type: 'gone_type',
      source: 'gone',
      id: 'gone',
      flags: SUPPLIED_ID,
    });
    append(log, { topic: 'kept' });
    log.rollback();
    expect(log.head).toBe(1);
    expect([...topicsOf(log).keys()]).toEqual(['kept']);
    expect(log.topic('kept')?.events).toBe(1);
    expect(duplicateOf(log, { id: 'gone' })).toBe(0);
    expect(append(log, { topic: 'other', type: 'other_type', source: 'other' })).toBe(2);
    expect(append(log, { topic: 'gone', type: 'gone_type', source: 'gone' })).toBe(3);
    log.commit(false, []);
    expect(readAll(log).map((one) => [one.topic, one.source])).toEqual([
      ['kept', 'tester'],
      ['other', 'other'],
      ['gone', 'gone'],
    ]);
    log.close();
  });

  it('accepts a commit and a roll-back without a batch', () => {
    const log = factory.open();
    log.commit(true, []);
    log.rollback();
    expect(log.head).toBe(0);
    log.close();
  });

  it('stores ring positions with the batch, the newest per endpoint, until they are cleared', () => {
    const log = factory.open();
    append(log);
    log.commit(true, [{ endpoint: 'a', position: 64, firstSequence: 1, settled: 0 }]);
    append(log);
    log.commit(true, [
      { endpoint: 'a', position: 2 ** 40, firstSequence: 2, settled: 0 },
      { endpoint: 'b', position: 8, firstSequence: 0, settled: 0 },
    ]);
    append(log);
    log.rollback();
    expect(log.ringPositions.stored()).toEqual([
      { endpoint: 'a', position: 2 ** 40, firstSequence: 2, settled: 0 },
      { endpoint: 'b', position: 8, firstSequence: 0, settled: 0 },
    ]);
    log.ringPositions.clear();
    expect(log.ringPositions.stored()).toEqual([]);
    log.close();
  });

  it('mixes synced and written batches', () => {
    const log = factory.open();
    for (const synced of [true, false, false, true, false, true, true]) {
      append(log, { flags: synced ? 3 : 1 });
      append(log, { flags: synced ? 1 : 3 });
      log.commit(synced, []);
    }
    expect(log.head).toBe(14);
    expect(readAll(log)).toHaveLength(14);
    log.close();
  });
}

const text = (max: number) => fc.string({ minLength: 1, maxLength: max, unit: 'grapheme' });
const anyEvent: fc.Arbitrary<TestEvent> = fc.record(
  {
    topic: fc.constantFrom('a', 'a.b', 'a.b.c', 'ünï.cødé', 'z'),
    type: fc.constantFrom('one_type', 'two_type', 'three'),
    source: text(20),
    id: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
    correlationId: text(20),
    causationId: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
    attributes: fc.dictionary(fc.constantFrom('k', 'agentId', 'ß'), text(8), { minKeys: 1 }),
    payload: fc.jsonValue(),
    timestamp: fc.integer({ min: 1, max: 2_000_000_000_000 }),
    flags: fc.constantFrom(1, 3, SUPPLIED_ID),
  },
  { requiredKeys: ['topic', 'type', 'source', 'id', 'payload', 'timestamp', 'flags'] },
);

function describeReading(factory: LogFactory): void {
  it('reads exactly the events that were appended', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { minLength: 1, maxLength: 50 }), (events) => {
        const log = factory.open();
        for (const event of events) append(log, event, 1_000_000);
        log.commit(true, []);
        const expected = events.map((event, index) => ({
          sequence: index + 1,
          recordedAt: 1_000_000,
          topic: event.topic,
          type: event.type,
          source: event.source,
          id: event.id,
          timestamp: event.timestamp,
          correlationId: event.correlationId,
          causationId: event.causationId,
          attributes: event.attributes,
          payload: JSON.parse(JSON.stringify(event.payload)),
        }));
        expect(readAll(log)).toEqual(expected);
        log.close();
      }),
      { numRuns: 40 },
    );
  });
}

/** The sequence of the event that this one repeats, or 0. */
export function duplicateOf(log: ShardLog, event: TestEvent): number {
  return log.findDuplicate(record({ flags: SUPPLIED_ID, ...event }, 5), 5);
}

function describeDedupe(factory: LogFactory): void {
  const supplied = (log: ShardLog, event: TestEvent, at = 1000): number =>
    append(log, { flags: SUPPLIED_ID, ...event }, at);

  it('treats the same id on another topic as another event', () => {
    const log = factory.open();
    supplied(log, { topic: 'a', id: 'x' });
    expect(duplicateOf(log, { topic: 'a', id: 'x', source: 'anyone', type: 'any' })).toBe(1);
    expect(duplicateOf(log, { topic: 'b', id: 'x' })).toBe(0);
    expect(duplicateOf(log, { topic: 'ax', id: '' })).toBe(0);
    log.commit(true, []);
    expect(duplicateOf(log, { topic: 'b', id: 'x' })).toBe(0);
    log.close();
  });

  it('treats an id that is the source’s own as another event’s if the source differs', () => {
    const log = factory.open();
    const flags = OF_SOURCE;
    supplied(log, { id: 'x', source: 's', flags });
    log.commit(true, []);
    expect(duplicateOf(log, { id: 'x', source: 's', flags })).toBe(1);
    expect(duplicateOf(log, { id: 'x', source: 't', flags })).toBe(0);
    expect(duplicateOf(log, { id: 'x', source: 's' })).toBe(0);
    expect(duplicateOf(log, { id: 'sx', source: '', flags })).toBe(0);
    log.close();
  });

  it('forgets an id when the window has passed, and then stores its event again', () => {
    let elapsed = 0;
    const log = factory.open({ elapsed: () => elapsed, dedupeWindowMs: 2 * MINUTE });
    supplied(log, { id: 'x' });
    log.commit(true, []);
    elapsed = 2 * MINUTE;
    expect(duplicateOf(log, { id: 'x' })).toBe(1);
    elapsed++;
    expect(duplicateOf(log, { id: 'x' })).toBe(0);
    supplied(log, { id: 'x' });
    log.commit(true, []);
    expect(duplicateOf(log, { id: 'x' })).toBe(2);
    log.close();
  });

  it('remembers an id for the whole window, whatever the wall clock does', () => {
    let elapsed = 0;
    const log = factory.open({ elapsed: () => elapsed, dedupeWindowMs: 2 * MINUTE });
    supplied(log, { id: 'x' }, 1000);
    log.commit(true, []);
    append(log, {}, 100 * MINUTE);
    log.commit(true, []);
    expect(duplicateOf(log, { id: 'x' })).toBe(1);
    supplied(log, { id: 'y' }, 100 * MINUTE);
    log.commit(true, []);
    elapsed = 2 * MINUTE + 1;
    expect([duplicateOf(log, { id: 'x' }), duplicateOf(log, { id: 'y' })]).toEqual([0, 0]);
    log.close();
  });

  it('remembers only the newest ids up to its limit, and loses none to a roll-back', () => {
    const log = factory.open({ elapsed: () => 0, dedupeIdsMax: 100 });
    for (let i = 1; i <= 250; i++) supplied(log, { id: `id-${i}` });
    log.commit(true, []);
    for (let i = 0; i < 90; i++) supplied(log, { id: `gone-${i}` });
    log.rollback();
    expect(duplicateOf(log, { id: 'id-150' })).toBe(0);
    expect(duplicateOf(log, { id: 'id-151' })).toBe(151);
    expect(duplicateOf(log, { id: 'id-250' })).toBe(250);
    expect(duplicateOf(log, { id: 'gone-3' })).toBe(0);
    log.close();
  });

  it('tells how far back it knows every id', () => {
    let elapsed = 0;
    const options = { elapsed: () => elapsed, dedupeWindowMs: 2 * MINUTE, dedupeIdsMax: 2 };
    const log = factory.open(options);
    expect(log.dedupeReachMs).toBe(2 * MINUTE);
    for (const id of ['a', 'b', 'c']) {
      elapsed += 1000;
      supplied(log, { id });
      log.commit(true, []);
    }
    // `a` was added at 1 s and had to be forgotten; `b` was added at 2 s.
    expect(log.dedupeReachMs).toBe(2000);
    elapsed = 2 * MINUTE + 500;
    expect(log.dedupeReachMs).toBe(2 * MINUTE - 500);
    elapsed = 2 * MINUTE + 1000;
    expect(log.dedupeReachMs).toBe(2 * MINUTE);
    log.close();
    const forgetful = factory.open({ dedupeIdsMax: 0 });
    expect(forgetful.dedupeReachMs).toBe(0);
    forgetful.close();
  });

  const { reopen } = factory;
  if (reopen === undefined) return;

  it('still knows an id after it was opened again, even if its event is pruned', () => {
    const times = { now: () => 5000, elapsed: () => 0 };
    let log = factory.open({ ...times, retention: [{ pattern: 'a', maxEvents: 1 }] });
    supplied(log, { topic: 'a', id: 'x' });
    supplied(log, { topic: 'a', id: 'x', source: 's', flags: OF_SOURCE });
    supplied(log, { topic: 'b', id: 'y' });
    append(log, { topic: 'a', id: 'made' });
    append(log, { topic: 'a' });
    log.commit(true, []);
    pruneAll(log, 5000);
    expect(log.topic('a')).toMatchObject({ events: 1, firstSequence: 5 });
    for (let open = 0; open < 2; open++) {
      log = reopen(log, times);
      expect(duplicateOf(log, { topic: 'a', id: 'x' })).toBe(1);
      expect(duplicateOf(log, { topic: 'a', id: 'x', source: 's', flags: OF_SOURCE })).toBe(2);
      expect(duplicateOf(log, { topic: 'a', id: 'x', source: 't', flags: OF_SOURCE })).toBe(0);
      expect(duplicateOf(log, { topic: 'b', id: 'y' })).toBe(3);
      expect(duplicateOf(log, { topic: 'a', id: 'made' })).toBe(0);
    }
    log.close();
  });

  it('judges the last batch again until the next event, whatever else is committed', () => {
    const times = { now: () => 1000, elapsed: () => 0, dedupeIdsMax: 2 };
    let log = factory.open(times);
    for (const id of ['x', 'y', 'z']) supplied(log, { id });
    log.commit(true, []);
    log = reopen(log, times);
    const first = record({ flags: SUPPLIED_ID, id: 'x' }, 5);
    expect(log.ringPositions.findAtLastCommit(first, 5)).toBe(1);
    log.commit(true, [{ endpoint: 'e', position: 8, firstSequence: 0, settled: 0 }]);
    expect(log.ringPositions.findAtLastCommit(first, 5)).toBe(1);
    supplied(log, { id: 'other' });
    log.commit(true, []);
    expect(log.ringPositions.findAtLastCommit(first, 5)).toBe(0);
    log.close();
  });

  it('counts the time before the log was opened again towards the window', () => {
    let elapsed = 0;
    let now = 10 * MINUTE;
    const times = { now: () => now, elapsed: () => elapsed, dedupeWindowMs: 2 * MINUTE };
    let log = factory.open(times);
    supplied(log, { id: 'x' }, now);
    log.commit(true, []);
    now += MINUTE;
    log = reopen(log, times);
    expect(duplicateOf(log, { id: 'x' })).toBe(1);
    elapsed = MINUTE + 1;
    expect(duplicateOf(log, { id: 'x' })).toBe(0);
    log.close();
  });

  it('makes no id older by a step of recorded time', () => {
    let elapsed = 0;
    const times = { now: () => 0, elapsed: () => elapsed, dedupeWindowMs: 2 * MINUTE };
    let log = factory.open({ ...times, now: () => 10 * MINUTE });
    supplied(log, { id: 'before' }, 10 * MINUTE);
    supplied(log, { id: 'after' }, 70 * MINUTE + 1000);
    log.commit(true, []);
    const steps = [{ before: 10 * MINUTE, ms: 60 * MINUTE }];
    const now = 71 * MINUTE;
    log = reopen(log, { ...times, now: () => now, steps });
    expect(duplicateOf(log, { id: 'before' })).toBe(1);
    elapsed = MINUTE + 1;
    expect(duplicateOf(log, { id: 'before' })).toBe(0);
    expect(duplicateOf(log, { id: 'after' })).toBe(2);
    log.close();
  });
}

function pruneAll(log: ShardLog, now: number, keptFrom?: KeptFrom): number {
  let steps = 1;
  while (log.pruning.pruneStep(now, keptFrom)) steps++;
  return steps;
}

function describeRetention(factory: LogFactory): void {
  it('keeps a rule’s newest events, and all events that no rule matches', () => {
    const log = factory.open({ retention: [{ pattern: 'logs.*', maxEvents: 10 }] });
    for (let i = 1; i <= 40; i++) append(log, { topic: i % 2 ? `logs.${i % 4}` : 'facts' }, i);
    log.commit(true, []);
    pruneAll(log, 1e9);
    const left = readAll(log);
    expect(left.filter((one) => one.topic === 'facts')).toHaveLength(20);
    const logs = left.filter((one) => one.topic !== 'facts').map((one) => one.sequence);
    expect(logs).toEqual([21, 23, 25, 27, 29, 31, 33, 35, 37, 39]);
    expect(log.topic('logs.1')).toMatchObject({ events: 5, firstSequence: 21, prunedThrough: 17 });
    expect(log.topic('logs.3')).toMatchObject({ events: 5, firstSequence: 23, prunedThrough: 19 });
    expect(log.topic('facts')).toMatchObject({ events: 20, prunedThrough: 0 });
    log.close();
  });

  it('removes by age, in bounded steps, and never assigns a sequence again', () => {
    const options = { retention: [{ maxAgeMs: 1000 }] };
    let log = factory.open(options);
    for (let i = 1; i <= 5000; i++) append(log, {}, i);
    log.commit(true, []);
    expect(pruneAll(log, 4000)).toBeGreaterThan(2);
    expect(readAll(log)[0]?.sequence).toBe(3000);
    pruneAll(log, 1e9);
    if (factory.reopen) log = factory.reopen(log, options);
    expect(readAll(log)).toEqual([]);
    expect(log.head).toBe(5000);
    expect(log.lastRecordedAt).toBe(5000);
    expect(append(log, {}, 1e9)).toBe(5001);
    log.commit(true, []);
    expect(log.topic('test.topic')).toMatchObject({
      events: 1,
      firstSequence: 5001,
      prunedThrough: 5000,
    });
    log.close();
  });

  it('removes by bytes', () => {
    const log = factory.open({ retention: [{ pattern: '*', maxBytes: 100_000 }] });
    for (let i = 1; i <= 100; i++) append(log, { payload: 'x'.repeat(10_000) }, i);
    log.commit(true, []);
    pruneAll(log, 1e9);
    expect(readAll(log).map((one) => one.sequence)).toEqual([92, 93, 94, 95, 96, 97, 98, 99, 100]);
    log.close();
  });
}

/** Compares rules that wait for consumers with a plain array. */
function describeWaiting(factory: LogFactory): void {
  const limit = fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined });
  const rule = fc.record({
    pattern: fc.constantFrom('*', 'a', 'b'),
    maxEvents: limit,
    maxAgeMs: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
    untilConsumedBy: fc.constant(['worker']),
  });
  const step = fc.record({ events: fc.nat(40), consumed: fc.array(fc.nat(30), { minLength: 2 }) });

  it('keeps what consumers still need, however old, many and large it is', () => {
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 2 }),
        fc.array(step, { maxLength: 8 }),
        (rules, steps) => {
          const log = factory.open({ retention: rules });
          const keptFrom = rules.map(() => 1);
          let model: { sequence: number; topic: string }[] = [];
          for (const { events, consumed } of steps) {
            for (let n = 0; n < events; n++) {
              const topic = n % 3 === 0 ? 'a' : 'b';
              const sequence = append(log, { topic }, log.head + 1 + n);
              model.push({ sequence, topic });
            }
            log.commit(true, []);
            for (const at of keptFrom.keys()) {
              keptFrom[at] = Math.min(log.head + 1, keptFrom[at]! + (consumed[at] ?? 0));
            }
            const now = log.head;
            pruneAll(log, now, (at) => keptFrom[at]!);
            for (const [at, { pattern, maxEvents, maxAgeMs }] of rules.entries()) {
              const own = model.filter(({ topic }) => pattern === '*' || topic === pattern);
              const hasLimit = maxEvents !== undefined || maxAgeMs !== undefined;
              const gone = new Set<object>();
              for (const [index, event] of own.entries()) {
                const isTooMany = own.length - index > (maxEvents ?? Number.POSITIVE_INFINITY);
                const isOld = maxAgeMs !== undefined && event.sequence < now - maxAgeMs;
                if ((hasLimit && !isTooMany && !isOld) || event.sequence >= keptFrom[at]!) break;
                gone.add(event);
              }
              model = model.filter((event) => !gone.has(event));
            }
            const left = readAll(log).map(({ sequence, topic }) => ({ sequence, topic }));
            expect(left).toEqual(model);
          }
          log.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('removes nothing by a rule that waits while nobody says how far its consumers are', () => {
    const retention = [{ maxEvents: 1, untilConsumedBy: ['worker'] }];
    const log = factory.open({ retention });
    for (let n = 0; n < 10; n++) append(log);
    log.commit(true, []);
    expect([log.pruning.pruneStep(1e9), log.prunedEvents]).toEqual([false, 0]);
    expect(
      log.pruning.prune({ pattern: '*', excessEvents: 9, excessBytes: 0, after: 0 }).events,
    ).toBe(9);
    log.close();
  });
}

interface ModelEvent {
  sequence: number;
  topic: string;
  id: string;
}

/**
 * Compares the log with a plain array over random batches, roll-backs, prunings and, if the log allows it, reopenings.
 */
function describeModel(factory: LogFactory): void {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('commit'),
        events: fc.array(anyEvent, { maxLength: 40 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('rollback'),
        events: fc.array(anyEvent, { maxLength: 40 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('prune', 'maintain', 'reopen') }) },
  );

  it('agrees with a plain array through any run of batches, roll-backs, prunings and reopenings', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
        const options: LogOptions = { retention: [{ pattern: 'a.*', maxEvents: 30 }] };
        let log = factory.open(options);
        let model: ModelEvent[] = [];
        let head = 0;
        for (const one of steps) {
          if ('events' in one) {
            const appended = one.events.map((event) => ({
              sequence: append(log, event, 1_000_000),
              topic: event.topic!,
              id: event.id!,
            }));
            if (one.kind === 'rollback') log.rollback();
            else {
              log.commit(true, []);
              model.push(...appended);
              head += appended.length;
            }
          } else if (one.kind === 'prune') {
            pruneAll(log, 0);
            const under = model.filter((event) => event.topic.startsWith('a.'));
            const gone = new Set(under.slice(0, Math.max(0, under.length - 30)));
            model = model.filter((event) => !gone.has(event));
          } else if (one.kind === 'maintain') while (log.maintain());
          else if (factory.reopen) log = factory.reopen(log, options);
          expect(log.head).toBe(head);
        }
        const stored = readAll(log).map(({ sequence, topic, id }) => ({ sequence, topic, id }));
        expect(stored).toEqual(model);
        for (const { name, events, firstSequence } of allTopics(log)) {
          const own = model.filter((event) => event.topic === name);
          expect([name, events, firstSequence]).toEqual([name, own.length, own[0]?.sequence ?? 0]);
        }
        log.close();
      }),
      { numRuns: 60 },
    );
  });
}
