import { describe, expect, test } from 'vitest';
import {
  SETTLE_ACK,
  SETTLE_TERM,
  SUPPLY_GONE,
  SUPPLY_LOST,
} from '../../../src/link/consumer-records.js';
import type { ConsumerNews } from '../../../src/link/consumer-shapes.js';
import { CONSUMER_BLOCKED_MS } from '../../../src/protocol/limits/consumers.js';
import { EventRecordView } from '../../../src/record/event-record.js';
import { TestLink } from '../support.js';
import { ask, entryOf, publish, TestMember, withDead, working } from './rig.js';

const page = { consumer: 'c1', after: 0, limit: 100 };

describe('the state of a consumer in a shard', () => {
  test('counts its events, and names its members with what they have', () => {
    const rig = working({ maxInFlight: 2 });
    for (let n = 1; n <= 5; n++) publish(rig.link, n);
    rig.turn();
    const [first] = rig.one.leases();
    rig.one.settle(SETTLE_ACK, [first!]);
    rig.turn();
    const state = ask(rig, 'consumerState', { consumer: 'c1' });
    expect(state).toMatchObject({ position: 5, floor: 1, head: 5, open: 4, ready: 2, leased: 2 });
    expect(state).toMatchObject({ acked: 1, dead: 0, lost: 0, lettersDue: 0, waiting: 0, held: 0 });
    expect(state).toMatchObject({ blocked: { reason: 'maxInFlight', sequence: 2 } });
    expect(state.oldestAgeMs).toBeGreaterThanOrEqual(0);
    const member = {
      member: 1,
      endpoint: 'test',
      inFlight: 2,
      since: 0,
      concurrency: 16,
      isDetached: false,
    };
    expect(state.members).toEqual([member]);
  });

  test('says why it is blocked', () => {
    const rig = working({ order: 'topic', maxAhead: 2 }, 1);
    for (let n = 1; n <= 4; n++) publish(rig.link, n);
    rig.turn();
    rig.turn();
    const blocked = () => ask(rig, 'consumerState', { consumer: 'c1' }).blocked;
    expect(blocked()).toEqual({ reason: 'maxAhead', sequence: 1, key: 'jobs.a' });
    rig.shard.applyConsumers([entryOf({ order: 'topic', maxAhead: 2 }, { isPaused: true })]);
    expect(blocked()).toMatchObject({ reason: 'paused' });
    expect(ask(working(), 'consumerState', { consumer: 'c1' }).blocked).toBeNull();
  });

  test('is asked for several at once, and is null for one that is not there', () => {
    const rig = working({ maxInFlight: 2 });
    for (let n = 1; n <= 5; n++) publish(rig.link, n);
    rig.turn();
    const { states } = ask(rig, 'consumerStates', { consumers: ['other', 'c1', 'c1'] });
    const alone = {
      ...ask(rig, 'consumerState', { consumer: 'c1' }),
      oldestAgeMs: expect.any(Number),
    };
    expect(states).toEqual([null, alone, alone]);
  });

  test('lists open events page by page', () => {
    const rig = working({}, 1);
    rig.link.call(
      'consumerJoin',
      {
        member: 1,
        consumer: 'c1',
        concurrency: 1,
        isDetached: false,
        since: 5,
        leases: [],
        name: 'ada',
      },
      { id: 3 },
    );
    for (let n = 1; n <= 3; n++) publish(rig.link, n);
    rig.turn();
    const open = ask(rig, 'consumerOpen', { ...page, limit: 2 });
    expect(open).toMatchObject({
      events: [
        { sequence: 1, state: 'leased', attempts: 1, losses: 0, member: 'ada' },
        { sequence: 2, state: 'ready', attempts: 0 },
      ],
      next: 2,
    });
    const [{ untilInMs }] = open.events as never as [{ untilInMs: number }];
    expect(untilInMs > 0 && untilInMs <= 30_000).toBe(true);
    expect(ask(rig, 'consumerOpen', { ...page, after: 2 })).toMatchObject({
      events: [{ sequence: 3 }],
      next: null,
    });
  });

  test('lists the keys that hold events back, with the event that each waits for', () => {
    const rig = working({ order: 'topic' });
    for (let n = 1; n <= 3; n++) publish(rig.link, n);
    rig.turn();
    expect(ask(rig, 'consumerHeldKeys', page)).toEqual({
      events: [
        {
          key: 'jobs.a',
          waiting: 2,
          first: expect.objectContaining({ sequence: 1, state: 'leased', id: 'job-1' }),
        },
      ],
      next: null,
    });
  });

  test('is that of no consumer where there is none', () => {
    const rig = working();
    for (const name of ['consumerState', 'consumerSkip', 'consumerDead'] as const) {
      const request = { ...page, consumer: 'other', sequence: 1 };
      expect(ask(rig, name, request)).toMatchObject({ code: 'CONSUMER_UNKNOWN' });
    }
  });
});

describe('members of two endpoints', () => {
  test('have the same numbers and nothing else in common', () => {
    const rig = working({}, 1);
    const other = new TestMember(new TestLink(65_536, 'other'), 1);
    rig.join(other.link);
    other.join('c1');
    other.tokens(1);
    publish(rig.link, 1);
    publish(rig.link, 2);
    rig.turn();
    const mine = rig.one.leases();
    const theirs = other.leases();
    expect([...mine, ...theirs].map(({ sequence }) => sequence).sort()).toEqual([1, 2]);
    other.settle(SETTLE_ACK, theirs);
    rig.turn();
    expect(other.said()).toContainEqual({ settled: 1, refused: [] });
    expect(rig.one.said().filter((said) => 'settled' in said)).toEqual([]);
    rig.shard.leave(rig.shard.links[1]!);
    rig.turn();
    expect(ask(rig, 'consumerState', { consumer: 'c1' }).members).toHaveLength(1);
  });

  test('are told that their leases are lost, and that the consumer is gone, when it is deleted', () => {
    const rig = working();
    publish(rig.link, 1);
    rig.turn();
    rig.one.leases();
    rig.shard.applyConsumers([]);
    rig.turn();
    expect(rig.one.said()).toEqual([{ what: SUPPLY_LOST, lost: 1 }, { what: SUPPLY_GONE }]);
  });
});

describe('dead events', () => {
  test('are listed with their cause, and found by their ids', () => {
    const rig = withDead(3, { deadLetter: 'dead.jobs' });
    const dead = ask(rig, 'consumerDead', page);
    expect(dead).toMatchObject({
      events: [
        { id: 'job-1', topic: 'jobs.a', cause: 'term', reason: 'no such order', letter: 'due' },
        { id: 'job-2', sequence: 2, cause: 'nak', attempts: 1 },
        { id: 'job-3' },
      ],
      next: 3,
    });
    const found = { consumer: 'c1', ids: ['job-3', 'job-9'], after: 0 };
    expect(ask(rig, 'consumerFindDead', found)).toMatchObject({ found: [{ sequence: 3 }] });
  });

  test('go out again when they are redriven, with no attempt counted', () => {
    const rig = withDead(3);
    const all = { ...page, sequences: null, isDry: true };
    expect(ask(rig, 'consumerRedrive', all).redriven).toHaveLength(3);
    rig.turn();
    expect(rig.one.leases()).toEqual([]);
    const some = { ...page, sequences: [3, 1], isDry: false };
    const answer = ask(rig, 'consumerRedrive', some);
    expect(answer).toMatchObject({ redriven: [{ id: 'job-1' }, { id: 'job-3' }], next: null });
    expect(ask(rig, 'consumerRedrive', some).redriven).toHaveLength(2);
    expect(ask(rig, 'consumerDead', page)).toMatchObject({ events: [{ id: 'job-2' }] });
    expect(rig.log.consumers.deadCount('c1')).toBe(1);
  });

  test('are opened once by two calls of a turn, and count again for one that names them', () => {
    const rig = withDead(2);
    const all = { ...page, sequences: null, isDry: false };
    rig.link.call('consumerRedrive', all, { id: 8 });
    rig.link.call('consumerRedrive', all, { id: 9 });
    rig.link.call('consumerRedrive', { ...all, sequences: [2] }, { id: 10 });
    rig.turn();
    const replies = rig.link.replies();
    const answers = [8, 9, 10].map((number) => replies.find(({ id }) => id === number)?.body);
    expect(answers).toMatchObject([
      { redriven: [{ sequence: 1 }, { sequence: 2 }] },
      { redriven: [] },
      { redriven: [{ sequence: 2 }] },
    ]);
  });

  test('that find the consumer full are to be redriven later, from where the call has come to', () => {
    const rig = withDead(3);
    rig.shard.applyConsumers([entryOf({ maxAttempts: 1, maxAhead: 1 })]);
    expect(ask(rig, 'consumerRedrive', { ...page, sequences: null, isDry: false })).toMatchObject({
      redriven: [{ sequence: 1 }],
      next: 1,
      isBusy: true,
    });
  });

  test('are leased again, and forgotten once they are done', () => {
    const rig = withDead(2);
    rig.link.call('consumerRedrive', { ...page, sequences: null, isDry: false }, { id: 8 });
    rig.turn();
    const leases = rig.one.leases();
    expect(leases).toMatchObject([
      { sequence: 1, attempt: 1 },
      { sequence: 2, attempt: 1 },
    ]);
    rig.one.settle(SETTLE_ACK, leases);
    rig.turn();
    expect(rig.log.consumers.dead('c1', 0, 10)).toEqual([]);
  });

  test('are dead again after a seek, unless the consumer comes to them', () => {
    const rig = withDead(2);
    rig.shard.applyConsumers([entryOf({ maxAttempts: 1 }, { isPaused: true })]);
    ask(rig, 'consumerRedrive', { ...page, sequences: [1], isDry: false });
    expect(rig.log.consumers.deadCount('c1')).toBe(1);
    rig.shard.applyConsumers([entryOf({ maxAttempts: 1 }, { round: 2, position: 1 })]);
    rig.turn();
    expect(rig.log.consumers.deadCount('c1')).toBe(2);
    rig.turn();
    rig.turn();
    const leases = rig.one.leases();
    expect(leases.map(({ sequence }) => sequence)).toEqual([2]);
    expect(ask(rig, 'consumerOpen', page).events).toMatchObject([{ sequence: 2 }]);
    expect(ask(rig, 'consumerDead', page).events).toMatchObject([{ sequence: 1 }]);
    expect(rig.log.consumers.deadCount('c1')).toBe(1);
    rig.one.settle(SETTLE_ACK, leases);
    rig.turn();
    expect(rig.log.consumers.dead('c1', 0, 9).map(({ sequence }) => sequence)).toEqual([1]);
  });

  test('are open alone once a seek has brought the consumer back to them, and die once more', () => {
    const rig = withDead(1, { deadLetter: 'dead.jobs' });
    const options = { maxAttempts: 1, deadLetter: 'dead.jobs' };
    rig.shard.applyConsumers([entryOf(options, { round: 2, position: 0 })]);
    const leases: ReturnType<typeof rig.one.leases> = [];
    for (let turns = 0; turns < 5; turns++) {
      rig.turn();
      leases.push(...rig.one.leases());
    }
    expect(leases).toMatchObject([{ sequence: 1, attempt: 1 }]);
    expect(ask(rig, 'consumerOpen', page).events).toHaveLength(1);
    expect(ask(rig, 'consumerDead', page).events).toEqual([]);
    rig.one.settle(SETTLE_TERM, leases);
    rig.turn();
    expect(ask(rig, 'consumerOpen', page).events).toEqual([]);
    expect(ask(rig, 'consumerDead', page).events).toMatchObject([{ sequence: 1, letter: 'due' }]);
    expect(rig.log.consumers.deadAt('c1', 1)).toMatchObject({ times: 2 });
  });

  test('stay dead if a second seek goes past them before they were handed out', () => {
    const rig = withDead(1);
    rig.shard.applyConsumers([
      entryOf({ maxAttempts: 1 }, { round: 2, position: 0, isPaused: true }),
    ]);
    for (let turns = 0; turns < 5; turns++) rig.turn();
    expect(rig.log.consumers.deadCount('c1')).toBe(0);
    rig.shard.applyConsumers([entryOf({ maxAttempts: 1 }, { round: 3, position: 1 })]);
    rig.turn();
    expect(ask(rig, 'consumerOpen', page).events).toEqual([]);
    expect(ask(rig, 'consumerDead', page).events).toMatchObject([{ sequence: 1 }]);
  });

  test('keep their record when retention removes the event, and go out with it', () => {
    const rig = withDead(1);
    rig.log.pruning.prune({ pattern: '*', excessEvents: 1, excessBytes: 0, after: 0 });
    rig.link.call('consumerRedrive', { ...page, sequences: [1], isDry: false }, { id: 8 });
    rig.turn();
    expect(rig.one.leases()).toMatchObject([{ sequence: 1, attempt: 1, payload: { n: 1 } }]);
  });
});

describe('letters', () => {
  test('are handed out until main says that they are sent', () => {
    const rig = withDead(2, { deadLetter: 'dead.jobs' });
    const { letters } = ask(rig, 'takeLetters', { limit: 10, except: [] }) as unknown as {
      letters: { sequence: number; record: string }[];
    };
    expect(letters).toMatchObject([
      { consumer: 'c1', sequence: 1, attempts: 1, times: 1, cause: 'term' },
      { sequence: 2, cause: 'nak' },
    ]);
    const view = new EventRecordView().wrap(Buffer.from(letters[0]!.record, 'base64'), 0);
    expect([view.id, JSON.parse(view.payloadText)]).toEqual(['job-1', { n: 1 }]);
    expect(ask(rig, 'takeLetters', { limit: 1, except: [] }).letters).toHaveLength(1);
    expect(ask(rig, 'takeLetters', { limit: 10, except: ['c1'] }).letters).toEqual([]);
    // That of another death of the same event.
    expect(ask(rig, 'lettersSent', { sent: [['c1', 1, 2]], kept: [['c1', 2, 2]] })).toBeNull();
    expect(ask(rig, 'takeLetters', { limit: 10, except: [] }).letters).toHaveLength(2);
    expect(ask(rig, 'lettersSent', { sent: [['c1', 1, 1]], kept: [] })).toBeNull();
    expect(ask(rig, 'takeLetters', { limit: 10, except: [] }).letters).toMatchObject([
      { sequence: 2 },
    ]);
    expect(ask(rig, 'consumerState', { consumer: 'c1' })).toMatchObject({ dead: 2, lettersDue: 1 });
    // A letter that can never be published.
    ask(rig, 'lettersSent', { sent: [], kept: [['c1', 2, 1]] });
    expect(ask(rig, 'takeLetters', { limit: 10, except: [] }).letters).toEqual([]);
    const { events } = ask(rig, 'consumerDead', { consumer: 'c1', after: 0, limit: 10 });
    expect(events).toMatchObject([{ letter: 'published' }, { letter: 'kept' }]);
  });
});

describe('an open event that is skipped', () => {
  test('is done, and its lease is lost', () => {
    const rig = working();
    publish(rig.link, 1);
    rig.turn();
    const [lease] = rig.one.leases();
    rig.link.call('consumerSkip', { consumer: 'c1', sequence: 1 }, { id: 8 });
    rig.turn();
    expect(rig.one.said()).toEqual([{ what: SUPPLY_LOST, lost: lease!.lease }]);
    expect(rig.log.consumers.load()).toMatchObject([{ position: 1 }]);
    expect(ask(rig, 'consumerSkip', { consumer: 'c1', sequence: 1 })).toEqual({ isFound: false });
  });
});

describe('news', () => {
  test('tell of dead events, once, and of what stops a consumer when it lasts', async () => {
    const news: ConsumerNews[] = [];
    const rig = working(
      { maxAttempts: 1, deadLetter: 'dead.jobs', maxInFlight: 1 },
      16,
      undefined,
      {
        onNews: (of) => news.push(...of),
      },
    );
    for (let n = 1; n <= 3; n++) publish(rig.link, n);
    rig.turn();
    rig.one.settle(SETTLE_TERM, rig.one.leases());
    const until = performance.now() + 20 * CONSUMER_BLOCKED_MS;
    while (news.every(({ blocked }) => blocked === undefined) && performance.now() < until) {
      rig.turn();
    }
    const [first] = news;
    expect(first).toMatchObject({
      id: 'c1',
      deadCount: 1,
      dead: [{ id: 'job-1', cause: 'term', letter: 'due' }],
      gaps: [],
      lettersDue: true,
    });
    expect(news.filter(({ deadCount }) => deadCount > 0)).toHaveLength(1);
    expect(news.at(-1)).toMatchObject({ blocked: { reason: 'maxInFlight' } });
  });
});
