/** What a shard says about a consumer, at times that the test sets. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { SETTLE_ACK, SETTLE_NAK, SETTLE_TERM } from '../../../../src/link/consumer-records.js';
import type { ConsumerOptions } from '../../../../src/protocol/consumers.js';
import { CONSUMER_ENTRIES_PER_ANSWER } from '../../../../src/protocol/limits/consumers.js';
import {
  blockedOf,
  type DeskView,
  heldKeysPage,
  openPage,
  stateOf,
} from '../../../../src/shards/consumers/calls/questions.js';
import { deskFigures, NO_CONSUMERS } from '../../../../src/shards/consumers/figures.js';
import { shardFile } from '../../../../src/store/sqlite/connection/schema.js';
import { SqliteShardLog } from '../../../../src/store/sqlite/sqlite-shard-log.js';
import { temporaryDirectory } from '../../../bus/support/open.js';
import { record } from '../../../store/records.js';
import { makeShard, memoryLog } from '../../support.js';
import { entryOf, publish, type Rig, TestMember, withDead, working } from '../rig.js';

/** The desk of a rig with other clocks, or another head of the log. */
function viewOf({ shard }: Pick<Rig, 'shard'>, rest: Partial<DeskView> = {}): DeskView {
  const { log, store, members, events, now, recordedAt } = shard.desk!;
  return { log, store, members, events, now, recordedAt, isFull: false, ...rest };
}

const one = ({ shard }: Pick<Rig, 'shard'>) => shard.desk!.consumer('c1');
const askedFor = (after: number, limit: number) => ({ consumer: 'c1', after, limit });

/** The log with another head; it has all its events. */
const withHead = (log: DeskView['log'], head: number): DeskView['log'] =>
  new Proxy(log, {
    get: (of, name) => {
      const value: unknown = name === 'head' ? head : Reflect.get(of, name, of);
      return typeof value === 'function' ? value.bind(of) : value;
    },
  });

/** Follows the pages to the end. @returns what was on each */
function pagesOf<T>(
  page: (after: number) => { events: readonly T[]; next: number | null },
): (readonly T[])[] {
  const pages: (readonly T[])[] = [];
  for (let after: number | null = 0; after !== null; ) {
    const { events, next } = page(after);
    pages.push(events);
    after = next;
  }
  return pages;
}

describe('the counts of a consumer', () => {
  it('are the sums of its lanes', () => {
    const rig = working({ priority: ['jobs.urgent', 'jobs.soon'], maxAttempts: 9 });
    const topics = ['jobs.urgent', 'jobs.soon', 'jobs.soon', 'jobs.n', 'jobs.n', 'jobs.n'];
    for (const [n, topic] of topics.entries()) publish(rig.link, n, topic);
    rig.turn();
    const leases = rig.one.leases();
    const of = (...sequences: number[]) =>
      leases.filter(({ sequence }) => sequences.includes(sequence));
    rig.one.settle(SETTLE_ACK, of(1, 2, 4));
    rig.one.settle(SETTLE_NAK, of(3, 5, 6), 0);
    rig.turn();
    const state = stateOf(viewOf(rig), one(rig));
    expect(state).toMatchObject({ acked: 3, redelivered: 3, lost: 0, expired: 0, dead: 0 });
    expect(state).toMatchObject({ open: 3, isLevel: false, head: 6, position: 6, floor: 2 });
    rig.shard.applyConsumers([
      entryOf({ priority: ['jobs.urgent', 'jobs.soon'] }, { round: 2, position: 6 }),
    ]);
    expect(stateOf(viewOf(rig), one(rig)).isLevel).toBe(true);
  });

  it('have the events that were lost, in any lane', () => {
    const priority = ['jobs.urgent'];
    const rig = working({ priority }, 0);
    for (const [n, topic] of ['jobs.urgent', 'jobs.n', 'jobs.n'].entries()) {
      publish(rig.link, n, topic);
    }
    rig.turn();
    rig.link.call('pruneStep', { pattern: '*', excessEvents: 3, excessBytes: 0, after: 0 });
    rig.turn();
    rig.turn();
    expect(stateOf(viewOf(rig), one(rig))).toMatchObject({ lost: 3, open: 0 });
  });

  it('have the events whose time was over, in any lane', () => {
    const now = Date.now();
    const rig = working({ priority: ['jobs.urgent'] }, 0);
    for (const topic of ['jobs.urgent', 'jobs.n', 'jobs.n']) {
      rig.link.publish({ topic, timestamp: now, expiry: now + 60_000 });
    }
    rig.turn();
    rig.shard.desk!.expired([1, 3]);
    expect(stateOf(viewOf(rig), one(rig))).toMatchObject({ expired: 2, open: 1 });
  });

  it('reach no further than the log, as far as a batch is not committed', () => {
    const rig = working();
    for (let n = 1; n <= 4; n++) publish(rig.link, n);
    rig.turn();
    rig.one.settle(SETTLE_ACK, rig.one.leases());
    rig.turn();
    const { log } = rig.shard.desk!;
    expect(stateOf(viewOf(rig, { log: withHead(log, 3) }), one(rig))).toMatchObject({
      position: 3,
      floor: 3,
      head: 3,
    });
    expect(stateOf(viewOf(rig), one(rig))).toMatchObject({ position: 4, floor: 4 });
  });

  it('have events that were not read again as held', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const before = working({ order: 'topic' }, 9, new SqliteShardLog({ file, shard: 0 }));
    for (let n = 1; n <= 3; n++) publish(before.link, n, `jobs.n${n}`);
    before.turn();
    before.log.close();
    const log = new SqliteShardLog({ file, shard: 0 });
    onTestFinished(() => log.close());
    const made = makeShard(log);
    made.shard.applyConsumers([entryOf({ order: 'topic' })]);
    const state = () => stateOf(viewOf(made), one(made));
    expect(state()).toMatchObject({ open: 3, held: 3, ready: 0 });
    made.turn();
    expect(state()).toMatchObject({ open: 3, held: 0, ready: 3 });
  });

  it('have the age of the oldest open event by recorded time, where the log has it', () => {
    const log = memoryLog([]);
    for (const recordedAt of [100, 200, 300]) {
      log.append(record({ topic: 'jobs.a', timestamp: 1 }), 0, recordedAt);
    }
    log.commit(true, []);
    const rig = working({}, 16, log);
    const age = (recordedAt: number) =>
      stateOf(viewOf(rig, { recordedAt: () => recordedAt }), one(rig)).oldestAgeMs;
    expect([age(1000), age(100), age(50)]).toEqual([900, 0, 0]);
    for (let turns = 0; turns < 3; turns++) rig.turn();
    const [first, second, third] = rig.one.leases();
    rig.one.settle(SETTLE_ACK, [first!]);
    rig.turn();
    expect(age(1000)).toBe(800);
    rig.link.call('pruneStep', { pattern: '*', excessEvents: 2, excessBytes: 0, after: 0 });
    rig.turn();
    // It is leased, and its holder may still acknowledge it.
    expect(age(1000)).toBeNull();
    rig.one.settle(SETTLE_ACK, [second!]);
    rig.turn();
    expect(age(1000)).toBe(700);
    rig.one.settle(SETTLE_ACK, [third!]);
    rig.turn();
    expect(age(1000)).toBeNull();
  });

  it('of all consumers are their sums, with what none of them has come to', () => {
    const rig = withDead(3, { maxAhead: 4 });
    rig.shard.applyConsumers([
      entryOf({ maxAttempts: 3, maxAhead: 4 }),
      entryOf({ maxAhead: 1 }, { id: 'c2', name: 'other', gate: 1 }),
    ]);
    const totals = () => deskFigures(rig.shard.desk!);
    rig.turn();
    rig.turn();
    expect(totals()).toEqual({ count: 2, pending: 3, inFlight: 0, waiting: 0, dead: 3 });
    for (let n = 4; n <= 6; n++) publish(rig.link, n);
    rig.turn();
    const leases = rig.one.leases();
    rig.one.settle(SETTLE_NAK, leases.slice(0, 1), 60_000);
    rig.turn();
    expect(totals()).toEqual({ count: 2, pending: 3 + 6, inFlight: 2, waiting: 1, dead: 3 });
    const { log, store, roster } = rig.shard.desk!;
    const behind = { log: withHead(log, 2), store, roster } as never;
    // A batch that is not committed.
    expect(deskFigures(behind)).toMatchObject({ pending: 3 + 1 + 1 });
    rig.shard.applyConsumers([]);
    expect(totals()).toEqual(NO_CONSUMERS);
    expect(NO_CONSUMERS).toEqual({ count: 0, pending: 0, inFlight: 0, waiting: 0, dead: 0 });
  });
});

describe('the open events of a consumer', () => {
  it.each([
    [7, 3],
    [6, 3],
    [1, 1],
    [3, 0],
  ])('come in pages: %i events, %i at a time', (count, limit) => {
    const rig = working({}, 0);
    for (let n = 1; n <= count; n++) publish(rig.link, n);
    rig.turn();
    const pages = pagesOf((after) => openPage(viewOf(rig), one(rig), askedFor(after, limit)));
    expect(pages.flat().map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: count }, (_, at) => at + 1),
    );
    expect(pages).toHaveLength(Math.ceil(count / Math.max(1, limit)));
  });

  it.each([
    [7, 3],
    [6, 3],
  ])('come in pages by the keys that hold them: %i keys, %i at a time', (count, limit) => {
    const rig = working({ order: 'topic' });
    for (let n = 0; n < 3 * count; n++) publish(rig.link, n, `jobs.n${n % count}`);
    rig.turn();
    const pages = pagesOf((after) => heldKeysPage(viewOf(rig), one(rig), askedFor(after, limit)));
    expect(pages.flat()).toMatchObject(
      Array.from({ length: count }, (_, at) => ({ key: `jobs.n${at}`, waiting: 2 })),
    );
    expect(pages).toHaveLength(Math.ceil(count / limit));
  });

  it('are never more on a page than an answer may have', () => {
    const count = CONSUMER_ENTRIES_PER_ANSWER + 1;
    const rig = working({}, 0);
    for (let n = 1; n <= count; n++) publish(rig.link, n);
    rig.turn();
    const page = openPage(viewOf(rig), one(rig), askedFor(0, 10 * count));
    expect([page.events.length, page.next]).toEqual([count - 1, count - 1]);
  });

  it('show only what is known of each', () => {
    const rig = working({ order: 'source', leaseMs: 10_000 }, 0);
    const join = { consumer: 'c1', concurrency: 1, isDetached: false, since: 5, leases: [] };
    rig.link.call('consumerJoin', { member: 1, ...join, name: 'ada' }, { id: 3 });
    rig.link.call('consumerJoin', { member: 2, ...join }, { id: 4 });
    const other = new TestMember(rig.link, 2);
    for (const [n, source] of ['s', 't', 's'].entries()) {
      rig.link.publish({ topic: 'jobs.a', id: `job-${n + 1}`, source, payload: {} });
    }
    rig.one.tokens(1, 1);
    rig.turn();
    other.tokens(1, 1);
    rig.turn();
    const [first, second] = one(rig).machine.list(0, 2);
    const at = (now: number) =>
      openPage(viewOf(rig, { now: () => now }), one(rig), askedFor(0, 9)).events;
    const leased = { state: 'leased', attempts: 1, losses: 0, topic: 'jobs.a' };
    expect(at(first!.due - 100.4)).toStrictEqual([
      { sequence: 1, ...leased, key: 's', member: 'ada', untilInMs: 100, id: 'job-1' },
      {
        sequence: 2,
        ...leased,
        key: 't',
        untilInMs: Math.round(second!.due - first!.due + 100.4),
        id: 'job-2',
      },
      {
        sequence: 3,
        ...leased,
        state: 'held',
        attempts: 0,
        key: 's',
        id: 'job-3',
      },
    ]);
    expect(at(second!.due + 5000)[1]).toMatchObject({ untilInMs: 0 });
  });

  it('show why the last attempt failed and how long ago, and no id where the record is lost', () => {
    const rig = working({}, 1);
    publish(rig.link, 1);
    rig.turn();
    rig.one.reason('busy');
    rig.one.settle(SETTLE_NAK, rig.one.leases(), 60_000);
    rig.turn();
    const [slot] = one(rig).machine.list(0, 1);
    const { at: failedAt } = slot!.failure!;
    const at = (now: number) =>
      openPage(viewOf(rig, { now: () => now }), one(rig), askedFor(0, 9)).events[0];
    const waiting = { sequence: 1, state: 'waiting', attempts: 1, losses: 0 };
    const event = { id: 'job-1', topic: 'jobs.a' };
    expect(at(failedAt + 20.4)).toStrictEqual({
      ...waiting,
      untilInMs: Math.round(slot!.due - failedAt - 20.4),
      ...event,
      failure: { cause: 'nak', reason: 'busy', agoMs: 20 },
    });
    expect(at(failedAt - 5)!.failure).toMatchObject({ agoMs: 0 });
    const events = { find: () => undefined } as never;
    const [lost] = openPage(viewOf(rig, { events }), one(rig), askedFor(0, 9)).events;
    expect(Object.keys(lost!)).toEqual(
      expect.not.arrayContaining(['id', 'topic', 'key', 'member']),
    );
  });
});

describe('why a consumer does not go on', () => {
  const rigWith = (options: Partial<ConsumerOptions>, tokens: number, count: number) => {
    const rig = working(options, tokens);
    for (let n = 1; n <= count; n++) publish(rig.link, n);
    rig.turn();
    return rig;
  };
  const pause = (rig: Rig, options: Partial<ConsumerOptions> = {}) =>
    rig.shard.applyConsumers([entryOf(options, { isPaused: true })]);
  const blocked = (rig: Rig, rest: Partial<DeskView> = {}) =>
    blockedOf(viewOf(rig, rest), one(rig));

  it('is nothing where nothing hinders it', () => {
    expect(blocked(rigWith({}, 0, 2))).toBeUndefined();
    expect(blocked(rigWith({ maxInFlight: 2 }, 9, 2))).toBeUndefined();
    expect(blocked(rigWith({ maxAhead: 2 }, 0, 2))).toBeUndefined();
  });

  it('is a full disk only while it has something to store', () => {
    const rig = rigWith({}, 9, 1);
    expect(blocked(rig, { isFull: true })).toBeUndefined();
    rig.one.settle(SETTLE_TERM, rig.one.leases());
    rig.turn(() => undefined);
    expect(blocked(rig, { isFull: true })).toBeUndefined();
    rig.shard.applyConsumers([entryOf({}, { round: 2 })]);
    expect(blocked(rig, { isFull: true })).toEqual({ reason: 'full' });
    expect(blocked(rig)).toBeUndefined();
  });

  it('is a pause where it has something to do', () => {
    const idle = rigWith({}, 9, 0);
    pause(idle);
    expect(blocked(idle)).toBeUndefined();
    const ready = rigWith({}, 0, 1);
    pause(ready);
    expect(blocked(ready)).toStrictEqual({ reason: 'paused', sequence: 1 });
    // Everything is leased, and it has come to the end.
    const leased = rigWith({ maxAhead: 1 }, 9, 1);
    pause(leased, { maxAhead: 1 });
    expect(blocked(leased)).toBeUndefined();
    publish(leased.link, 2);
    leased.turn();
    expect(blocked(leased)).toStrictEqual({ reason: 'paused', sequence: 1 });
    const unread = working({}, 0, memoryLog(['jobs.a']));
    unread.shard.applyConsumers([entryOf({}, { isPaused: true, round: 2 })]);
    expect(blocked(unread)).toStrictEqual({ reason: 'paused' });
  });

  it('is `maxInFlight` where an event is ready, and no place is free', () => {
    const rig = rigWith({ maxInFlight: 1 }, 9, 2);
    expect(blocked(rig)).toStrictEqual({ reason: 'maxInFlight', sequence: 1 });
    one(rig).machine.skip(2);
    expect(blocked(rig)).toBeUndefined();
    rig.one.settle(SETTLE_ACK, rig.one.leases());
    rig.turn();
    expect(blocked(rig)).toBeUndefined();
  });

  it('is `maxAhead` in any lane, where the log goes on', () => {
    const options = { maxAhead: 2, priority: ['jobs.urgent'] };
    const rig = working(options, 0);
    for (let n = 1; n <= 2; n++) publish(rig.link, n, 'jobs.n');
    rig.turn();
    expect(blocked(rig)).toBeUndefined();
    publish(rig.link, 3, 'jobs.n');
    rig.turn();
    expect(blocked(rig)).toStrictEqual({ reason: 'maxAhead', sequence: 1 });
  });
});
