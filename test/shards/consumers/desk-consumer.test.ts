/** One consumer in a shard without its desk: its places, its changes, what it takes and what it stores. */
import { describe, expect, it, vi } from 'vitest';
import { FailureMemory } from '../../../src/consumers/failures.js';
import type { Examined } from '../../../src/consumers/machine-types.js';
import { bellsOf, countsOf, createGates, keyWordsOf } from '../../../src/link/consumer-gates.js';
import type { ConsumerEntry } from '../../../src/link/consumer-shapes.js';
import { EventRecordView } from '../../../src/record/event-record.js';
import { DeskConsumer } from '../../../src/shards/consumers/desk-consumer.js';
import { GateBell } from '../../../src/shards/consumers/gates/gate-bell.js';
import { KeyGates } from '../../../src/shards/consumers/gates/key-gates.js';
import { EventFinder } from '../../../src/shards/consumers/reading/event-finder.js';
import { LETTER_DUE, NO_LETTER_WANTED, REDRIVEN } from '../../../src/store/consumer-states.js';
import { record } from '../../store/records.js';
import { memoryLog } from '../support.js';
import { entryOf } from './rig.js';

const PRIORITY = { priority: ['jobs.urgent'] };
const NOW = 1000;

/** Consumers of several shards of one bus. */
function shardsOf(memory = createGates()) {
  return (shard: number, entry: ConsumerEntry, isRestored = false) => {
    const log = memoryLog([]);
    const store = log.consumers;
    const bell = new GateBell(bellsOf(memory), shard, () => {});
    const keys = new KeyGates(keyWordsOf(memory), shard, bell.ring);
    const events = new EventFinder(log, store, () => {});
    const examine = vi.fn<(of: DeskConsumer, sequence: number) => Examined>(() => 'there');
    const gates = { memory, shard, keys, bell };
    const host = { store, gates, events, failures: new FailureMemory(), examine };
    if (isRestored) {
      const lane = { consumer: 'c1', lane: 0, round: 1, position: 4, leaseNext: 3, at: 0 };
      const counts = { acked: 0, redelivered: 0, lost: 0, open: new Uint8Array(0) };
      store.put({ ...lane, ...counts });
      log.commit(true, []);
    }
    const start = { stored: store.load(), before: 'opened', now: NOW, recordedAt: 0 } as const;
    const consumer = new DeskConsumer(entry, host, { ...start, prunedEvents: 9 });
    const commit = () => {
      consumer.put(store, NOW, 50);
      log.commit(true, []);
      consumer.committed();
    };
    return { log, store, keys, consumer, examine, commit, machine: consumer.machine, memory };
  };
}

const single = (options: Parameters<typeof entryOf>[0] = {}, rest: Partial<ConsumerEntry> = {}) =>
  shardsOf()(0, entryOf(options, rest));

const viewOf = (event: Parameters<typeof record>[0]) =>
  new EventRecordView().wrap(record(event), 0);

/** Reads events, and leases them to a member. */
function lease({ machine, consumer }: ReturnType<typeof single>, count: number): void {
  for (let n = 1; n <= count; n++) machine.read(0, n, undefined);
  machine.join(1, count, false);
  machine.tokens(1, count);
  expect(consumer.lease(count, NOW)).toBe(count);
}

describe('the place of a consumer', () => {
  it('is that of the lane that has come least far', () => {
    const { consumer, machine } = single(PRIORITY);
    expect([consumer.position, consumer.floor, consumer.lanes]).toEqual([0, 0, 2]);
    machine.passed(0, 9);
    expect([consumer.position, consumer.floor]).toEqual([0, 0]);
    machine.passed(1, 5);
    expect([consumer.position, consumer.floor]).toEqual([5, 5]);
    machine.read(1, 7, undefined);
    machine.passed(1, 12);
    expect([consumer.position, consumer.floor]).toEqual([9, 6]);
  });

  it('tells what is still to do, by the lane of a topic', () => {
    const { consumer, machine } = single(PRIORITY);
    machine.passed(0, 5);
    machine.read(1, 2, undefined);
    machine.passed(1, 3);
    const toDo = (topic: string) =>
      [1, 2, 3, 4, 5, 6].filter((sequence) => consumer.isToDo(sequence, topic));
    expect(toDo('jobs.n')).toEqual([2, 4, 5, 6]);
    expect(toDo('jobs.urgent')).toEqual([2, 6]);
  });

  it('is as far as it is stored for those who remove events', () => {
    const rig = single();
    const { consumer, machine, commit } = rig;
    expect([consumer.isDirty, consumer.floorStored]).toEqual([true, 0]);
    commit();
    lease(rig, 3);
    commit();
    expect([consumer.isDirty, consumer.floorStored]).toEqual([false, 0]);
    machine.settle(1, 1, 'ack', NOW, -1, '');
    expect([consumer.isDirty, consumer.floor, consumer.floorStored]).toEqual([true, 1, 0]);
    commit();
    expect([consumer.isDirty, consumer.floorStored]).toEqual([false, 1]);
    consumer.dead.redriven(1);
    expect(consumer.isDirty).toBe(true);
  });

  it('knows of holes before its beginning, unless a cursor promised what they held', () => {
    expect(single().consumer.prunedSeen).toBe(9);
    expect(single({}, { isFromCursor: true }).consumer.prunedSeen).toBe(-1);
    const restored = shardsOf()(0, entryOf(), true).consumer;
    expect([restored.prunedSeen, restored.position, restored.isDirty]).toEqual([-1, 4, false]);
  });

  it('begins paused where it was', () => {
    expect(single({}, { isPaused: true }).machine.isPaused).toBe(true);
    expect(single().machine.isPaused).toBe(false);
  });
});

describe('a hole in the log', () => {
  const lostOf = ({ machine }: ReturnType<typeof single>) =>
    [0, 1].map((lane) => [machine.lane(lane).position, machine.lane(lane).lost]);

  it('is lost once, to the first lane that passes it', () => {
    const rig = single(PRIORITY);
    rig.consumer.passHole(0b11, 0, 5, 8);
    expect([lostOf(rig), rig.consumer.tidings.gaps]).toEqual([
      [
        [8, 5],
        [8, 0],
      ],
      [[1, 5]],
    ]);
  });

  it('is not lost again to a lane that comes to it later, but for what has gone since', () => {
    const rig = single(PRIORITY);
    const { consumer } = rig;
    consumer.passHole(0b10, 2, 5, 8);
    expect(lostOf(rig)).toEqual([
      [0, 0],
      [8, 3],
    ]);
    consumer.passHole(0b01, 2, 5, 7);
    expect([lostOf(rig), consumer.tidings.gaps]).toEqual([
      [
        [7, 0],
        [8, 3],
      ],
      [[3, 5]],
    ]);
    consumer.passHole(0b01, 2, 9, 12);
    expect([lostOf(rig)[0], consumer.tidings.gaps]).toEqual([[12, 4], [[3, 9]]]);
    // Nothing of it was the consumer's.
    consumer.passHole(0b11, 12, 0, 20);
    expect([lostOf(rig), consumer.tidings.gaps]).toEqual([
      [
        [20, 4],
        [20, 3],
      ],
      [[3, 9]],
    ]);
  });

  it('is lost anew in another round', () => {
    const rig = single();
    rig.consumer.passHole(0b1, 0, 5, 8);
    rig.consumer.change(entryOf({}, { round: 2 }), 9);
    rig.consumer.passHole(0b1, 0, 5, 8);
    expect(rig.machine.lane(0).lost).toBe(10);
  });

  it('takes open events with it, but for redriven ones, whose records are kept', () => {
    const rig = single();
    const { consumer, machine } = rig;
    for (let n = 1; n <= 5; n++) machine.read(0, n, undefined);
    rig.store.putDead({
      consumer: 'c1',
      sequence: 2,
      diedAt: 1,
      attempts: 1,
      times: 1,
      state: REDRIVEN,
      cause: 'nak',
      reason: '',
    });
    rig.log.commit(true, []);
    consumer.pruned(4);
    expect(machine.list(0, 9).map(({ sequence }) => sequence)).toEqual([2, 4, 5]);
    expect(machine.lane(0).lost).toBe(2);
  });
});

describe('a changed consumer', () => {
  it('keeps its order and its priorities while events are open, in the same round', () => {
    const rig = single({ order: 'none', priority: ['jobs.a', 'jobs.b'] });
    const { consumer, machine } = rig;
    machine.read(0, 1, undefined);
    const refusal = (options: Parameters<typeof entryOf>[0], rest: Partial<ConsumerEntry> = {}) =>
      consumer.refusal(entryOf(options, rest));
    const priority = ['jobs.a', 'jobs.b'];
    const busy = { code: 'CONSUMER_BUSY', details: { consumer: 'worker' } };
    expect(refusal({ priority, maxAttempts: 2 })).toBeUndefined();
    expect(refusal({ priority: ['jobs.b', 'jobs.a'] })).toMatchObject(busy);
    expect(refusal({ priority: [] })).toMatchObject(busy);
    expect(refusal({ order: 'topic' })).toMatchObject(busy);
    expect(refusal({ priority: [] }, { round: 2 })).toBeUndefined();
    const idle = single({ order: 'topic' });
    expect(idle.consumer.refusal(entryOf({ order: 'source' }))).toBeUndefined();
    idle.machine.read(0, 1, 'k');
    expect(idle.consumer.refusal(entryOf({ order: 'source' }))).toMatchObject(busy);
  });

  it('asks of events that were read before whether another filter matches them', () => {
    const { consumer } = single({ filter: { topics: ['jobs.*'], types: ['job'] } });
    const clear = vi.spyOn(consumer.backlog, 'clear');
    const matches = (type: string) => consumer.matches(viewOf({ topic: 'jobs.a', type }));
    expect([matches('job'), matches('note')]).toEqual([true, false]);
    consumer.change(entryOf({ filter: { topics: ['jobs.*'], types: ['job'] } }), 9);
    expect(clear).not.toHaveBeenCalled();
    consumer.change(entryOf({ filter: { topics: ['jobs.*'], types: ['job'] }, maxAttempts: 2 }), 9);
    expect([consumer.hasOtherFilter, clear.mock.calls.length]).toEqual([false, 1]);
    consumer.change(entryOf({ filter: { topics: ['jobs.*'], types: ['note'] } }), 9);
    expect([consumer.hasOtherFilter, matches('job'), matches('note')]).toEqual([true, false, true]);
    consumer.change(
      entryOf({ filter: { topics: ['jobs.*'], types: ['note'] }, maxAttempts: 3 }),
      9,
    );
    expect(consumer.hasOtherFilter).toBe(true);
    consumer.change(entryOf({ filter: 'jobs.*' }), 9);
    expect(matches('any')).toBe(true);
  });

  it('has the keys of its new order, and as many lanes as it has priorities', () => {
    const { consumer, store, commit } = single(PRIORITY);
    const view = viewOf({ topic: 'jobs.urgent', source: 'shop' });
    commit();
    expect([consumer.keyOf(view), consumer.laneOf('jobs.urgent')]).toEqual([undefined, 0]);
    expect(store.load().map(({ lane }) => lane)).toEqual([0, 1]);
    consumer.change(entryOf({ order: 'source' }), 9);
    expect([consumer.keyOf(view), consumer.lanes, consumer.isDirty]).toEqual(['shop', 1, true]);
    commit();
    expect(store.load().map(({ lane }) => lane)).toEqual([0]);
    const removeLanes = vi.spyOn(store, 'removeLanes');
    consumer.change(entryOf({ priority: ['jobs.a', 'jobs.b'] }), 9);
    commit();
    expect(store.load().map(({ lane }) => lane)).toEqual([0, 1, 2]);
    expect(removeLanes).not.toHaveBeenCalled();
    // Nothing is left to store.
    consumer.change(entryOf({ priority: ['jobs.a', 'jobs.c'] }), 9);
    expect(consumer.isDirty).toBe(false);
  });

  it('begins anew with another round: nothing stands in its way any more', () => {
    const rig = single();
    const { consumer, machine, commit, store } = rig;
    lease(rig, 2);
    commit();
    consumer.isStuck = true;
    consumer.prunedScan = {} as never;
    const clear = vi.spyOn(consumer.backlog, 'clear');
    const forget = vi.spyOn(consumer.dead, 'forgetRedriven');
    consumer.change(entryOf({}, { round: 2, position: 7 }), 12);
    expect([consumer.position, consumer.isStuck, consumer.prunedScan, consumer.prunedSeen]).toEqual(
      [7, false, undefined, 12],
    );
    expect([clear.mock.calls.length, forget.mock.calls.length]).toEqual([1, 1]);
    expect([machine.counts.open, consumer.isDirty]).toEqual([0, true]);
    commit();
    expect(store.load()).toMatchObject([{ round: 2, position: 7, at: 50, leaseNext: 3 }]);
    consumer.change(entryOf({}, { round: 3, isFromCursor: true, isPaused: true }), 12);
    expect([consumer.prunedSeen, machine.isPaused]).toEqual([-1, true]);
  });

  it('gives up its places when it is gone', () => {
    const rig = single({ maxInFlight: 2 }, { gate: 1 });
    lease(rig, 2);
    rig.consumer.stored();
    expect(countsOf(rig.memory, 1)[0]).toBe(2);
    const clear = vi.spyOn(rig.consumer.backlog, 'clear');
    rig.consumer.end();
    expect([countsOf(rig.memory, 1)[0], rig.machine.counts.open]).toEqual([0, 0]);
    expect(clear).toHaveBeenCalledTimes(1);
  });
});

describe('what a consumer leases', () => {
  it('is what is free beside what it has leased', () => {
    const { consumer, machine } = single({ maxInFlight: 3 });
    for (let n = 1; n <= 9; n++) machine.read(0, n, undefined);
    machine.join(1, 9, false);
    machine.tokens(1, 9);
    expect([2, 9, 9].map((limit) => consumer.lease(limit, NOW))).toEqual([2, 1, 0]);
  });

  it('is no more than it may, and looks again for a place that another shard has', () => {
    const make = shardsOf();
    const [one, two] = [0, 1].map((shard) => make(shard, entryOf({ maxInFlight: 3 })));
    lease(one!, 2);
    one!.consumer.stored();
    const { consumer, machine } = two!;
    for (let n = 1; n <= 3; n++) machine.read(0, n, undefined);
    expect([consumer.lease(9, NOW), consumer.isAtMaxInFlight]).toEqual([0, false]);
    machine.join(1, 9, false);
    machine.tokens(1, 9);
    expect([consumer.lease(0, NOW), consumer.lease(9, NOW)]).toEqual([0, 1]);
    expect([consumer.isAtMaxInFlight, consumer.nextDue]).toEqual([true, NOW + 250]);
    one!.consumer.end();
    expect([consumer.lease(1, NOW), consumer.lease(9, NOW)]).toEqual([1, 1]);
    expect(consumer.isAtMaxInFlight).toBe(false);
    expect(consumer.nextDue).toBe(machine.nextDue);
    expect(machine.counts.leased).toBe(3);
  });

  it('is nothing of a key that another shard has out, until the key is handed over', () => {
    const make = shardsOf();
    const [one, two] = [0, 1].map((shard) => make(shard, entryOf({ order: 'source' })));
    for (const { machine, keys } of [one!, two!]) {
      keys.restored();
      keys.stored();
      machine.join(1, 9, false);
      machine.tokens(1, 9);
      machine.read(0, 1, 'k');
    }
    expect([one!.consumer.lease(9, NOW), two!.consumer.lease(9, NOW)]).toEqual([1, 0]);
    one!.machine.settle(1, 1, 'ack', NOW, -1, '');
    expect(two!.consumer.lease(9, NOW)).toBe(0);
    one!.keys.stored();
    for (const word of two!.keys.handed(NOW)) two!.consumer.handed(word);
    expect(two!.consumer.lease(9, NOW)).toBe(1);
  });

  it('is asked of the log, and what is gone or expired is not dead any more', () => {
    const rig = single();
    const { consumer, machine, examine } = rig;
    const over = vi.spyOn(consumer.dead, 'over');
    const answers: Examined[] = ['gone', 'expired', 'unmatched', 'there', 'later'];
    examine.mockImplementation((_, sequence) => answers[sequence - 1]!);
    for (let n = 1; n <= 5; n++) machine.read(0, n, undefined);
    machine.join(1, 9, false);
    machine.tokens(1, 9);
    expect(consumer.lease(9, NOW)).toBe(1);
    expect(over.mock.calls).toEqual([[1], [2]]);
    expect(consumer.tidings.gaps).toEqual([[1, 1]]);
    expect(machine.list(0, 9).map(({ sequence, state }) => [sequence, state])).toEqual([
      [4, 'leased'],
      [5, 'ready'],
    ]);
    expect(examine.mock.calls.every(([of]) => of === consumer)).toBe(true);
  });

  it('is more only while no damaged event stands in its way', () => {
    const { consumer, machine } = single({ maxAhead: 1 });
    expect([consumer.wantsMore(0), consumer.knowsKeys]).toEqual([true, true]);
    consumer.isStuck = true;
    expect([consumer.wantsMore(0), consumer.knowsKeys]).toEqual([false, true]);
    consumer.isStuck = false;
    vi.spyOn(machine, 'nextUnread').mockReturnValue(3);
    expect(consumer.knowsKeys).toBe(false);
    consumer.isStuck = true;
    expect(consumer.knowsKeys).toBe(true);
    consumer.isStuck = false;
    machine.read(0, 1, undefined);
    expect(consumer.wantsMore(0)).toBe(false);
  });
});

describe('what a consumer stores', () => {
  it('are the lanes that have changed, and its dead events with their letters', () => {
    const rig = single({ ...PRIORITY, deadLetter: 'dead.jobs' });
    const { consumer, machine, store, commit, log } = rig;
    commit();
    const put = vi.spyOn(store, 'put');
    lease(rig, 2);
    machine.settle(1, 1, 'term', NOW, -1, 'no such order');
    expect(consumer.isDirty).toBe(true);
    commit();
    expect(put.mock.calls.map(([{ lane }]) => lane)).toEqual([0]);
    expect(store.dead('c1', 0, 9)).toMatchObject([
      { sequence: 1, cause: 'term', reason: 'no such order', state: LETTER_DUE, diedAt: 50 },
    ]);
    expect([consumer.tidings.deadCount, consumer.tidings.dead]).toEqual([1, [1]]);
    consumer.change(entryOf(PRIORITY), 9);
    machine.settle(2, 2, 'term', NOW, -1, '');
    commit();
    expect(store.deadState('c1', 2)).toBe(NO_LETTER_WANTED);
    expect([consumer.isDirty, log.consumers.deadCount('c1')]).toEqual([false, 2]);
  });
});

describe('the events of a batch', () => {
  it('go to the lanes that have come to the end of the log and want them', () => {
    const { consumer, machine } = single({ ...PRIORITY, maxAhead: 2 });
    machine.passed(0, 3);
    expect(consumer.beginBatch(4)).toBe(false);
    machine.passed(0, 4);
    expect(consumer.beginBatch(4)).toBe(true);
    const see = (sequence: number, topic: string) => consumer.see(sequence, viewOf({ topic }));
    see(5, 'jobs.n');
    for (const sequence of [6, 7, 8]) see(sequence, 'jobs.urgent');
    consumer.endBatch(9);
    const places = [0, 1].map((lane) => machine.lane(lane).position);
    expect([places, machine.lane(0).openCount, machine.lane(1).openCount]).toEqual([[7, 0], 2, 0]);
  });

  it('say whether a record is to be kept, as more wait than there are tokens', () => {
    const { consumer, machine } = single({ filter: { topics: ['jobs.*'], types: ['job'] } });
    machine.join(1, 1, false);
    machine.tokens(1, 1);
    expect(consumer.beginBatch(0)).toBe(true);
    const see = (sequence: number, type: string) =>
      consumer.see(sequence, viewOf({ topic: 'jobs.a', type }));
    expect([see(1, 'note'), see(2, 'job'), see(3, 'job'), see(4, 'note')]).toEqual([
      false,
      false,
      true,
      false,
    ]);
    consumer.endBatch(4);
    expect([machine.lane(0).position, machine.counts.open]).toEqual([4, 2]);
  });

  it('are put back where the consumer takes none, unless it is stuck', () => {
    const { consumer, machine } = single({ maxAhead: 1 });
    expect(consumer.beginBatch(0)).toBe(true);
    for (const sequence of [1, 2, 3]) consumer.see(sequence, viewOf({ topic: 'jobs.a' }));
    consumer.endBatch(4);
    expect([
      machine.lane(0).position,
      consumer.backlog.covers(1),
      consumer.backlog.through,
    ]).toEqual([1, true, 4]);
    expect(consumer.beginBatch(4)).toBe(true);
    consumer.see(5, viewOf({ topic: 'jobs.a' }));
    consumer.endBatch(5);
    expect([consumer.backlog.through, consumer.backlog.next(3)]).toEqual([5, 5]);
    consumer.isStuck = true;
    expect(consumer.beginBatch(5)).toBe(false);
    expect(consumer.see(6, viewOf({ topic: 'jobs.a' }))).toBe(false);
    consumer.endBatch(6);
    expect([machine.counts.open, consumer.backlog.through]).toEqual([1, 5]);
  });
});
