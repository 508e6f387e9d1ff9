/** Calls about dead events: their pages, opening them again, and their letters. */
import { describe, expect, it, vi } from 'vitest';
import { SETTLE_ACK, SETTLE_TERM } from '../../../../src/link/consumer-records.js';
import type {
  ConsumerRedriveAnswer,
  ConsumerRedriveRequest,
  DeadEntriesPage,
} from '../../../../src/link/consumer-shapes.js';
import { BusError } from '../../../../src/protocol/errors.js';
import {
  CONSUMER_ENTRIES_PER_ANSWER,
  LETTERS_PER_CALL,
} from '../../../../src/protocol/limits/consumers.js';
import { EventRecordView } from '../../../../src/record/event-record.js';
import { dueLetters, noteSent } from '../../../../src/shards/consumers/calls/letters.js';
import { Redriving } from '../../../../src/shards/consumers/calls/redriving.js';
import { LETTER_DUE, LETTER_SENT } from '../../../../src/store/consumer-states.js';
import { makeShard, memoryLog, TestLink } from '../../support.js';
import { ask, entryOf, publish, type Rig, withDead, working } from '../rig.js';

const page = { consumer: 'c1', after: 0, limit: 100 };
const numbersOf = (entries: readonly { sequence: number }[]): number[] =>
  entries.map(({ sequence }) => sequence);
const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);

const request = (rest: Partial<ConsumerRedriveRequest>): ConsumerRedriveRequest => ({
  ...page,
  sequences: null,
  isDry: false,
  ...rest,
});

function redrive(rig: Rig, rest: Partial<ConsumerRedriveRequest> = {}): ConsumerRedriveAnswer {
  return ask(rig, 'consumerRedrive', request(rest));
}

/** The log refuses the next commit, as one does on a full disk. */
function refuseOnce({ log }: Rig): void {
  const commit = vi.spyOn(log, 'commit');
  commit.mockImplementationOnce(() => {
    commit.mockRestore();
    log.rollback();
    throw new BusError('STORE_FULL', 'the disk is full');
  });
}

describe('pages of dead events', () => {
  it.each([
    [5, 2],
    [4, 2],
    [2, 0],
  ])('have each of them once: %i events, %i at a time', (count, limit) => {
    const rig = withDead(count);
    const seen: number[][] = [];
    for (let after: number | null = 0; after !== null; ) {
      const asked = { consumer: 'c1', after, limit };
      const answer: DeadEntriesPage = ask(rig, 'consumerDead', asked) as never;
      seen.push(numbersOf(answer.events));
      after = answer.next;
    }
    expect(seen.flat()).toEqual(range(count));
    // A page that is full may be the last one, which the empty one behind it says.
    expect(seen).toHaveLength(Math.ceil(count / Math.max(1, limit)) + 1);
  });

  it('have no more than an answer may have, and find an event on a later one', () => {
    const count = CONSUMER_ENTRIES_PER_ANSWER + 2;
    const rig = withDead(count, { maxInFlight: 100 });
    expect(ask(rig, 'consumerDead', { ...page, limit: 10 * count }).events).toHaveLength(
      CONSUMER_ENTRIES_PER_ANSWER,
    );
    const find = (after: number) =>
      ask(rig, 'consumerFindDead', { consumer: 'c1', ids: [`job-${count}`, 'job-2'], after });
    expect(find(0)).toMatchObject({
      found: [{ sequence: 2 }],
      next: CONSUMER_ENTRIES_PER_ANSWER,
    });
    expect(find(CONSUMER_ENTRIES_PER_ANSWER)).toMatchObject({
      found: [{ sequence: count }],
      next: count,
    });
    expect(find(count)).toEqual({ found: [], next: null });
  });

  it('say all that is known, and leave the id and the topic empty where the record is lost', () => {
    const rig = withDead(1);
    const { entries, events } = rig.shard.desk!;
    const row = entries.row('c1', 1)!;
    const known = {
      sequence: 1,
      diedAt: row.diedAt,
      attempts: 1,
      cause: 'term',
      reason: 'no such order',
      letter: 'kept',
    };
    const c1 = rig.shard.desk!.consumer('c1');
    expect(entries.one(c1, 1)).toStrictEqual({ id: 'job-1', topic: 'jobs.a', ...known });
    vi.spyOn(events, 'find').mockReturnValue(undefined);
    expect(entries.one(c1, 1)).toStrictEqual({ id: '', topic: '', ...known });
    expect(entries.one(c1, 2)).toBeUndefined();
    vi.restoreAllMocks();
    redrive(rig, { sequences: [1] });
    expect(entries.one(c1, 1)).toBeUndefined();
  });
});

describe('dead events that are opened again', () => {
  it('are those behind a sequence, and no more than the limit', () => {
    const rig = withDead(5);
    const dry = (rest: Parameters<typeof redrive>[1]) => {
      const { redriven, next, isBusy } = redrive(rig, { isDry: true, ...rest });
      return [numbersOf(redriven), next, isBusy];
    };
    expect(dry({})).toEqual([range(5), 5, false]);
    expect(dry({ after: 5 })).toEqual([[], null, false]);
    expect(dry({ after: 1, limit: 2 })).toEqual([[2, 3], 3, false]);
    const sequences = [5, 9, 3, 1, 2];
    expect(dry({ sequences })).toEqual([[1, 2, 3, 5], null, false]);
    expect(dry({ sequences, after: 2 })).toEqual([[3, 5], null, false]);
    expect(dry({ sequences, limit: 2 })).toEqual([[1, 2], 2, false]);
    expect(dry({ sequences, after: 2, limit: 3 })).toEqual([[3, 5], null, false]);
    expect(dry({ sequences, after: 3, limit: 1 })).toEqual([[5], 5, false]);
    expect(dry({ sequences: [] })).toEqual([[], null, false]);
    // None of this has changed anything.
    rig.turn();
    expect(rig.one.leases()).toEqual([]);
    expect(rig.log.consumers.deadCount('c1')).toBe(5);
  });

  it('do not count again in a call that names none', () => {
    const rig = withDead(2);
    rig.shard.applyConsumers([entryOf({ maxAttempts: 1 }, { isPaused: true })]);
    expect(numbersOf(redrive(rig).redriven)).toEqual([1, 2]);
    expect(redrive(rig)).toEqual({ redriven: [], next: 2, isBusy: false });
    expect(numbersOf(redrive(rig, { sequences: [1, 2] }).redriven)).toEqual([1, 2]);
  });

  it('are none in the turn in which they are done, skipped or dead once more', () => {
    const rig = withDead(3);
    rig.link.call('consumerRedrive', request({}), { id: 8 });
    rig.turn();
    const leases = rig.one.leases();
    expect(numbersOf(leases)).toEqual([1, 2, 3]);
    rig.one.settle(SETTLE_TERM, leases.slice(0, 1));
    rig.one.settle(SETTLE_ACK, leases.slice(1, 2));
    rig.link.call('consumerSkip', { consumer: 'c1', sequence: 3 }, { id: 8 });
    expect(redrive(rig, { sequences: [1, 2, 3] }).redriven).toEqual([]);
    expect(numbersOf(redrive(rig, { sequences: [1, 2, 3] }).redriven)).toEqual([1]);
  });

  it.each([true, false])('are not those to which the consumer comes anyway: %s', (isDry) => {
    const rig = withDead(3);
    rig.shard.applyConsumers([
      entryOf({ maxAttempts: 1 }, { round: 2, position: 2, isPaused: true }),
    ]);
    expect(numbersOf(redrive(rig, { isDry, sequences: [1, 2, 3] }).redriven)).toEqual([1, 2]);
  });

  it('are not those whose record is lost', () => {
    const rig = withDead(1);
    const { store, entries, events } = rig.shard.desk!;
    vi.spyOn(events, 'find').mockReturnValue(undefined);
    const answer = new Redriving(store, events, entries).redrive(
      rig.shard.desk!.consumer('c1'),
      request({ isDry: true }),
    );
    vi.restoreAllMocks();
    expect(answer).toEqual({ redriven: [], next: 1, isBusy: false });
  });

  it('wait where none has room, and the call goes on behind the last one that had', () => {
    const rig = withDead(3);
    rig.shard.applyConsumers([entryOf({ maxAttempts: 1, maxAhead: 1 }, { isPaused: true })]);
    expect(redrive(rig)).toMatchObject({ redriven: [{ sequence: 1 }], next: 1, isBusy: true });
    expect(redrive(rig, { after: 1 })).toEqual({ redriven: [], next: 1, isBusy: true });
    expect(redrive(rig, { after: 2 })).toEqual({ redriven: [], next: 2, isBusy: true });
    expect(rig.log.consumers.deadCount('c1')).toBe(2);
  });

  it('have their lane and their key', () => {
    const rig = withDead(1, { order: 'topic' });
    publish(rig.link, 2, 'jobs.b');
    rig.turn();
    redrive(rig, { sequences: [1] });
    const keys = rig.shard.desk!.consumer('c1').machine.list(0, 9);
    expect(keys.map(({ sequence, key }) => [sequence, key])).toEqual([
      [1, 'jobs.a'],
      [2, 'jobs.b'],
    ]);
    const priority = ['jobs.a'];
    const lanes = withDead(1, { priority });
    lanes.shard.applyConsumers([entryOf({ maxAttempts: 1, priority }, { isPaused: true })]);
    redrive(lanes);
    const { machine } = lanes.shard.desk!.consumer('c1');
    expect([machine.lane(0).openCount, machine.lane(1).openCount]).toEqual([1, 0]);
  });
});

describe('a decision about a consumer', () => {
  it.each([
    ['consumerRedrive', request({ sequences: [1] })],
    ['lettersSent', { sent: [['c1', 1, 1]], kept: [] }],
    ['consumerSkip', { consumer: 'c1', sequence: 9 }],
  ] as const)('is answered once it is stored: %s', (name, body) => {
    const rig = withDead(1, { deadLetter: 'dead.jobs' });
    rig.shard.applyConsumers([
      entryOf({ maxAttempts: 1, deadLetter: 'dead.jobs' }, { round: 2, position: 1 }),
    ]);
    refuseOnce(rig);
    rig.link.call(name, body as never, { id: 8 });
    rig.turn();
    expect(rig.link.replies()).toEqual([]);
    const { desk } = rig.shard;
    vi.spyOn(desk!, 'isDirty', 'get').mockReturnValue(true);
    rig.turn();
    vi.restoreAllMocks();
    expect(rig.link.replies()).toMatchObject([{ id: 8, isAnswer: true }]);
  });

  it('is answered at once if it changes nothing', () => {
    const rig = withDead(1);
    rig.shard.applyConsumers([entryOf({ maxAttempts: 1 }, { round: 2, position: 1 })]);
    refuseOnce(rig);
    expect(redrive(rig, { isDry: true }).redriven).toHaveLength(1);
  });

  it('is refused where the consumer is not as it was permitted for', () => {
    const rig = withDead(1);
    const was = entryOf({ maxAttempts: 1 }).definition;
    const other = entryOf({ maxAttempts: 2 }).definition;
    const skip = { consumer: 'c1', sequence: 9 };
    for (const [name, body] of [
      ['consumerRedrive', request({ isDry: true })],
      ['consumerSkip', skip],
    ] as const) {
      expect(ask(rig, name, { ...body, onlyAs: other } as never)).toMatchObject({
        code: 'CONFLICT',
      });
      expect(ask(rig, name, { ...body, onlyAs: was } as never).code).toBeUndefined();
    }
  });

  it('about an event that is open again forgets that it was dead', () => {
    const rig = withDead(2);
    rig.shard.applyConsumers([entryOf({ maxAttempts: 1 }, { isPaused: true })]);
    redrive(rig, { sequences: [1] });
    expect(ask(rig, 'consumerSkip', { consumer: 'c1', sequence: 1 })).toEqual({ isFound: true });
    // One that is dead is not open, and stays what it is.
    expect(ask(rig, 'consumerSkip', { consumer: 'c1', sequence: 2 })).toEqual({ isFound: false });
    expect(numbersOf(rig.log.consumers.dead('c1', 0, 9))).toEqual([2]);
  });
});

describe('the letters of dead events', () => {
  const take = (rig: Rig, limit: number, except: readonly string[] = []) =>
    ask(rig, 'takeLetters', { limit, except }).letters;

  it('are as many as were asked for, and no more than a call may take', () => {
    const count = LETTERS_PER_CALL + 1;
    const rig = withDead(count, { deadLetter: 'dead.jobs', maxInFlight: 100 });
    expect(take(rig, 1000)).toHaveLength(LETTERS_PER_CALL);
    expect(numbersOf(take(rig, 2))).toEqual([1, 2]);
    expect(numbersOf(take(rig, 0))).toEqual([1]);
  });

  it('have the death and the record, where there is one', () => {
    const rig = withDead(2, { deadLetter: 'dead.jobs' });
    const [row] = rig.log.consumers.dead('c1', 0, 1);
    const [letter] = take(rig, 1);
    expect(letter).toStrictEqual({
      consumer: 'c1',
      sequence: 1,
      attempts: 1,
      times: 1,
      cause: 'term',
      reason: 'no such order',
      diedAt: row!.diedAt,
      record: expect.any(String),
    });
    const bytes = Buffer.from(letter!.record!, 'base64');
    const view = new EventRecordView().wrap(bytes, 0);
    expect([view.id, view.length]).toEqual(['job-1', bytes.length]);
    const { store, roster } = rig.shard.desk!;
    const lost = { find: () => undefined } as never;
    const asked = { limit: 1, except: [] };
    expect(dueLetters(store, lost, roster.byId, asked, () => {})).toMatchObject([{ record: null }]);
  });

  it('are those of present consumers alone', () => {
    const rig = withDead(1, { deadLetter: 'dead.jobs' });
    const { store, events } = rig.shard.desk!;
    const asked = { limit: 9, except: [] };
    expect(dueLetters(store, events, new Map(), asked, () => {})).toEqual([]);
    noteSent(new Map(), { sent: [['c1', 1, 1]], kept: [['c1', 1, 1]] });
    expect(store.deadState('c1', 1)).toBe(LETTER_DUE);
  });

  it('are not handed out any more in the turn in which main has sent them', () => {
    const rig = withDead(3, { deadLetter: 'dead.jobs' });
    rig.link.call('lettersSent', { sent: [['c1', 1, 1]], kept: [['c1', 2, 1]] }, { id: 8 });
    expect(numbersOf(take(rig, 9))).toEqual([3]);
    expect(rig.log.consumers.deadState('c1', 1)).toBe(LETTER_SENT);
  });
});

describe('a shard without consumers', () => {
  it('has no letters, knows none, and takes every call', () => {
    const made = makeShard(memoryLog([]));
    const link = new TestLink();
    made.join(link);
    const answer = (name: never, body: unknown) => {
      link.call(name, body as never, { id: 7 });
      made.turn();
      return link.replies().find(({ id }) => id === 7)?.body;
    };
    const call = answer as (name: string, body: unknown) => unknown;
    expect(made.shard.desk).toBeUndefined();
    expect(call('takeLetters', { limit: 1, except: [] })).toEqual({ letters: [] });
    expect(call('lettersSent', { sent: [['c1', 1, 1]], kept: [] })).toBeNull();
    expect(call('consumerStates', { consumers: ['c1'] })).toEqual({ states: [null] });
    expect(call('consumersClaimed', {})).toBeNull();
    expect(call('consumerLeave', { member: 1, how: 'left' })).toBeNull();
    expect(call('consumerState', { consumer: 'c1' })).toMatchObject({ code: 'CONSUMER_UNKNOWN' });
    expect(call('applyConsumers', { entries: [entryOf()] })).toBeNull();
    expect(call('consumerStates', { consumers: ['c1'] })).toMatchObject({ states: [{ open: 0 }] });
  });
});

describe('members that leave', () => {
  it.each([
    ['left', 0],
    ['died', 1],
  ] as const)('give back what they had: %s', (how, losses) => {
    const rig = working({}, 1);
    publish(rig.link, 1);
    rig.turn();
    expect(rig.one.leases()).toMatchObject([{ sequence: 1, attempt: 1 }]);
    expect(ask(rig, 'consumerLeave', { member: 9, how })).toBeNull();
    expect(ask(rig, 'consumerState', { consumer: 'c1' })).toMatchObject({ leased: 1 });
    expect(ask(rig, 'consumerLeave', { member: 1, how })).toBeNull();
    expect(ask(rig, 'consumerOpen', page).events).toMatchObject([{ sequence: 1, losses }]);
    expect(ask(rig, 'consumerState', { consumer: 'c1' })).toMatchObject({ leased: 0 });
  });
});

it('a member that joins hears how far the shard has come', () => {
  const rig = working();
  for (let n = 1; n <= 3; n++) publish(rig.link, n);
  rig.turn();
  const join = { member: 2, concurrency: 1, isDetached: false, since: 0, leases: [] };
  expect(ask(rig, 'consumerJoin', { consumer: 'c1', ...join })).toEqual({ position: 3, kept: [] });
});
