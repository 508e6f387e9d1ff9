/** What a batch takes from the rings of its links, how it stores and answers it, and what it leaves for the next. */
import { describe, expect, it, vi } from 'vitest';
import {
  ACK_DUPLICATE,
  ACK_DUPLICATE_WRITTEN,
  ACK_EPHEMERAL,
  ACK_REFUSED,
  ACK_SYNCED,
  ACK_WAITING,
  ACK_WAITING_DUPLICATE,
  ACK_WAITING_DUPLICATE_WRITTEN,
  ACK_WAITING_WRITTEN,
  ACK_WRITTEN,
} from '../../src/link/link-records.js';
import {
  GROUP_HEAD_LENGTH,
  groupItemLength,
  TERMS_LENGTH,
} from '../../src/link/publish-records.js';
import { BusError } from '../../src/protocol/errors.js';
import { WAITING_PUBLISHES_MAX } from '../../src/protocol/limits/schedules.js';
import { MIB } from '../../src/protocol/limits/units.js';
import {
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SUPPLIED_TIMESTAMP,
  EVENT_FLAG_SYNCED,
  EventRecordView,
} from '../../src/record/event-record.js';
import type { GroupSettling } from '../../src/shards/group-settling.js';
import type { Refusing } from '../../src/shards/overdue-rule.js';
import { PublishBatch } from '../../src/shards/publish-batch.js';
import { REFUSED_FULL, REFUSED_OVERDUE } from '../../src/shards/refusals.js';
import { record, type TestEvent } from '../store/records.js';
import { memoryLog, TestLink, type ToldAck } from './support.js';

const WRITTEN = EVENT_FLAG_PERSIST;
const SYNCED = WRITTEN | EVENT_FLAG_SYNCED;
const NAMED = EVENT_FLAG_SUPPLIED_ID;
const TIMED = EVENT_FLAG_SUPPLIED_TIMESTAMP;
const LATER = 4e12;

/** A log, a batch, and links that the batch takes from. */
function taking(links = 1, ringBytes = 65_536) {
  const log = memoryLog([]);
  const batch = new PublishBatch(log);
  const ends = Array.from({ length: links }, (_, n) => {
    const link = new TestLink(ringBytes, `endpoint-${n}`);
    return { link, end: link.shardEnd() };
  });
  const drain = (limit = 4096, refusing?: Refusing, first = 0): number => {
    batch.drain(
      ends.map(({ end }) => end),
      first,
      limit,
      refusing,
    );
    return batch.handled;
  };
  /** Commits what the batch has, and tells its acks. */
  const finish = (): ToldAck[] => {
    if (batch.isToStore) batch.settle(log.commit(batch.synced, batch.positions));
    batch.acknowledge();
    batch.release();
    return ends.flatMap(({ link }) => link.acks());
  };
  const take = (limit?: number, refusing?: Refusing): ToldAck[] => {
    drain(limit, refusing);
    return finish();
  };
  const stored = () => {
    const events: { topic: string; id: string; timestamp: number; recordedAt: number }[] = [];
    log.read({ after: 0, limit: 1000 }, ({ bytes, offset, recordedAt }) => {
      const { topic, id, timestamp } = new EventRecordView().wrap(bytes, offset);
      events.push({ topic, id, timestamp, recordedAt });
      return true;
    });
    return events;
  };
  /** As if the log had flushed only so many of its events. */
  const flushedTo = (head: number) => vi.spyOn(log, 'syncedHead', 'get').mockReturnValue(head);
  const [{ link, end }] = ends as [(typeof ends)[number]];
  return { log, batch, ends, link, end, drain, finish, take, stored, flushedTo };
}

const answersOf = (acks: readonly ToldAck[]) =>
  acks.map(({ kind, count, sequence }) => [kind, count, sequence]);

describe('the times of publishes', () => {
  it('are those at which they are recorded, where their publisher gave none', () => {
    const { link, take, stored } = taking();
    for (const flags of [SYNCED, SYNCED | TIMED]) link.publish({ flags, timestamp: 7 });
    link.publishGroup([SYNCED, SYNCED | TIMED].map((flags) => ({ flags, timestamp: 7 })));
    take();
    const events = stored();
    expect(events.map(({ timestamp, recordedAt }) => timestamp === recordedAt)).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect([events[1]!.timestamp, events[3]!.timestamp]).toEqual([7, 7]);
  });

  it('are those of delivery for ephemeral ones', () => {
    const { batch, link, drain } = taking();
    for (const flags of [0, TIMED]) link.publish({ flags, timestamp: 7 });
    drain();
    const [one, other] = [0, 1].map(
      (n) => new EventRecordView().wrap(batch.bytes[n]!, batch.offsets[n]!).timestamp,
    );
    expect(one).toBeGreaterThan(1e12);
    expect(other).toBe(7);
  });

  it('and the times to live become the times at which the events expire', () => {
    const { batch, link, drain } = taking();
    for (const flags of [0, SYNCED]) link.publish({ flags, expiry: -1000 });
    link.publishGroup([{ flags: SYNCED, expiry: -1000 }]);
    drain();
    const view = new EventRecordView();
    const expiries = [0, 1, 2].map((n) => view.wrap(batch.bytes[n]!, batch.offsets[n]!).expiry);
    expect(Math.min(...expiries)).toBeGreaterThan(1e12);
  });
});

describe('a batch', () => {
  it('takes so many publishes, and the events of a group count each', () => {
    const { link, batch, drain } = taking();
    for (let n = 0; n < 2; n++) link.publish({ flags: SYNCED });
    link.publishGroup(new Array(3).fill({ flags: SYNCED }));
    link.publish({ flags: SYNCED });
    expect(drain(1)).toBe(1);
    batch.release();
    expect(drain(3)).toBe(1);
    batch.release();
    expect(drain(3)).toBe(3);
    batch.release();
    expect(drain(3)).toBe(1);
  });

  it('takes a group that no batch has room for alone, and nothing behind it', () => {
    const { link, batch, drain } = taking();
    link.publishGroup(new Array(3).fill({ flags: SYNCED }));
    link.publish({ flags: SYNCED });
    expect(drain(2)).toBe(3);
    batch.release();
    expect(drain(2)).toBe(1);
  });

  it('takes a group that fills it to the last event', () => {
    const { link, drain } = taking();
    link.publish({ flags: SYNCED });
    link.publishGroup(new Array(3).fill({ flags: SYNCED }));
    expect(drain(4)).toBe(4);
  });

  it('begins with another link each time, and goes on with the next while there is room', () => {
    const { ends, drain } = taking(3);
    for (const { link } of ends) for (let n = 0; n < 2; n++) link.publish({ flags: 0 });
    drain(3, undefined, 1);
    expect(ends.map(({ end }) => end.publishRing.isEmpty())).toEqual([false, true, false]);
    expect(ends.map(({ end }) => end.publishRing.usedBytes > 0)).toEqual([true, true, true]);
  });

  it('takes nothing of a link whose next publish waits', () => {
    const { ends, drain } = taking(2);
    for (const { link } of ends) link.publish({ flags: SYNCED });
    ends[0]!.end.isHeld = true;
    expect(drain()).toBe(1);
  });

  it('counts the bytes of its records, and takes no more of them than it may, but the first', () => {
    const { link, batch, drain } = taking(1, 16 * MIB);
    const [one, other] = [{ flags: SYNCED }, { flags: SYNCED, topic: 'other' }];
    link.publish(one);
    link.publishOnTerms(other, 0);
    link.publishGroup([one, other]);
    const [length, otherLength] = [record(one).length, record(other).length];
    drain();
    const inGroup = GROUP_HEAD_LENGTH + groupItemLength(length) + groupItemLength(otherLength);
    expect(batch.byteCount).toBe(length + TERMS_LENGTH + otherLength + inGroup);
    batch.release();
    for (const mib of [1.5, 1.5, 1.5, 5, 0]) {
      link.publish({ flags: 0, payload: 'x'.repeat(mib * MIB) });
    }
    const handled = [0, 1, 2, 3].map(() => {
      const count = drain();
      batch.release();
      return count;
    });
    expect(handled).toEqual([2, 1, 1, 1]);
  });

  it('notes in each ring how far it was read', () => {
    const { ends, drain } = taking(2);
    ends[1]!.link.publish({ flags: 0 });
    drain();
    const [untouched, read] = ends.map(({ end }) => end.publishRing);
    expect(read!.mark).toBe(read!.position);
    expect(read!.mark).not.toBe(0);
    expect(untouched!.mark).toBe(0);
  });

  it('stores the positions of rings of which it decides anything', () => {
    const { ends, batch, drain, finish } = taking(5);
    const [plain, ephemeral, conflict, waiting, repeat] = ends.map(({ link }) => link);
    plain!.publish({ flags: SYNCED, id: 'a' });
    drain();
    finish();
    plain!.publish({ flags: 0 });
    plain!.publish({ flags: WRITTEN });
    plain!.publish({ flags: WRITTEN });
    ephemeral!.publish({ flags: 0 });
    conflict!.publishOnTerms({ flags: SYNCED, topic: 'none' }, 7);
    waiting!.publishOnTerms({ flags: SYNCED }, { deliverAt: LATER });
    repeat!.publishGroup([{ flags: SYNCED }]);
    drain();
    const position = (n: number) => ends[n]!.end.publishRing.totalPosition;
    expect(batch.positions).toEqual([
      { endpoint: 'endpoint-0', position: position(0), firstSequence: 2, settled: 0 },
      { endpoint: 'endpoint-2', position: position(2), firstSequence: 0, settled: 0 },
      { endpoint: 'endpoint-3', position: position(3), firstSequence: 0, settled: 0 },
      { endpoint: 'endpoint-4', position: position(4), firstSequence: 4, settled: 0 },
    ]);
    expect([batch.appended, batch.ephemeral, batch.conflicts]).toEqual([3, 2, 1]);
    finish();
    expect(batch).toMatchObject({
      ...{ handled: 0, byteCount: 0, appended: 0, ephemeral: 0, conflicts: 0, synced: false },
      ...{ duplicates: 0, overdue: 0, length: 0, positions: [], links: [] },
    });
  });

  it('has something to store once it has a flush, an event or a position', () => {
    const { batch, link, drain, finish, flushedTo } = taking();
    flushedTo(0);
    expect(batch.isToStore).toBe(false);
    link.publish({ flags: 0 });
    drain();
    expect(batch.isToStore).toBe(false);
    finish();
    link.publish({ flags: WRITTEN | NAMED, id: 'a' });
    drain();
    expect([batch.isToStore, batch.synced]).toEqual([true, false]);
    finish();
    link.publish({ flags: SYNCED | NAMED, id: 'a' });
    drain();
    expect([batch.isToStore, batch.appended, batch.positions]).toEqual([true, 0, []]);
    finish();
    link.publishOnTerms({ flags: WRITTEN }, 7);
    drain();
    expect([batch.isToStore, batch.synced, batch.appended]).toEqual([true, false, 0]);
    finish();
    batch.noteDone();
    expect([batch.handled, batch.isToStore, batch.appended]).toEqual([1, true, 0]);
  });

  it('counts the events of the bus itself as no publishes', () => {
    const { link, batch, drain } = taking();
    for (const topic of ['$sys.a', 'a', 'b']) link.publish({ flags: 0, topic });
    drain();
    expect([batch.ephemeral, batch.length]).toEqual([2, 3]);
    expect(batch.topics).toEqual(['$sys.a', 'a', 'b']);
    expect(batch.sequences).toEqual([0, 0, 0]);
  });

  it('appends what is due, with a time and an expiry, and flushes where that was asked', () => {
    const { log, batch, finish, stored } = taking();
    batch.takeDue(record({ flags: WRITTEN, topic: 'a', timestamp: 7, expiry: -1000 }));
    expect([batch.synced, batch.appended, batch.handled]).toEqual([false, 1, 1]);
    batch.takeDue(record({ flags: SYNCED | TIMED, topic: 'b', timestamp: 7 }));
    expect([batch.synced, batch.appended, batch.handled]).toEqual([true, 2, 2]);
    expect([batch.topics, batch.sequences]).toEqual([
      ['a', 'b'],
      [1, 2],
    ]);
    const view = new EventRecordView();
    expect(view.wrap(batch.bytes[0]!, batch.offsets[0]!).expiry).toBeGreaterThan(1e12);
    finish();
    const [one, other] = stored();
    expect(one!.timestamp).toBe(one!.recordedAt);
    expect(other!.timestamp).toBe(7);
    expect(log.head).toBe(2);
  });

  it('records what is due no earlier than the log’s last event', () => {
    const { log, batch, finish, stored } = taking();
    log.append(record(), 0, LATER);
    log.commit(true, []);
    batch.takeDue(record({ flags: SYNCED }));
    finish();
    expect(stored().map(({ recordedAt }) => recordedAt)).toEqual([LATER, LATER]);
  });

  it('gives its events their sequences once they are stored', () => {
    const { batch, log, link, drain, finish } = taking();
    link.publish({ flags: SYNCED });
    drain();
    finish();
    link.publish({ flags: 0 });
    link.publish({ flags: SYNCED });
    link.publish({ flags: SYNCED });
    drain();
    expect(batch.sequences).toEqual([0, 1, 2]);
    batch.settle(log.commit(batch.synced, batch.positions));
    expect([batch.sequences, batch.lastSequence]).toEqual([[0, 2, 3], 3]);
  });
});

describe('a repeat', () => {
  it('of an id of its publisher is not stored, and of any other is', () => {
    const { link, take, stored } = taking();
    for (const flags of [SYNCED | NAMED, SYNCED]) {
      link.publish({ flags, id: 'a' });
      link.publish({ flags, id: 'a' });
    }
    expect(answersOf(take())).toEqual([
      [ACK_SYNCED, 1, 1],
      [ACK_DUPLICATE, 1, 1],
      [ACK_SYNCED, 2, 2],
    ]);
    expect(stored()).toHaveLength(3);
  });

  it('is as durable as its event: it waits for a flush where it asks for one', () => {
    const { batch, link, drain, finish, take, flushedTo } = taking();
    flushedTo(0);
    link.publish({ flags: WRITTEN | NAMED, id: 'a' });
    expect(answersOf(take())).toEqual([[ACK_WRITTEN, 1, 1]]);
    link.publish({ flags: WRITTEN | NAMED, id: 'a' });
    drain();
    expect([batch.synced, batch.duplicates, batch.lastSequence]).toEqual([false, 1, 1]);
    expect(answersOf(finish())).toEqual([[ACK_DUPLICATE_WRITTEN, 1, 1]]);
    link.publish({ flags: SYNCED | NAMED, id: 'a' });
    drain();
    expect([batch.synced, batch.owesFlush]).toEqual([true, true]);
    expect(answersOf(finish())).toEqual([[ACK_DUPLICATE, 1, 1]]);
    flushedTo(1);
    link.publish({ flags: WRITTEN | NAMED, id: 'a' });
    link.publish({ flags: SYNCED | NAMED, id: 'a' });
    drain();
    expect([batch.synced, batch.owesFlush]).toEqual([false, false]);
    expect(answersOf(finish())).toEqual([
      [ACK_DUPLICATE, 1, 1],
      [ACK_DUPLICATE, 1, 1],
    ]);
  });

  it('of a group is one of all its events, and flushed with the last of them', () => {
    const { batch, link, drain, finish, take, flushedTo } = taking();
    flushedTo(1);
    const group = (flags: number) => ['a', 'b'].map((id) => ({ id, flags: flags | NAMED }));
    link.publishGroup(group(WRITTEN));
    expect(answersOf(take())).toEqual([[ACK_WRITTEN, 2, 1]]);
    link.publishGroup(group(WRITTEN));
    drain();
    expect([batch.synced, batch.duplicates, batch.lastSequence]).toEqual([false, 2, 2]);
    expect(answersOf(finish())).toEqual([[ACK_DUPLICATE_WRITTEN, 2, 1]]);
    link.publishGroup(group(SYNCED));
    drain();
    expect([batch.synced, batch.owesFlush]).toEqual([true, true]);
    expect(answersOf(finish())).toEqual([[ACK_DUPLICATE, 2, 1]]);
    flushedTo(2);
    link.publishGroup(group(WRITTEN));
    expect(answersOf(take())).toEqual([[ACK_DUPLICATE, 2, 1]]);
  });
});

describe('publishes that wait', () => {
  const waiting = { deliverAt: LATER };

  it.each([
    [WRITTEN, ACK_WAITING_WRITTEN, ACK_WAITING_DUPLICATE_WRITTEN],
    [SYNCED, ACK_WAITING, ACK_WAITING_DUPLICATE],
  ])('are kept until then, their repeats are not (flags %i)', (flags, kind, repeatKind) => {
    const { log, batch, link, drain, finish } = taking();
    const event = { flags: flags | NAMED, id: 'a' };
    link.publishOnTerms(event, waiting);
    link.publishOnTerms(event, waiting);
    link.publish(event);
    drain();
    const isFlushed = flags === SYNCED;
    expect([batch.synced, batch.duplicates, batch.appended]).toEqual([isFlushed, 2, 0]);
    expect(answersOf(finish())).toEqual([
      [kind, 1, LATER],
      [repeatKind, 2, LATER],
    ]);
    expect([log.head, log.scheduled!.waiting]).toEqual([0, 1]);
    link.publishGroup([
      { ...event, id: 'b', ...waiting },
      { ...event, id: 'c', ...waiting },
    ]);
    drain();
    expect([batch.synced, batch.handled]).toEqual([isFlushed, 2]);
    expect(answersOf(finish())).toEqual([[kind, 2, LATER]]);
    link.publishGroup([
      { ...event, id: 'b', ...waiting },
      { ...event, id: 'c', ...waiting },
    ]);
    drain();
    expect([batch.synced, batch.duplicates]).toEqual([isFlushed, 2]);
    expect(answersOf(finish())).toEqual([[repeatKind, 2, LATER]]);
    expect(log.scheduled!.waiting).toBe(3);
  });

  it('are events at once where their time has come', () => {
    const { log, link, take } = taking();
    link.publishOnTerms({ flags: SYNCED }, { deliverAt: 1 });
    link.publishGroup([{ flags: SYNCED, deliverAt: 1 }]);
    expect(answersOf(take())).toEqual([[ACK_SYNCED, 2, 1]]);
    expect([log.head, log.scheduled!.waiting]).toEqual([2, 0]);
  });

  it('are refused where the log keeps none', () => {
    const { log, link, drain, finish } = taking();
    const { scheduled } = log;
    link.publishOnTerms({ flags: SYNCED }, waiting);
    link.publishGroup([{ flags: SYNCED, ...waiting }]);
    link.publish({ flags: SYNCED });
    Object.assign(log, { scheduled: undefined });
    drain();
    // The log itself cannot do without.
    Object.assign(log, { scheduled });
    expect(finish()).toMatchObject([
      { kind: ACK_REFUSED, count: 2, code: 'OPTION_INVALID' },
      { kind: ACK_SYNCED, sequence: 1 },
    ]);
  });

  it('are refused where as many wait as may, a group as a whole', () => {
    const { log, link, take } = taking();
    const most = WAITING_PUBLISHES_MAX;
    vi.spyOn(log.scheduled!, 'waiting', 'get').mockReturnValue(most - 1);
    link.publishGroup([waiting, waiting].map((one) => ({ flags: SYNCED, ...one })));
    expect(take()).toMatchObject([{ kind: ACK_REFUSED, count: 2, code: 'LIMIT_EXCEEDED' }]);
    link.publishOnTerms({ flags: SYNCED }, waiting);
    expect(take()).toMatchObject([{ kind: ACK_WAITING, count: 1 }]);
    vi.spyOn(log.scheduled!, 'waiting', 'get').mockReturnValue(most);
    link.publishOnTerms({ flags: SYNCED }, waiting);
    expect(take()).toMatchObject([{ kind: ACK_REFUSED, code: 'LIMIT_EXCEEDED' }]);
  });

  it('as a part of a group alone are refused, with the time of those that do', () => {
    const { link, take } = taking();
    const one = (id: string) => ({ id, flags: SYNCED | NAMED, ...waiting });
    link.publishOnTerms(one('b'), waiting);
    for (const ids of ['ab', 'bc', 'abc']) link.publishGroup([...ids].map(one));
    const deliverAt = new Date(LATER).toISOString();
    const refused = (count: number, index: number) => ({
      ...{ kind: ACK_REFUSED, count, code: 'CONFLICT' },
      details: { topic: 'test.topic', deliverAt, id: 'b', index },
    });
    expect(take()).toMatchObject([
      { kind: ACK_WAITING },
      refused(2, 1),
      refused(2, 0),
      refused(3, 1),
    ]);
  });
});

describe('a publish that is bound to an expectation', () => {
  const details = (acks: readonly ToldAck[]) => acks.map((ack) => ack.details);

  it('is refused with the last event of its topic, be it in the batch or stored', () => {
    const { link, batch, drain, finish, take } = taking();
    link.publish({ flags: SYNCED, topic: 'a', id: 'x' });
    take();
    link.publishOnTerms({ flags: SYNCED, topic: 'a' }, 0);
    for (const id of ['p', 'q', 'r']) link.publish({ flags: SYNCED, topic: id, id });
    link.publish({ flags: 0, topic: 'q' });
    for (const topic of ['p', 'q', 'r']) link.publishOnTerms({ flags: SYNCED, topic }, 0);
    for (const topic of ['p', 'q', 'r', 'z']) {
      link.publishGroup([
        { flags: SYNCED, topic: 'g' },
        { flags: SYNCED, topic, expected: 9 },
      ]);
    }
    drain();
    expect(batch.conflicts).toBe(1 + 3 + 4 * 2);
    const acks = finish().filter(({ kind }) => kind === ACK_REFUSED);
    const found = { p: 2, q: 3, r: 4 };
    const expected = { sequence: 9 };
    expect(details(acks)).toEqual([
      { topic: 'a', expected: 'none', sequence: 1, id: 'x' },
      ...Object.entries(found).map(([topic, sequence]) => {
        return { topic, expected: 'none', sequence, id: topic };
      }),
      ...Object.entries(found).map(([topic, sequence]) => {
        return { topic, expected, sequence, id: topic, index: 1 };
      }),
      { topic: 'z', expected, index: 1 },
    ]);
  });

  it('knows of the events of its own batch alone, once another has begun', () => {
    const { link, log, take } = taking();
    link.publish({ flags: SYNCED, topic: 'a' });
    link.publishOnTerms({ flags: SYNCED, topic: 'a' }, 1);
    expect(answersOf(take())).toEqual([[ACK_SYNCED, 2, 1]]);
    link.publish({ flags: SYNCED, topic: 'b' });
    link.publishOnTerms({ flags: SYNCED, topic: 'a' }, 2);
    link.publishOnTerms({ flags: SYNCED, topic: 'b' }, 3);
    link.publishOnTerms({ flags: SYNCED, topic: 'a' }, 4);
    expect(answersOf(take())).toEqual([[ACK_SYNCED, 4, 3]]);
    expect(log.head).toBe(6);
  });

  it('is refused without the id of an event whose row is damaged or gone', () => {
    const { link, log, take } = taking();
    link.publish({ flags: SYNCED, topic: 'a', id: 'x' });
    take();
    const read = vi.spyOn(log, 'read').mockReturnValueOnce(0);
    link.publishOnTerms({ flags: SYNCED, topic: 'a' }, 0);
    const known = { topic: 'a', expected: 'none', sequence: 1 };
    expect(details(take())).toEqual([known]);
    read.mockImplementationOnce(() => {
      throw new BusError('STORE_CORRUPT', 'planted');
    });
    link.publishOnTerms({ flags: SYNCED, topic: 'a' }, 0);
    expect(details(take())).toEqual([known]);
    link.publishOnTerms({ flags: SYNCED, topic: 'b' }, 7);
    read.mockClear();
    expect(details(take())).toEqual([{ topic: 'b', expected: { sequence: 7 } }]);
    expect(read).not.toHaveBeenCalled();
  });

  it.each([
    new BusError('STORE_FAILED', 'planted'),
    Object.assign(new Error('planted'), { code: 'STORE_CORRUPT' }),
  ])('ends the shard where that row cannot be read because of another fault: %s', (error) => {
    const { link, log, drain, take } = taking();
    link.publish({ flags: SYNCED, topic: 'a' });
    take();
    vi.spyOn(log, 'read').mockImplementationOnce(() => {
      throw error;
    });
    link.publishOnTerms({ flags: SYNCED, topic: 'a' }, 0);
    expect(() => drain()).toThrow(error);
  });
});

describe('a group, some of which is stored', () => {
  const named = (...ids: readonly string[]): TestEvent[] =>
    ids.map((id) => ({ id, flags: SYNCED | NAMED }));

  it.each([
    ['xa', 1, 'a', 1],
    ['ax', 0, 'a', 1],
    ['abx', 1, 'b', 2],
    ['ba', 1, 'a', 1],
    ['ac', 1, 'c', 3],
    ['xbx', 1, 'b', 2],
  ])('as %s is refused with the event that is', (ids, index, id, sequence) => {
    const { link, take } = taking();
    link.publishGroup(named('a', 'b', 'c'));
    take();
    link.publishGroup(named(...ids));
    const [ack] = take();
    expect(ack).toMatchObject({
      ...{ kind: ACK_REFUSED, count: ids.length, code: 'CONFLICT' },
      details: { topic: 'test.topic', sequence, id, index },
    });
  });

  it('and the rest of which the batch is about to store is refused', () => {
    const { link, take } = taking();
    link.publishGroup(named('a', 'b'));
    take();
    link.publishGroup(named('c', 'd'));
    link.publishGroup(named('b', 'c'));
    link.publishGroup(named('c', 'd'));
    expect(take()).toMatchObject([
      { kind: ACK_SYNCED, count: 2, sequence: 3 },
      { kind: ACK_REFUSED, count: 2, details: { sequence: 3, id: 'c', index: 1 } },
      { kind: ACK_DUPLICATE, count: 2, sequence: 3 },
    ]);
  });

  it('by ids that are not its publisher’s own is new', () => {
    const { link, take } = taking();
    const group = ['a', 'b'].map((id) => ({ id, flags: SYNCED }));
    for (let n = 0; n < 2; n++) link.publishGroup(group);
    expect(answersOf(take())).toEqual([[ACK_SYNCED, 4, 1]]);
  });
});

describe('a group that acknowledges a lease', () => {
  const lease = { member: 5, sequence: 8, lease: 2 };
  const group = [{ id: 'a', flags: SYNCED | NAMED }];

  function settling(outcome: 'done' | 'ended' | 'later') {
    const calls: [number, boolean][] = [];
    const settling: GroupSettling = {
      settleWithGroup: (_link, { member, count }, isRepeat) => {
        expect(count).toBe(1);
        calls.push([member, isRepeat]);
        return outcome;
      },
    };
    const rig = taking();
    rig.batch.settling = settling;
    return { ...rig, calls };
  }

  it('is stored with the ack, and its repeat acknowledges again', () => {
    const { link, take, calls } = settling('done');
    link.publishGroup(group, lease);
    link.publishGroup(group, lease);
    link.publishGroup(group);
    expect(answersOf(take())).toEqual([
      [ACK_SYNCED, 1, 1],
      [ACK_DUPLICATE, 1, 1],
      [ACK_DUPLICATE, 1, 1],
    ]);
    expect(calls).toEqual([
      [5, false],
      [5, true],
    ]);
  });

  it('is refused where the lease has ended, but for a repeat', () => {
    const { link, take, log } = settling('ended');
    link.publishGroup(group);
    link.publishGroup(group, lease);
    link.publishGroup([{ flags: SYNCED }], lease);
    expect(take()).toMatchObject([
      { kind: ACK_SYNCED, sequence: 1 },
      { kind: ACK_DUPLICATE, sequence: 1 },
      { kind: ACK_REFUSED, count: 1, code: 'LEASE_LOST' },
    ]);
    expect(log.head).toBe(1);
  });

  it('has lost it where the shard has no consumers', () => {
    const { link, take } = taking();
    link.publishGroup(group, lease);
    expect(take()).toMatchObject([{ kind: ACK_REFUSED, count: 1, code: 'LEASE_LOST' }]);
  });

  it('waits, and all behind it, until the endpoint has said which leases it holds', () => {
    const { link, end, drain, batch } = settling('later');
    link.publish({ flags: SYNCED });
    link.publishGroup(group, lease);
    link.publish({ flags: SYNCED });
    expect([drain(), end.isHeld]).toEqual([1, true]);
    batch.release();
    expect(drain()).toBe(0);
  });

  it('is not asked for its lease where it is refused anyway', () => {
    const { link, take, calls } = settling('done');
    link.publishGroup([{ flags: SYNCED, expected: 7 }], lease);
    expect(take()).toMatchObject([{ kind: ACK_REFUSED, code: 'CONFLICT' }]);
    expect(calls).toEqual([]);
  });
});

describe('publishes that are overdue', () => {
  const error = { code: 'BACKPRESSURE', message: 'it takes nothing' } as const;
  const refusing: Refusing = {
    refusalOf: (topic) => (topic === 'slow' ? error : undefined),
  };
  const slow = (flags: number, id = 'x') => ({ flags, id, topic: 'slow' });

  it('are refused, ephemeral ones too, and those of other topics wait for the next batch', () => {
    const { link, end, batch, drain, finish, take } = taking();
    link.publish(slow(0));
    link.publish(slow(SYNCED));
    link.publishGroup([{ flags: SYNCED }, slow(SYNCED)]);
    link.publish({ flags: SYNCED });
    expect(drain(4096, refusing)).toBe(4);
    expect([batch.overdue, batch.length, end.publishRing.refusal]).toEqual([4, 0, REFUSED_OVERDUE]);
    expect(batch.isToStore).toBe(false);
    expect(finish()).toMatchObject([{ kind: ACK_REFUSED, count: 4, code: 'BACKPRESSURE' }]);
    expect(answersOf(take(4096, refusing))).toEqual([[ACK_SYNCED, 1, 1]]);
  });

  it('wait for the next batch behind others', () => {
    const { link, end, drain, finish, take } = taking();
    link.publishGroup([{ flags: SYNCED }]);
    link.publish({ flags: SYNCED });
    link.publish(slow(SYNCED));
    expect([drain(4096, refusing), end.publishRing.refusal]).toEqual([2, 0]);
    expect(answersOf(finish())).toEqual([[ACK_SYNCED, 2, 1]]);
    expect(take(4096, refusing)).toMatchObject([{ kind: ACK_REFUSED, count: 1 }]);
    link.publish({ flags: SYNCED });
    link.publishGroup([slow(SYNCED)]);
    expect(drain(4096, refusing)).toBe(1);
  });

  it('are those of each link by itself', () => {
    const { ends, drain } = taking(2);
    ends[0]!.link.publish(slow(SYNCED));
    ends[1]!.link.publish({ flags: SYNCED });
    expect(drain(4096, refusing)).toBe(2);
    expect(ends.map(({ end }) => end.publishRing.refusal)).toEqual([REFUSED_OVERDUE, 0]);
  });

  it('are none that repeat stored events, which nobody waits for', () => {
    const { link, take } = taking();
    link.publish(slow(SYNCED | NAMED));
    take();
    link.publish(slow(SYNCED | NAMED));
    expect(answersOf(take(4096, refusing))).toEqual([[ACK_DUPLICATE, 1, 1]]);
    for (const flags of [NAMED, SYNCED]) link.publish(slow(flags));
    expect(take(4096, refusing)).toMatchObject([{ kind: ACK_REFUSED, count: 2 }]);
  });
});

describe('ephemeral publishes that a dead thread may have delivered', () => {
  it('are acknowledged, and not delivered again', () => {
    const { link, end, batch, drain } = taking();
    link.publish({ flags: 0, topic: 'one' });
    const until = link.publishRing.position;
    end.skipEphemeralUntil = until;
    link.publish({ flags: 0, topic: 'two' });
    link.publish({ flags: 0, topic: 'three' });
    drain();
    expect(batch.topics).toEqual(['two', 'three']);
    expect([batch.handled, end.skipEphemeralUntil]).toEqual([3, undefined]);
    batch.acknowledge();
    expect(answersOf(link.acks())).toEqual([[ACK_EPHEMERAL, 3, 0]]);
  });

  it('are none any more once the ring was read behind them', () => {
    const { link, end, batch, drain } = taking();
    for (let n = 0; n < 2; n++) link.publish({ flags: SYNCED });
    end.skipEphemeralUntil = link.publishRing.position;
    drain(1);
    expect(end.skipEphemeralUntil).toBeDefined();
    batch.release();
    drain(1);
    expect(end.skipEphemeralUntil).toBeUndefined();
  });
});

describe('a batch that the log refused', () => {
  it('keeps its ephemeral events alone, and notes in each ring that there was no room', () => {
    const { ends, batch, drain } = taking(2);
    for (const { link } of ends) {
      link.publish({ flags: SYNCED, topic: 'stored' });
      link.publish({ flags: 0, topic: 'ephemeral' });
    }
    drain();
    batch.refuse({ code: 'STORE_FULL', message: 'full' });
    expect([batch.topics.slice(0, batch.length), batch.length]).toEqual([
      ['ephemeral', 'ephemeral'],
      2,
    ]);
    expect(ends.map(({ end }) => end.publishRing.refusal)).toEqual([REFUSED_FULL, REFUSED_FULL]);
    batch.acknowledge();
    for (const { link } of ends) {
      expect(link.acks()).toMatchObject([
        { kind: ACK_REFUSED, code: 'STORE_FULL' },
        { kind: ACK_EPHEMERAL },
      ]);
    }
    batch.release();
    expect(ends.map(({ end }) => end.publishRing.refusal)).toEqual([0, 0]);
  });

  it('as a whole, but its repeats, notes that in each ring; one that is stored notes nothing', () => {
    const { ends, batch, log, drain } = taking(2);
    for (const { link } of ends) link.publish({ flags: SYNCED });
    drain();
    const committed = log.commit(batch.synced, batch.positions);
    const refusal = new BusError('STORE_FULL', 'full');
    batch.settle({ ...committed, sequenceOf: () => 1, isRepeat: () => false, refusal });
    expect(ends.map(({ end }) => end.publishRing.refusal)).toEqual([REFUSED_FULL, REFUSED_FULL]);
    batch.acknowledge();
    expect(ends[0]!.link.acks()).toMatchObject([{ kind: ACK_REFUSED, code: 'STORE_FULL' }]);
    batch.release();
    ends[0]!.link.publish({ flags: SYNCED });
    drain();
    batch.settle(log.commit(batch.synced, batch.positions));
    expect(ends[0]!.end.publishRing.refusal).toBe(0);
  });
});
