/** What each kind of settlement makes of a lease, and what a member is told of it. */
import { describe, expect, it } from 'vitest';
import {
  SETTLE_ACK,
  SETTLE_ACK_WRITTEN,
  SETTLE_HAND_BACK,
  SETTLE_NAK,
  SETTLE_TERM,
  SETTLE_WORKING,
  SUPPLY_RETURNED,
} from '../../../src/link/consumer-records.js';
import { publish, TestMember, working } from './rig.js';

/** A member with so many leases of the events from 1 on, which has as many tokens again. */
function leased(count = 1) {
  const rig = working({ maxAttempts: 3 }, count);
  for (let n = 1; n <= count; n++) publish(rig.link, n);
  rig.turn();
  const leases = rig.one.leases();
  expect(leases).toHaveLength(count);
  rig.one.tokens(count);
  rig.turn();
  rig.one.said();
  const consumer = rig.shard.desk!.consumer('c1');
  /** Settles, and tells what the member is told in this turn and the next. */
  const settle = (...args: Parameters<TestMember['settle']>) => {
    rig.one.settle(...args);
    for (let n = 0; n < 2; n++) rig.turn();
    const said = rig.one.said();
    return {
      settled: said.filter((one) => 'settled' in one),
      attempts: said.filter((one) => 'lease' in one).map(({ attempt }) => attempt),
    };
  };
  return { ...rig, leases, consumer, settle };
}

const done = (settled: number) => [{ settled, refused: [] }];

describe('a settlement', () => {
  it.each([SETTLE_ACK, SETTLE_ACK_WRITTEN])('ends an event that is done (%i)', (kind) => {
    const { leases, consumer, settle } = leased();
    expect(settle(kind, leases)).toEqual({ settled: done(1), attempts: [] });
    expect([consumer.machine.isOpen(1), consumer.dead.isDead(1)]).toEqual([false, false]);
  });

  it('lets an event come again after a delay, as another attempt', () => {
    const { leases, settle } = leased();
    expect(settle(SETTLE_NAK, leases, 0)).toEqual({ settled: done(1), attempts: [2] });
  });

  it('lets an event wait as long as its member says, or as the consumer does', () => {
    for (const delayMs of [60_000, undefined]) {
      const { leases, consumer, settle } = leased();
      expect(settle(SETTLE_NAK, leases, delayMs)).toEqual({ settled: done(1), attempts: [] });
      expect([consumer.machine.isOpen(1), consumer.dead.isDead(1)]).toEqual([true, false]);
    }
  });

  it('gives an event back that nobody has begun with, which counts as no attempt', () => {
    const { leases, settle } = leased();
    expect(settle(SETTLE_HAND_BACK, leases)).toEqual({ settled: done(1), attempts: [1] });
  });

  it('lets an event die, for its reason', () => {
    const { leases, consumer, settle, one, log } = leased(2);
    one.reason('no such order');
    expect(settle(SETTLE_TERM, leases.slice(0, 1))).toEqual({ settled: done(1), attempts: [] });
    expect(settle(SETTLE_TERM, leases.slice(1))).toEqual({ settled: done(2), attempts: [] });
    expect([1, 2].map((sequence) => consumer.dead.isDead(sequence))).toEqual([true, true]);
    const reasons = [1, 2].map((sequence) => log.consumers.deadAt('c1', sequence)?.reason);
    expect(reasons).toEqual(['no such order', '']);
  });

  it('may say that the member goes on with it', () => {
    const { leases, settle } = leased();
    expect(settle(SETTLE_WORKING, leases)).toEqual({ settled: done(1), attempts: [] });
    expect(settle(SETTLE_ACK, leases)).toEqual({ settled: done(2), attempts: [] });
  });

  it('is refused where the lease is another’s, or nobody has the event', () => {
    const { leases, consumer, settle } = leased(2);
    const [one, two] = leases as [(typeof leases)[number], (typeof leases)[number]];
    const wrong = [{ ...one, lease: two.lease }, two, { ...one, sequence: 9 }];
    expect(settle(SETTLE_ACK, wrong).settled).toEqual([{ settled: 3, refused: [1, 3] }]);
    expect([1, 2].map((sequence) => consumer.machine.isOpen(sequence))).toEqual([true, false]);
  });

  it('of a member that the shard does not know is refused', () => {
    const { leases, consumer, link, turn } = leased();
    const stranger = new TestMember(link, 9);
    stranger.settle(SETTLE_ACK, leases);
    stranger.tokens(5);
    turn();
    expect(stranger.said()).toEqual([{ settled: 1, refused: [1] }]);
    expect(consumer.machine.isOpen(1)).toBe(true);
  });
});

describe('a settlement that is sent again', () => {
  it('is answered as before where its event is done, and changes nothing', () => {
    const { leases, consumer, settle, one } = leased(2);
    settle(SETTLE_ACK, leases.slice(0, 1));
    for (const kind of [SETTLE_ACK, SETTLE_NAK]) {
      one.numberFrom(1);
      expect(settle(kind, leases.slice(0, 1)).settled).toEqual(done(1));
    }
    one.numberFrom(1);
    expect(settle(SETTLE_NAK, leases, 0)).toEqual({ settled: done(2), attempts: [2] });
    expect(consumer.machine.isOpen(2)).toBe(true);
  });

  it('is refused as an ack where its event is open or dead', () => {
    const { leases, consumer, settle, one } = leased(2);
    settle(SETTLE_HAND_BACK, leases.slice(0, 1));
    settle(SETTLE_TERM, leases.slice(1));
    const again = [{ ...leases[0]!, lease: 3 }, leases[1]!];
    one.numberFrom(1);
    expect(settle(SETTLE_ACK, again).settled).toEqual([{ settled: 2, refused: [1, 2] }]);
    expect([consumer.machine.isOpen(1), consumer.dead.isDead(2)]).toEqual([true, true]);
    one.numberFrom(1);
    expect(settle(SETTLE_TERM, again).settled).toEqual(done(2));
    expect(consumer.machine.isOpen(1)).toBe(true);
  });
});

it('tokens that a member takes back are returned as far as they are there', () => {
  const { one, turn, link } = leased(3);
  one.tokens(-2);
  turn();
  expect(one.said()).toEqual([{ what: SUPPLY_RETURNED, count: 2 }]);
  one.tokens(-5);
  turn();
  expect(one.said()).toEqual([{ what: SUPPLY_RETURNED, count: 1 }]);
  publish(link, 4);
  turn();
  expect(one.leases()).toEqual([]);
  one.tokens(0);
  one.tokens(1);
  turn();
  expect(one.leases()).toHaveLength(1);
});
