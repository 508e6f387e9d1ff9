/** What the desk keeps of endpoints and members: claims, acks with events, and what it has to tell. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import {
  DELIVERY_LEASE,
  DELIVERY_SETTLED,
  DELIVERY_SUPPLY,
  LEASE_ALONE,
  LEASE_DETACHED,
  SETTLE_ACK,
  SUPPLY_GONE,
  SUPPLY_READY,
  SUPPLY_RETURNED,
} from '../../../src/link/consumer-records.js';
import { LeaseView, SettledView, SupplyView } from '../../../src/link/consumer-views.js';
import { CLAIMS_WAIT_MS } from '../../../src/protocol/limits/consumers.js';
import { Claims, type ClaimsStart } from '../../../src/shards/consumers/members/claims.js';
import { DeskLink } from '../../../src/shards/consumers/members/desk-link.js';
import { GroupAcks } from '../../../src/shards/consumers/members/group-acks.js';
import type { ShardEnd } from '../../../src/shards/shard-end.js';
import { record } from '../../store/records.js';
import { TestLink } from '../support.js';
import { ask, entryOf, publish, TestMember, working } from './rig.js';

function endOf(name: string): ShardEnd {
  const end = new TestLink(1024, name).shardEnd();
  end.isHeld = true;
  return end;
}

describe('the claims of leases of a dead thread', () => {
  let one: ShardEnd;
  let two: ShardEnd;
  let other: ShardEnd;
  let start: ClaimsStart;

  beforeEach(() => {
    one = endOf('one');
    two = endOf('two');
    other = endOf('other');
    start = { endpoints: ['one', 'two'], hasDeparted: false, now: 1000 };
  });

  it('are over from the beginning where there was no such thread', () => {
    const claims = new Claims(start, false);
    expect([claims.isOver, claims.until, claims.awaits(one)]).toEqual([
      true,
      Number.POSITIVE_INFINITY,
      false,
    ]);
    expect(claims.end(9e9)).toBeUndefined();
  });

  it('are complete once every endpoint has claimed, which is said once', () => {
    const claims = new Claims(start, true);
    expect([claims.isOver, claims.until]).toEqual([false, 1000 + CLAIMS_WAIT_MS]);
    expect([one, two, other].map((end) => claims.awaits(end))).toEqual([true, true, false]);
    claims.claimed(one);
    expect([claims.awaits(one), claims.end(1000)]).toEqual([false, undefined]);
    claims.claimed(two);
    claims.departed(other);
    expect([claims.end(1000), claims.isOver, claims.end(1000)]).toEqual([true, true, undefined]);
  });

  it('are not complete where an endpoint has left with its own, or before', () => {
    const claims = new Claims(start, true);
    claims.departed(one);
    claims.claimed(two);
    expect(claims.end(1000)).toBe(false);
    const before = new Claims({ ...start, endpoints: [], hasDeparted: true }, true);
    expect(before.end(1000)).toBe(false);
    // One that has claimed leaves nothing open.
    const after = new Claims({ ...start, endpoints: ['one'] }, true);
    after.claimed(one);
    after.departed(one);
    expect(after.end(1000)).toBe(true);
  });

  it('end after a while without those that do not come', () => {
    const claims = new Claims(start, true);
    expect(claims.end(999 + CLAIMS_WAIT_MS)).toBeUndefined();
    expect(claims.end(1000 + CLAIMS_WAIT_MS)).toBe(false);
    expect([claims.awaits(one), claims.until]).toEqual([false, Number.POSITIVE_INFINITY]);
  });
});

describe('what the desk has to tell an endpoint', () => {
  type Told = { settled: number; refused: number[] } | { what: number } | { lease: number };

  /** An end of a link that has room for so many records. */
  function linkOf(settled = 0) {
    const told: (Told & { member: number })[] = [];
    const state = { room: 100, isBlocked: false, mayHaveRoom: true };
    const end = {
      get isBlocked() {
        return state.isBlocked;
      },
      get mayHaveRoom() {
        return state.mayHaveRoom;
      },
      trySend: (type: number, length: number, write: (bytes: Buffer, offset: number) => void) => {
        if (state.room <= 0) return false;
        state.room--;
        const bytes = Buffer.alloc(length + 8);
        write(bytes, 8);
        if (type === DELIVERY_SETTLED) {
          const view = new SettledView().wrap(bytes, 8, length);
          const refused = Array.from({ length: view.count }, (_, at) => view.refused(at));
          told.push({ member: view.member, settled: view.through, refused });
        } else if (type === DELIVERY_SUPPLY) {
          const { member, what, count } = new SupplyView().wrap(bytes, 8, length);
          told.push({ member, what, ...(what === SUPPLY_RETURNED ? { count } : {}) });
        } else {
          expect(type).toBe(DELIVERY_LEASE);
          const view = new LeaseView().wrap(bytes, 8, length);
          const { member, sequence, lease, attempt, deadline, flags } = view;
          const { id } = view.event;
          told.push({ member, sequence, lease, attempt, deadline, flags, id } as never);
        }
        return true;
      },
    };
    const link = new DeskLink<object>(end as unknown as ShardEnd, settled);
    const used: number[] = [];
    const events = {
      find: (sequence: number) => {
        if (sequence === 404) return undefined;
        const bytes = Buffer.concat([Buffer.alloc(8), record({ id: `job-${sequence}` })]);
        return { bytes, offset: 8, length: bytes.length - 8 };
      },
      used: (sequence: number) => used.push(sequence),
    };
    const tell = () => {
      link.tell(events);
      return told.splice(0);
    };
    return { link, state, tell, used };
  }

  const supply = (member: number, what: number) =>
    ({ is: 'supply', member, what, count: 0 }) as const;
  const lease = (sequence: number, rest: object = {}) =>
    ({
      is: 'lease',
      member: 3,
      consumer: 'c1',
      sequence,
      lease: 10 + sequence,
      attempt: 2,
      deadline: 5000,
      isAlone: false,
      isDetached: false,
      ...rest,
    }) as const;

  it('are confirmations by member, and then the rest in its order', () => {
    const { link, tell, used } = linkOf(4);
    expect([link.mayTell, link.settled]).toEqual([false, 4]);
    link.say(supply(1, SUPPLY_READY));
    link.say(lease(7));
    link.noteSettled(1, 5, false);
    link.noteSettled(1, 6, true);
    link.noteSettled(2, 7, false);
    link.noteSettled(1, 8, true);
    // One that is confirmed again.
    link.noteSettled(2, 3, false);
    expect([link.mayTell, link.settled]).toEqual([true, 8]);
    expect(tell()).toEqual([
      { member: 1, settled: 8, refused: [6, 8] },
      { member: 2, settled: 3, refused: [] },
      { member: 1, what: SUPPLY_READY },
      { member: 3, sequence: 7, lease: 17, attempt: 2, deadline: 5000, flags: 0, id: 'job-7' },
    ]);
    expect([tell(), link.mayTell, used]).toEqual([[], false, [7]]);
  });

  it('wait for room, and none is told twice', () => {
    const { link, state, tell, used } = linkOf();
    link.noteSettled(1, 1, false);
    link.noteSettled(2, 2, false);
    link.say(lease(7));
    link.say(supply(1, SUPPLY_GONE));
    const all: object[] = [];
    for (let turn = 0; turn < 4; turn++) {
      expect(link.mayTell).toBe(true);
      state.room = 0;
      expect([tell(), used.length]).toEqual([[], turn > 2 ? 1 : 0]);
      state.room = 1;
      all.push(...tell());
    }
    expect(all).toMatchObject([
      { settled: 1 },
      { settled: 2 },
      { lease: 17 },
      { what: SUPPLY_GONE },
    ]);
    expect(link.mayTell).toBe(false);
  });

  it('may be told only where the link has room, as far as one knows', () => {
    const { link, state } = linkOf();
    link.say(supply(1, SUPPLY_READY));
    expect(link.mayTell).toBe(true);
    state.isBlocked = true;
    expect(link.mayTell).toBe(false);
    state.isBlocked = false;
    state.mayHaveRoom = false;
    expect(link.mayTell).toBe(false);
    const settled = linkOf().link;
    settled.noteSettled(1, 1, false);
    expect(settled.mayTell).toBe(true);
  });

  it('say how an event is leased, and give the token back where the event is lost', () => {
    const { link, tell, used } = linkOf();
    link.say(lease(1, { isAlone: true }));
    link.say(lease(2, { isDetached: true }));
    link.say(lease(3, { isAlone: true, isDetached: true }));
    link.say(lease(404));
    expect(tell()).toMatchObject([
      { flags: LEASE_ALONE },
      { flags: LEASE_DETACHED },
      { flags: LEASE_ALONE | LEASE_DETACHED },
      { member: 3, what: SUPPLY_RETURNED, count: 1 },
    ]);
    expect(used).toEqual([1, 2, 3]);
  });

  it('are not the reasons of settlements, which are taken once', () => {
    const { link } = linkOf();
    expect(link.takeReason(1)).toBe('');
    link.reasons.set(2, 'late');
    expect([link.takeReason(1), link.takeReason(2), link.takeReason(2)]).toEqual(['', 'late', '']);
    expect(link.reasons.size).toBe(0);
  });
});

describe('acks that come with groups', () => {
  const view = { member: 1, sequence: 5, lease: 2 } as never;

  function acksOf(verdict: 'done' | 'lost' = 'done') {
    const machine = { beginAck: vi.fn(() => verdict), endAck: vi.fn() };
    const dead = { changeOf: vi.fn(() => 2), over: vi.fn(), restore: vi.fn() };
    const consumer = { machine, dead };
    const members = {
      find: (_: ShardEnd, member: number) => (member === 1 ? { consumer } : undefined),
    };
    const awaited = new Set<ShardEnd>();
    const claims = { awaits: (end: ShardEnd) => awaited.has(end) };
    const acks = new GroupAcks(members as never, claims as never, () => 77);
    return { acks, machine, dead, awaited };
  }

  it('end with the commit, and are told of to the machine once', () => {
    const { acks, machine, dead } = acksOf();
    expect(acks.hasAny).toBe(false);
    expect(acks.settleWithGroup(endOf('one'), view, false)).toBe('done');
    expect([acks.hasAny, acks.owesFlush]).toEqual([true, false]);
    expect(machine.beginAck).toHaveBeenCalledWith(5, 2, 77);
    expect(dead.over).toHaveBeenCalledWith(5);
    // The turn's telling comes without a commit: a full disk.
    acks.end();
    expect([machine.endAck.mock.calls, acks.hasAny]).toEqual([[], true]);
    acks.committed();
    acks.end();
    expect([machine.endAck.mock.calls, acks.hasAny]).toEqual([[[5, true, 77]], false]);
    acks.settleWithGroup(endOf('one'), view, false);
    acks.end();
    expect(machine.endAck).toHaveBeenCalledTimes(1);
  });

  it('of a repeat owe a flush until the commit, and count also where the batch is refused', () => {
    const { acks, machine, dead } = acksOf();
    acks.settleWithGroup(endOf('one'), view, false);
    acks.settleWithGroup(endOf('one'), view, true);
    expect(acks.owesFlush).toBe(true);
    acks.refused();
    expect(machine.endAck.mock.calls).toEqual([
      [5, false, 77],
      [5, true, 77],
    ]);
    // What the turn had said of the dead event before stands again.
    expect(dead.restore.mock.calls).toEqual([[5, 2]]);
    expect(acks.hasAny).toBe(false);
    acks.committed();
    expect(acks.owesFlush).toBe(false);
    acks.end();
    expect(machine.endAck).toHaveBeenCalledTimes(2);
  });

  it('have ended where nobody has the lease', () => {
    const { acks, dead } = acksOf('lost');
    expect(acks.settleWithGroup(endOf('one'), view, true)).toBe('ended');
    expect(acks.settleWithGroup(endOf('one'), { member: 9 } as never, true)).toBe('ended');
    expect([acks.hasAny, acks.owesFlush, dead.over.mock.calls]).toEqual([false, false, []]);
  });

  it('wait until the endpoint has claimed its leases', () => {
    const { acks, awaited, machine } = acksOf();
    const [one, two] = [endOf('one'), endOf('two')];
    awaited.add(one).add(two);
    expect(acks.settleWithGroup(one, view, false)).toBe('later');
    expect(acks.settleWithGroup(two, view, false)).toBe('later');
    expect(machine.beginAck).not.toHaveBeenCalled();
    awaited.delete(one);
    acks.release();
    expect([one.isHeld, two.isHeld]).toEqual([false, true]);
    one.isHeld = true;
    acks.release(true);
    // It was let go before.
    expect([one.isHeld, two.isHeld]).toEqual([true, false]);
  });
});

describe('members of consumers', () => {
  it('are listed with what they said when they joined last', () => {
    const rig = working({}, 0);
    const join = {
      member: 1,
      consumer: 'c1',
      concurrency: 3,
      isDetached: true,
      since: 5,
      leases: [],
    };
    const of = { name: 'ada', principal: 'shop', connection: 'w7' };
    ask(rig, 'consumerJoin', { ...join, ...of });
    const members = () => rig.shard.desk!.members.of(rig.shard.desk!.consumer('c1'));
    const { leases: _, consumer: __, ...listed } = join;
    expect(members()).toStrictEqual([{ ...listed, endpoint: 'test', inFlight: 0, ...of }]);
    ask(rig, 'consumerJoin', { ...join, member: 2, isDetached: false });
    expect(members()[1]).toStrictEqual({
      ...listed,
      member: 2,
      endpoint: 'test',
      inFlight: 0,
      isDetached: false,
    });
    expect(members()).toHaveLength(2);
    rig.one.tokens(1, 8);
    publish(rig.link, 1);
    rig.turn();
    expect(members()[0]).toMatchObject({ concurrency: 8, inFlight: 1, name: 'ada' });
  });

  it('leave their consumer when they join another one with the same number', () => {
    const rig = working({}, 1);
    publish(rig.link, 1);
    rig.turn();
    rig.one.leases();
    rig.shard.applyConsumers([entryOf(), entryOf({}, { id: 'c2', name: 'other', gate: 1 })]);
    rig.one.join('c2');
    rig.turn();
    const { members, roster } = rig.shard.desk!;
    const [c1, c2] = ['c1', 'c2'].map((id) => roster.byId.get(id)!);
    expect([members.of(c1!).length, members.of(c2!).length]).toEqual([0, 1]);
    expect(c1!.machine.counts.leased).toBe(0);
    expect(members.find(rig.shard.links[0]!, 1)?.consumer).toBe(c2);
  });

  it('of another consumer stay when one is gone', () => {
    const rig = working({}, 1);
    rig.shard.applyConsumers([entryOf(), entryOf({}, { id: 'c2', name: 'other', gate: 1 })]);
    const two = new TestMember(rig.link, 2);
    two.join('c2');
    rig.turn();
    rig.one.said();
    rig.shard.applyConsumers([entryOf({}, { id: 'c2', name: 'other', gate: 1 })]);
    rig.turn();
    expect(rig.one.said()).toEqual([{ what: SUPPLY_GONE }]);
    const { members } = rig.shard.desk!;
    const [end] = rig.shard.links;
    expect([members.find(end!, 1), members.find(end!, 2)?.consumer.id]).toEqual([undefined, 'c2']);
  });

  it('of a link that nobody knows leave without a word, and take their tokens with them', () => {
    const rig = working({}, 0);
    const stranger = new TestLink(65_536, 'stranger');
    const end = rig.join(stranger);
    const { members, settling } = rig.shard.desk!;
    const count = () => [...members.links].length;
    expect(count()).toBe(1);
    members.leaveLink(end, 0);
    settling.tokens(end, { member: 1, count: 5, concurrency: 1 } as never);
    expect(count()).toBe(1);
    rig.shard.leave(rig.shard.links[0]!);
    expect(count()).toBe(0);
  });

  it('settle with `ack` alone what is to be flushed', () => {
    const rig = working({}, 2);
    const { settling } = rig.shard.desk!;
    publish(rig.link, 1);
    rig.turn();
    const leases = rig.one.leases();
    rig.one.settle(SETTLE_ACK, [{ ...leases[0]!, lease: 99 }]);
    let owes: boolean | undefined;
    rig.turn(() => {
      owes = settling.owesFlush;
    });
    expect(owes).toBe(false);
    rig.one.settle(SETTLE_ACK, leases);
    rig.turn(() => {
      owes = settling.owesFlush;
    });
    expect([owes, settling.owesFlush]).toEqual([true, false]);
  });
});
