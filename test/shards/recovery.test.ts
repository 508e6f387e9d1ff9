import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  ACK_DUPLICATE,
  ACK_EPHEMERAL,
  ACK_REFUSED,
  ACK_SYNCED,
  ACK_WAITING,
  ACK_WAITING_DUPLICATE,
  ACK_WAITING_DUPLICATE_WRITTEN,
  ACK_WAITING_WRITTEN,
  ACK_WRITTEN,
} from '../../src/link/link-records.js';
import { BusError } from '../../src/protocol/errors.js';
import { DEDUPE_WINDOW_MS } from '../../src/protocol/limits/store.js';
import {
  EVENT_FLAG_ID_OF_SOURCE,
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SYNCED,
} from '../../src/record/event-record.js';
import { PublishBatch } from '../../src/shards/publish-batch.js';
import { LinkRecovery } from '../../src/shards/recovery.js';
import type { ShardEnd } from '../../src/shards/shard-end.js';
import type { SqliteShardLogOptions } from '../../src/store/sqlite/sqlite-log-options.js';
import { SqliteShardLog } from '../../src/store/sqlite/sqlite-shard-log.js';
import { temporaryDirectory } from '../bus/support/open.js';
import { record } from '../store/records.js';
import { memoryLog, TestLink, type ToldAck } from './support.js';

const STORED = EVENT_FLAG_PERSIST | EVENT_FLAG_SYNCED;
const NAMED = STORED | EVENT_FLAG_SUPPLIED_ID;

/**
 * The acks, run by run, of the shard after one that stored `before`, took the other publishes in one batch, and died
 * between its commit and its acks.
 */
function acksAfterDeath(
  options: Partial<SqliteShardLogOptions>,
  before: readonly string[],
  publish: (link: TestLink) => void,
  beforeDeath: (log: SqliteShardLog) => void = () => undefined,
): ToldAck[] {
  const open = (): SqliteShardLog => new SqliteShardLog({ file, shard: 0, ...options });
  const file = join(temporaryDirectory(), 'shard-000.db');
  let log = open();
  const batch = new PublishBatch(log);
  const link = new TestLink();
  const first = link.shardEnd();
  for (const id of before) link.publish({ id, flags: NAMED });
  batch.drain([first], 0, 4096);
  batch.settle(log.commit(batch.synced, batch.positions));
  batch.acknowledge();
  batch.release();
  expect(link.acks()).toHaveLength(Math.min(1, before.length));
  publish(link);
  batch.drain([first], 0, 4096);
  batch.settle(log.commit(batch.synced, batch.positions));
  beforeDeath(log);
  log.close();
  log = open();
  const second = link.shardEnd();
  expect(new LinkRecovery(second, log, log.ringPositions.stored()[0]).step()).toBe(true);
  expect(second.publishRing.isEmpty()).toBe(true);
  log.close();
  return link.acks();
}

describe('the shard after one that died', () => {
  test('acknowledges committed publishes again as they were', () => {
    const told = acksAfterDeath({}, ['a'], (link) => {
      link.publish({ flags: STORED });
      link.publish({ flags: 0 });
      link.publish({ flags: EVENT_FLAG_PERSIST });
      link.publish({ id: 'a', flags: NAMED });
      link.publish({ id: 'b', flags: NAMED });
      link.publish({ id: 'b', flags: NAMED });
    });
    expect(told.map(({ kind, sequence }) => [kind, sequence])).toEqual([
      [ACK_SYNCED, 2],
      [ACK_EPHEMERAL, 0],
      [ACK_WRITTEN, 3],
      [ACK_DUPLICATE, 1],
      [ACK_SYNCED, 4],
      [ACK_DUPLICATE, 4],
    ]);
  });

  test.each([
    ['ephemeral publishes', [0, 0, 0].map((flags) => ({ flags }))],
    ['repeats of stored events', ['a', 'b', 'c'].map((id) => ({ id, flags: NAMED }))],
  ])('acknowledges %s that its log knows nothing of one by one', (_, [one, two, later]) => {
    const log = new SqliteShardLog({ file: ':memory:', shard: 0 });
    onTestFinished(() => log.close());
    const link = new TestLink();
    const acknowledge = (end: ShardEnd): PublishBatch => {
      const batch = new PublishBatch(log);
      batch.drain([end], 0, 4096);
      batch.settle(log.commit(batch.synced, batch.positions));
      batch.acknowledge();
      return batch;
    };
    const first = link.shardEnd();
    for (const id of ['a', 'b', 'c']) link.publish({ id, flags: NAMED });
    acknowledge(first).release();
    link.publish(one!);
    link.publish(two!);
    acknowledge(first);
    const seen = link.acks().at(-1)!.position!;
    // The endpoint has read these acks; the thread dies before it gives the ring back.
    link.publish(later!);
    const second = link.shardEnd();
    expect(new LinkRecovery(second, log, log.ringPositions.stored()[0]).step()).toBe(true);
    acknowledge(second);
    const told = link.acks();
    expect(told.map(({ count }) => count)).toEqual([1, 1, 1]);
    expect(told.filter(({ position }) => ((position! - seen) | 0) > 0)).toHaveLength(1);
  });

  test('acknowledges one by one what any of the threads before it had acknowledged, though the last had come less far', () => {
    const log = new SqliteShardLog({ file: ':memory:', shard: 0 });
    onTestFinished(() => log.close());
    const link = new TestLink();
    const acknowledge = (end: ShardEnd, limit: number): void => {
      const batch = new PublishBatch(log);
      batch.drain([end], 0, limit);
      batch.settle(log.commit(batch.synced, batch.positions));
      batch.acknowledge();
    };
    const replaced = (): ShardEnd => {
      const end = link.shardEnd();
      expect(new LinkRecovery(end, log, undefined).step()).toBe(true);
      return end;
    };
    for (let i = 0; i < 3; i++) link.publish({ flags: 0 });
    acknowledge(link.shardEnd(), 3);
    expect(link.acks().map(({ count }) => count)).toEqual([3]);
    // The next thread acknowledges one of them and dies as well.
    acknowledge(replaced(), 1);
    expect(link.acks().map(({ count }) => count)).toEqual([1]);
    link.publish({ flags: 0 });
    const third = replaced();
    acknowledge(third, 4096);
    expect(link.acks().map(({ count }) => count)).toEqual([1, 1, 1, 1]);
  });

  test('knows a repeat by the stored row, even if the same batch pushed the first out of the window', () => {
    const told = acksAfterDeath({ dedupeIdsMax: 1 }, ['a'], (link) => {
      link.publish({ id: 'a', flags: NAMED });
      link.publish({ id: 'b', flags: NAMED });
      link.publish({ id: 'c', flags: NAMED });
      link.publish({ id: 'b', flags: NAMED });
    });
    expect(told.map(({ kind, sequence }) => [kind, sequence])).toEqual([
      [ACK_DUPLICATE, 1],
      [ACK_SYNCED, 2],
      [ACK_SYNCED, 3],
      [ACK_DUPLICATE, 2],
    ]);
  });

  test('knows a repeat whose dedupe window has passed by the time that it starts', () => {
    let later = 0;
    const told = acksAfterDeath(
      { now: () => Date.now() + later, elapsed: () => performance.now() + later },
      ['a'],
      (link) => {
        link.publish({ id: 'a', flags: NAMED });
        link.publish({ id: 'b', flags: NAMED });
        link.publish({ id: 'a', flags: NAMED });
      },
      () => {
        later = 10 * DEDUPE_WINDOW_MS;
      },
    );
    expect(told.map(({ kind, sequence }) => [kind, sequence])).toEqual([
      [ACK_DUPLICATE, 1],
      [ACK_SYNCED, 2],
      [ACK_DUPLICATE, 1],
    ]);
  });

  test('stores an id twice if no ids are remembered', () => {
    const told = acksAfterDeath({ dedupeIdsMax: 0 }, ['a'], (link) => {
      link.publish({ id: 'a', flags: NAMED });
      link.publish({ id: 'a', flags: NAMED });
    });
    expect(told.map(({ kind, sequence }) => [kind, sequence])).toEqual([
      [ACK_SYNCED, 2],
      [ACK_SYNCED, 3],
    ]);
  });

  test('knows a repeat whose first was pruned meanwhile', () => {
    const told = acksAfterDeath(
      { retention: [{ maxEvents: 1 }] },
      ['a'],
      (link) => {
        link.publish({ id: 'a', flags: NAMED });
        link.publish({ id: 'b', flags: NAMED });
      },
      (log) => {
        while (log.pruning.pruneStep(Date.now()));
      },
    );
    expect(told.map(({ kind, sequence }) => [kind, sequence])).toEqual([
      [ACK_DUPLICATE, 1],
      [ACK_SYNCED, 2],
    ]);
  });

  test('tells a repeat from the same id on another topic, or of another source', () => {
    const flags = NAMED | EVENT_FLAG_ID_OF_SOURCE;
    const told = acksAfterDeath({}, ['a'], (link) => {
      link.publish({ id: 'a', flags: NAMED });
      link.publish({ id: 'a', flags: NAMED, topic: 'other.topic' });
      link.publish({ id: 'a', flags, source: 's' });
      link.publish({ id: 'a', flags, source: 's' });
      link.publish({ id: 'a', flags, source: 't' });
    });
    expect(told.map(({ kind, sequence }) => [kind, sequence])).toEqual([
      [ACK_DUPLICATE, 1],
      [ACK_SYNCED, 2],
      [ACK_SYNCED, 3],
      [ACK_DUPLICATE, 3],
      [ACK_SYNCED, 4],
    ]);
  });
});

describe('the shard after one that died while it refused a batch', () => {
  /** The shard had no room for the batch, refused it, and died before it gave the ring's memory back. */
  function diedRefusing(publish: (link: TestLink) => void) {
    const file = join(temporaryDirectory(), 'shard-000.db');
    const full = new SqliteShardLog({ file, shard: 0, maxShardBytes: 160 * 1024 });
    const batch = new PublishBatch(full);
    const link = new TestLink();
    const first = link.shardEnd();
    link.publish({ id: 'a', flags: NAMED });
    batch.drain([first], 0, 4096);
    batch.settle(full.commit(batch.synced, batch.positions));
    batch.acknowledge();
    batch.release();
    publish(link);
    batch.drain([first], 0, 4096);
    const error = { code: 'STORE_FULL', message: 'full' } as const;
    expect(() => full.commit(batch.synced, batch.positions)).toThrow(/full/);
    batch.refuse(error);
    batch.acknowledge();
    const told = link.acks();
    full.close();
    const log = new SqliteShardLog({ file, shard: 0 });
    onTestFinished(() => log.close());
    return { link, log, told: told.slice(1) };
  }

  const large = 'x'.repeat(7000);
  const publishes = (link: TestLink): void => {
    link.publish({ flags: STORED, payload: large });
    link.publish({ flags: 0 });
    link.publish({ id: 'a', flags: NAMED });
    for (let n = 0; n < 6; n++) link.publish({ flags: STORED, payload: large });
  };

  test('refuses the batch too, and stores nothing of it', () => {
    const { link, log, told } = diedRefusing(publishes);
    const answers = ({ kind, count }: ToldAck): number[] => new Array<number>(count).fill(kind);
    expect(told.flatMap(answers)).toEqual([
      ACK_REFUSED,
      ACK_EPHEMERAL,
      ACK_DUPLICATE,
      ...new Array<number>(6).fill(ACK_REFUSED),
    ]);
    const second = link.shardEnd();
    const batch = new PublishBatch(log);
    expect(new LinkRecovery(second, log, log.ringPositions.stored()[0]).step()).toBe(true);
    expect(link.acks().flatMap(answers)).toEqual(told.flatMap(answers));
    batch.drain([second], 0, 4096);
    expect(batch.handled).toBe(0);
    expect(log.head).toBe(1);
  });

  test('takes the publishes after the batch', () => {
    const { link, log } = diedRefusing(publishes);
    const second = link.shardEnd();
    new LinkRecovery(second, log, log.ringPositions.stored()[0]).step();
    link.acks();
    link.publish({ flags: STORED });
    const batch = new PublishBatch(log);
    batch.drain([second], 0, 4096);
    batch.settle(log.commit(batch.synced, batch.positions));
    // The shard dies again, before its ack: the earlier refusal does not apply to this publish.
    const third = link.shardEnd();
    expect(new LinkRecovery(third, log, log.ringPositions.stored()[0]).step()).toBe(true);
    expect(link.acks()).toMatchObject([{ kind: ACK_SYNCED, sequence: 2 }]);
  });

  test('refuses publishes because of the block subscription again', () => {
    const log = memoryLog([]);
    const batch = new PublishBatch(log);
    const link = new TestLink();
    const first = link.shardEnd();
    for (const flags of [STORED, 0, NAMED]) link.publish({ id: 'b', flags });
    const overdue = { code: 'BACKPRESSURE', message: 'it takes nothing' } as const;
    batch.drain([first], 0, 4096, { refusalOf: () => overdue });
    // Another link's events found no room in the same batch.
    batch.refuse({ code: 'STORE_FULL', message: 'full' });
    batch.acknowledge();
    const refused = [{ kind: ACK_REFUSED, count: 3, code: 'BACKPRESSURE' }];
    expect(link.acks()).toMatchObject(refused);
    const second = link.shardEnd();
    expect(new LinkRecovery(second, log, log.ringPositions.stored()[0]).step()).toBe(true);
    expect(link.acks()).toMatchObject(Array(3).fill({ ...refused[0], count: 1 }));
    expect(log.head).toBe(0);
  });

  test('does not take a publish for stored that reaches a stored ring position again, 4 GiB later', () => {
    const log = memoryLog([]);
    const batch = new PublishBatch(log);
    const before = new TestLink();
    before.publish({ flags: STORED });
    batch.drain([before.shardEnd()], 0, 4096);
    batch.settle(log.commit(batch.synced, batch.positions));
    const [stored] = log.ringPositions.stored();
    // Only ephemeral events followed, so the log stored no newer position.
    const link = new TestLink(65_536, 'test', 2 ** 32);
    link.publish({ flags: STORED });
    const next = link.shardEnd();
    expect(new LinkRecovery(next, log, stored).step()).toBe(true);
    expect(link.acks()).toEqual([]);
    expect(next.publishRing.isEmpty()).toBe(false);
  });
});

describe('the shard after one that died between a commit and its acks', () => {
  const WRITTEN = EVENT_FLAG_PERSIST;
  const LATER = 4e12;
  const waiting = { deliverAt: LATER };

  function takenOver() {
    const log = memoryLog([]);
    const link = new TestLink();
    const end = link.shardEnd();
    const batch = new PublishBatch(log);
    /** Stores what the ring holds; only what is acknowledged is told to the endpoint. */
    const store = (isAcknowledged = false): void => {
      batch.drain([end], 0, 4096);
      batch.settle(log.commit(batch.synced, batch.positions));
      if (!isAcknowledged) return;
      batch.acknowledge();
      batch.release();
      link.acks();
    };
    const takeOver = () => {
      const next = link.shardEnd();
      const recovery = new LinkRecovery(next, log, log.ringPositions.stored()[0]);
      expect(recovery.step()).toBe(true);
      const told = link.acks().map(({ kind, count, sequence }) => [kind, count, sequence]);
      return { next, told };
    };
    return { log, link, end, batch, store, takeOver };
  }

  test.each([
    [STORED, ACK_WAITING, ACK_WAITING_DUPLICATE],
    [WRITTEN, ACK_WAITING_WRITTEN, ACK_WAITING_DUPLICATE_WRITTEN],
  ])(
    'tells publishes that wait of the time until which they do (flags %i)',
    (flags, kind, again) => {
      const { link, store, takeOver } = takenOver();
      const event = (id: string) => ({ id, flags: flags | EVENT_FLAG_SUPPLIED_ID });
      const group = ['b', 'c'].map((id) => ({ ...event(id), ...waiting }));
      link.publishOnTerms(event('a'), waiting);
      link.publishOnTerms(event('a'), waiting);
      link.publish(event('a'));
      for (let n = 0; n < 2; n++) link.publishGroup(group);
      link.publish({ flags });
      store();
      expect(takeOver().told).toEqual([
        [kind, 1, LATER],
        [again, 1, LATER],
        [again, 1, LATER],
        [kind, 2, LATER],
        [again, 2, LATER],
        [flags === STORED ? ACK_SYNCED : ACK_WRITTEN, 1, 1],
      ]);
    },
  );

  test('tells the repeat of a publish that waits no more that it is one, of no known event', () => {
    const { log, link, store, takeOver } = takenOver();
    const event = { id: 'a', flags: NAMED };
    link.publishOnTerms(event, waiting);
    store(true);
    link.publish(event);
    store();
    vi.spyOn(log.scheduled, 'find').mockReturnValue(undefined);
    expect(takeOver().told).toEqual([[ACK_DUPLICATE, 1, 0]]);
  });

  test.each([
    ['nothing before', 0, [ACK_SYNCED, 1, 2]],
    ['itself', 2, [ACK_SYNCED, 1, 2]],
    ['an older event', 1, [ACK_DUPLICATE, 1, 1]],
  ])(
    'knows an event whose row is gone or damaged by its id, which is that of %s',
    (_, at, told) => {
      const damaged = (): never => {
        throw new BusError('STORE_CORRUPT', 'planted');
      };
      for (const read of [() => 0, damaged]) {
        const { log, link, store, takeOver } = takenOver();
        link.publish({ id: 'a', flags: NAMED });
        store(true);
        link.publish({ id: 'b', flags: NAMED });
        store();
        vi.spyOn(log.ringPositions, 'findAtLastCommit').mockReturnValue(at);
        vi.spyOn(log, 'read').mockImplementationOnce(read);
        expect(takeOver().told).toEqual([told]);
      }
    },
  );

  test.each([
    new BusError('STORE_FAILED', 'planted'),
    Object.assign(new Error('planted'), { code: 'STORE_CORRUPT' }),
  ])('ends where that row cannot be read because of another fault: %s', (error) => {
    const { log, link, store, takeOver } = takenOver();
    link.publish({ id: 'b', flags: NAMED });
    store();
    vi.spyOn(log, 'read').mockImplementationOnce(() => {
      throw error;
    });
    expect(takeOver).toThrow(error);
  });

  test('tells refusals by terms as they were told, and groups as a whole', () => {
    const { log, link, end, batch, takeOver } = takenOver();
    const event = (id: string, topic = 'a') => ({ id, topic, flags: NAMED });
    link.publishGroup([event('x'), event('y', 'b')]);
    link.publishOnTerms(event('p'), 0);
    link.publishGroup([event('q', 'c'), { ...event('r', 'b'), expected: 7 }]);
    link.publishGroup([event('z', 'c'), event('y', 'b')]);
    link.publishGroup([event('x'), event('y', 'b')]);
    link.publishGroup([event('e', 'd')], { member: 1, sequence: 1, lease: 1 });
    link.publishOnTerms(event('s', 'b'), 2);
    batch.drain([end], 0, 4096);
    batch.settle(log.commit(batch.synced, batch.positions));
    batch.acknowledge();
    const first = link.acks();
    expect(first.map(({ code }) => code)).toEqual([
      undefined,
      ...['CONFLICT', 'CONFLICT', 'CONFLICT', undefined, 'LEASE_LOST', undefined],
    ]);
    const next = link.shardEnd();
    new LinkRecovery(next, log, log.ringPositions.stored()[0]).step();
    const again = link.acks();
    const told = ({ kind, count, sequence, code, details, position }: ToldAck) =>
      kind === ACK_REFUSED ? { kind, count, code, details, position } : { kind, count, sequence };
    expect(again.map(told)).toEqual(first.map(told));
    expect(takeOver().next.publishRing.isEmpty()).toBe(true);
  });

  test('does not refuse for good what an earlier thread of the shard refused, and stored nothing of', () => {
    const { log, link, end, batch, takeOver } = takenOver();
    link.publishOnTerms({ topic: 'a', flags: STORED }, 1);
    link.publishGroup([{ topic: 'b', flags: STORED, expected: 2 }]);
    batch.drain([end], 0, 4096);
    batch.acknowledge();
    expect(link.acks()).toMatchObject([{ kind: ACK_REFUSED }, { kind: ACK_REFUSED }]);
    for (const topic of ['a', 'b']) log.append(record({ topic }), 0, 1);
    log.commit(true, []);
    const next = new PublishBatch(log);
    next.drain([link.shardEnd()], 0, 4096);
    next.settle(log.commit(next.synced, next.positions));
    expect(takeOver().told).toEqual([
      [ACK_SYNCED, 1, 3],
      [ACK_SYNCED, 1, 4],
    ]);
  });

  test('takes nothing for stored where the log has no position of the ring', () => {
    const { log, link, takeOver } = takenOver();
    link.publish({ flags: STORED });
    expect(takeOver().told).toEqual([]);
    expect(log.head).toBe(0);
  });

  test('notes up to where an earlier thread may have read', () => {
    const { link, end, store } = takenOver();
    for (let n = 0; n < 2; n++) link.publish({ flags: 0 });
    store();
    const { mark } = end.publishRing;
    const next = link.shardEnd();
    const log = memoryLog([]);
    new LinkRecovery(next, log, undefined);
    expect(mark).not.toBe(0);
    expect(next).toMatchObject({ skipEphemeralUntil: mark, acksSinglyUntil: mark });
    // A log of the shard's own can say what is stored.
    expect(next.takesAgainUntil).toBeUndefined();
  });
});

describe('the shard after one that died while it refused publishes on terms', () => {
  test.each([
    [1, ['STORE_FULL', 'CONFLICT', 'CONFLICT', 'STORE_FULL', 'STORE_FULL', 'STORE_FULL']],
    [2, ['BACKPRESSURE', 'BACKPRESSURE', 'BACKPRESSURE', ...Array(3).fill('BACKPRESSURE')]],
  ])('refuses them again, by their terms where those hold (reason %i)', (reason, codes) => {
    const log = memoryLog(['a']);
    const link = new TestLink();
    const end = link.shardEnd();
    const batch = new PublishBatch(log);
    const event = (topic: string) => ({ topic, flags: STORED });
    link.publish(event('b'));
    // The first two rest on a stored event, the next on one of the batch.
    link.publishOnTerms(event('a'), 0);
    link.publishGroup([{ ...event('a'), expected: 0 }]);
    link.publishOnTerms(event('b'), 0);
    link.publishOnTerms(event('b'), { deliverAt: 4e12 });
    link.publishGroup([{ ...event('c'), deliverAt: 4e12 }]);
    batch.drain([end], 0, 4096);
    log.rollback();
    end.refusePublishes(reason);
    const next = link.shardEnd();
    expect(new LinkRecovery(next, log, undefined).step()).toBe(true);
    expect(link.acks().map(({ kind, code }) => [kind, code])).toEqual(
      codes.map((code) => [ACK_REFUSED, code]),
    );
    // The ring is given back, and the refusal with it.
    expect([next.publishRing.usedBytes, next.publishRing.refusal]).toEqual([0, 0]);
    expect(log.head).toBe(1);
  });
});
