import { describe, expect, onTestFinished, test } from 'vitest';
import {
  SETTLE_ACK,
  SETTLE_ACK_WRITTEN,
  SETTLE_NAK,
  SETTLE_TERM,
  SUPPLY_DRY,
  SUPPLY_LOST,
  SUPPLY_READY,
  SUPPLY_RETURNED,
} from '../../../src/link/consumer-records.js';
import { LETTER_DUE, NO_LETTER_WANTED } from '../../../src/store/consumer-states.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { temporaryDirectory } from '../../bus/support/open.js';
import { makeShard, memoryLog, TestLink } from '../support.js';

import { entryOf, publish, TestMember, working } from './rig.js';

describe('a consumer of a shard', () => {
  test('is leased an event in the commit that stores it, and hears of its ack after the next', () => {
    const { link, one, turn, log } = working();
    publish(link, 1);
    turn();
    const commits = log.head;
    expect(one.said()).toEqual([
      { ack: true },
      { sequence: 1, lease: 1, attempt: 1, payload: { n: 1 }, isAlone: false },
    ]);
    expect(log.consumers.load()).toMatchObject([{ consumer: 'c1', position: 1, leaseNext: 2 }]);
    one.settle(SETTLE_ACK, [{ sequence: 1, lease: 1 }]);
    turn();
    expect(one.said()).toEqual([{ settled: 1, refused: [] }]);
    expect(log.consumers.load()).toMatchObject([{ acked: 1, position: 1 }]);
    expect(log.ringPositions.stored()).toMatchObject([{ endpoint: 'test', settled: 1 }]);
    expect(log.head).toBe(commits);
  });

  test('gets only events that its filter matches, and every one of them once', () => {
    const { link, one, turn } = working({ filter: { topics: ['jobs.*'], types: ['job'] } });
    const wanted: number[] = [];
    for (let n = 1; n <= 12; n++) {
      const isWanted = n % 3 === 0;
      if (isWanted) wanted.push(n);
      const type = n % 2 === 0 || isWanted ? 'job' : 'other';
      link.publish({ topic: isWanted ? 'jobs.a' : 'other.a', type, payload: n });
      if (n % 5 === 0) turn();
    }
    turn();
    expect(one.leases().map(({ payload }) => payload)).toEqual(wanted);
  });

  test('has as many events out as its members have tokens, and says that there are more', () => {
    const { link, one, turn } = working({}, 2);
    for (let n = 1; n <= 5; n++) publish(link, n);
    turn();
    const said = one.said();
    expect(said.filter((each) => 'lease' in each)).toHaveLength(2);
    expect(said.at(-1)).toEqual({ what: SUPPLY_READY });
    one.tokens(8);
    turn();
    const rest = one.said();
    expect(rest.filter((each) => 'lease' in each)).toHaveLength(3);
    expect(rest.at(-1)).toEqual({ what: SUPPLY_DRY });
    one.tokens(-8);
    turn();
    expect(one.said()).toEqual([{ what: SUPPLY_RETURNED, count: 5 }]);
  });

  test('is leased at most maxInFlight, and goes on when an event is done', () => {
    const { link, one, turn } = working({ maxInFlight: 3 });
    for (let n = 1; n <= 5; n++) publish(link, n);
    turn();
    const leases = one.leases();
    expect(leases).toHaveLength(3);
    one.settle(SETTLE_ACK, leases.slice(0, 1));
    turn();
    expect(one.leases().map(({ sequence }) => sequence)).toEqual([4]);
  });

  test('gets the events of one key one after the other', () => {
    const { link, one, turn } = working({ order: 'topic' });
    for (let n = 1; n <= 6; n++) publish(link, n, n % 2 === 0 ? 'jobs.even' : 'jobs.odd');
    turn();
    const [odd, even] = one.leases();
    expect([odd?.sequence, even?.sequence]).toEqual([1, 2]);
    one.settle(SETTLE_NAK, [odd!], 0);
    one.settle(SETTLE_ACK, [even!]);
    turn();
    expect(one.leases()).toMatchObject([
      { sequence: 1, attempt: 2 },
      { sequence: 4, attempt: 1 },
    ]);
  });

  test('reads what was there before it from the log, and then goes on with the batches', () => {
    const log = memoryLog(Array.from({ length: 3000 }, (_, n) => (n % 2 ? 'jobs.a' : 'other')));
    const { link, one, turn } = working({}, 16, log);
    let done = 0;
    for (let round = 0; round < 2000 && done < 1501; round++) {
      if (round === 40) publish(link, 1);
      turn();
      const leases = one.leases();
      done += leases.length;
      if (leases.length === 0) continue;
      one.settle(SETTLE_ACK_WRITTEN, leases);
      one.tokens(leases.length);
    }
    turn();
    expect(done).toBe(1501);
    expect(log.consumers.load()).toMatchObject([{ acked: 1501, position: 3001 }]);
  });

  test('is told of a late and of a second ack', () => {
    const { link, one, turn } = working();
    publish(link, 1);
    publish(link, 2);
    turn();
    const [first, second] = one.leases();
    one.settle(SETTLE_ACK, [first!, { ...second!, lease: 99 }, first!]);
    turn();
    expect(one.said()).toEqual([{ settled: 3, refused: [2, 3] }]);
  });

  test('keeps dead events with their cause, their reason, and whether a letter is due', () => {
    const { link, one, turn, log } = working({ deadLetter: 'dead.jobs', maxAttempts: 1 });
    for (let n = 1; n <= 2; n++) publish(link, n);
    turn();
    const [first, second] = one.leases();
    one.reason('no such order');
    one.settle(SETTLE_TERM, [first!]);
    one.settle(SETTLE_NAK, [second!]);
    turn();
    expect(log.consumers.dead('c1', 0, 10)).toMatchObject([
      { sequence: 1, attempts: 1, cause: 'term', reason: 'no such order', state: LETTER_DUE },
      { sequence: 2, attempts: 1, cause: 'nak', reason: '', times: 1 },
    ]);
    const without = working({ maxAttempts: 1 });
    publish(without.link, 1);
    without.turn();
    without.one.settle(SETTLE_NAK, without.one.leases());
    without.turn();
    expect(without.log.consumers.dead('c1', 0, 10)).toMatchObject([{ state: NO_LETTER_WANTED }]);
  });

  test('gives what a member had to the others when its endpoint leaves', () => {
    const { link, one, turn, shard, join } = working();
    const other = new TestMember(new TestLink(65_536, 'other'), 2);
    join(other.link);
    publish(link, 1);
    turn();
    expect(one.leases()).toHaveLength(1);
    other.join('c1');
    other.tokens(4);
    turn();
    expect(other.leases()).toEqual([]);
    shard.leave(shard.links[0]!);
    turn();
    expect(other.leases()).toMatchObject([{ sequence: 1, attempt: 2 }]);
  });

  test('leases nothing while it is paused, and begins anew after a seek', () => {
    const { link, one, turn, shard, log } = working();
    shard.applyConsumers([entryOf({}, { isPaused: true })]);
    publish(link, 1);
    turn();
    expect(one.leases()).toEqual([]);
    shard.applyConsumers([entryOf()]);
    turn();
    const [lease] = one.leases();
    expect(lease).toMatchObject({ sequence: 1 });
    shard.applyConsumers([entryOf({}, { round: 2, position: 0 })]);
    turn();
    turn();
    expect(one.said()).toMatchObject([
      { what: SUPPLY_LOST, lost: 1 },
      { sequence: 1, lease: 2, attempt: 1 },
    ]);
    one.settle(SETTLE_ACK, [lease!]);
    turn();
    expect(one.said()).toEqual([{ settled: 1, refused: [1] }]);
    expect(log.consumers.load()).toMatchObject([{ round: 2 }]);
  });

  test('is leased only what a changed filter still matches', () => {
    const { link, one, turn, shard, log } = working({}, 0);
    for (const [n, topic] of ['jobs.a', 'jobs.b', 'jobs.a', 'jobs.b'].entries()) {
      publish(link, n, topic);
    }
    turn();
    shard.applyConsumers([entryOf({ filter: 'jobs.b' })]);
    one.tokens(9);
    turn();
    const leases = one.leases();
    expect(leases.map(({ sequence }) => sequence)).toEqual([2, 4]);
    one.settle(SETTLE_ACK, leases);
    turn();
    expect(log.consumers.load()).toMatchObject([{ position: 4, acked: 2, lost: 0 }]);
  });

  test('goes with its rows when it is not in the list any more', () => {
    const { link, one, turn, shard, log } = working({ maxAttempts: 1 });
    publish(link, 1);
    turn();
    one.settle(SETTLE_TERM, one.leases());
    turn();
    expect(log.consumers.deadCount('c1')).toBe(1);
    shard.applyConsumers([]);
    turn();
    expect([log.consumers.load(), log.consumers.dead('c1', 0, 1)]).toEqual([[], []]);
    one.join('c1');
    turn();
    expect(one.link.replies()).toMatchObject([{ body: { code: 'CONSUMER_UNKNOWN' } }]);
  });
});

describe('a consumer on a full store', () => {
  test('stores acks while events are refused, and is leased none of these', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const log = new SqliteShardLog({ file, shard: 0, maxShardBytes: 400_000 });
    onTestFinished(() => log.close());
    const { link, one, turn } = working({}, 100, log);
    const payload = 'x'.repeat(8000);
    let head = 0;
    for (let batch = 0; batch < 100; batch++) {
      for (let n = 0; n < 4; n++) link.publish({ topic: 'jobs.a', payload });
      turn();
      if (log.head === head) break;
      ({ head } = log);
    }
    const leases = one.leases();
    expect(leases.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: head }, (_, index) => index + 1),
    );
    one.settle(SETTLE_ACK, leases);
    for (let n = 0; n < 4; n++) link.publish({ topic: 'jobs.a', payload });
    turn();
    const said = one.said();
    expect(said).toContainEqual({ settled: head, refused: [] });
    expect(said.filter((each) => 'lease' in each)).toEqual([]);
    expect(log.head).toBe(head);
    expect(log.consumers.load()).toMatchObject([{ acked: head, position: head }]);
  });
});

test('a consumer that is not in the list any more goes with its rows on a full store too', () => {
  const file = shardFile(temporaryDirectory(), 0);
  const log = new SqliteShardLog({ file, shard: 0, maxShardBytes: 400_000 });
  onTestFinished(() => log.close());
  const { link, turn, shard } = working({}, 0, log);
  const payload = 'x'.repeat(8000);
  for (let batch = 0; batch < 20; batch++) {
    for (let n = 0; n < 4; n++) link.publish({ topic: 'other', payload });
    turn();
  }
  const { head } = log;
  expect(log.consumers.load()).toHaveLength(1);
  shard.applyConsumers([]);
  for (let n = 0; n < 4; n++) link.publish({ topic: 'other', payload });
  turn();
  expect([log.head, log.consumers.load()]).toEqual([head, []]);
});

describe('the next thread of a shard', () => {
  /** A shard with a lease out, whose thread ends without a word. */
  function died() {
    const file = shardFile(temporaryDirectory(), 0);
    const before = working({}, 16, new SqliteShardLog({ file, shard: 0 }));
    publish(before.link, 1);
    publish(before.link, 2);
    before.turn();
    const leases = before.one.leases();
    before.one.settle(SETTLE_ACK, leases.slice(0, 1));
    before.turn();
    before.one.said();
    before.log.close();
    const log = new SqliteShardLog({ file, shard: 0 });
    onTestFinished(() => log.close());
    const made = makeShard(log, false);
    made.join(before.link);
    made.shard.applyConsumers([entryOf()]);
    return { ...made, one: before.one, leases, file };
  }

  test('goes on with the leases that members have in hand', () => {
    const { one, turn, leases } = died();
    const [, held] = leases;
    one.join('c1', 16, [[held!.sequence, held!.lease, performance.now() + 1e9]]);
    turn();
    expect(one.link.replies()).toMatchObject([{ body: { kept: [held!.lease] } }]);
    one.settle(SETTLE_ACK, [held!]);
    turn();
    expect(one.said()).toEqual([{ settled: 2, refused: [] }]);
  });

  test('confirms again what was decided, and decides the rest', () => {
    const { one, turn, leases } = died();
    one.join('c1', 16, [[leases[1]!.sequence, leases[1]!.lease, performance.now() + 1e9]]);
    one.numberFrom(1);
    one.settle(SETTLE_ACK, leases);
    turn();
    expect(one.said()).toContainEqual({ settled: 2, refused: [] });
  });

  test('gives back the leases of a process that ended, with their attempt', () => {
    const { one, log, leases, file } = died();
    log.close();
    const again = new SqliteShardLog({ file, shard: 0 });
    onTestFinished(() => again.close());
    const made = makeShard(again, true);
    again.ringPositions.clear();
    const link = new TestLink();
    made.join(link);
    made.shard.applyConsumers([entryOf()]);
    const other = new TestMember(link, 7);
    other.join('c1');
    other.tokens(4);
    made.turn();
    made.turn();
    expect(other.leases()).toMatchObject([{ sequence: leases[1]!.sequence, attempt: 2 }]);
    expect(one.member).toBe(1);
  });
});
