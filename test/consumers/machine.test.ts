import { describe, expect, it } from 'vitest';
import { ConsumerMachine } from '../../src/consumers/machine.js';
import type {
  Before,
  Examined,
  MachineDefinition,
  RestoredLane,
} from '../../src/consumers/machine-types.js';
import { CONSUMER_PASSED_MAX } from '../../src/protocol/limits/consumers.js';

const NOW = 1000;
const LEASE_MS = 100;
const DEFINITION: MachineDefinition = {
  hasKeys: false,
  lanes: 1,
  leaseMs: LEASE_MS,
  maxAttempts: 3,
  backoffMs: [10, 20],
  maxAhead: 100,
};
const EMPTY: RestoredLane = {
  position: 0,
  leaseNext: 1,
  acked: 0,
  redelivered: 0,
  lost: 0,
  ageMs: 0,
  open: new Uint8Array(0),
};

/** A machine and whatever it has said, in its order. */
class Desk {
  readonly said: string[] = [];
  readonly machine: ConsumerMachine;
  examined: Examined = 'there';

  constructor(
    definition: Partial<MachineDefinition> = {},
    stored: readonly RestoredLane[] = [EMPTY],
    before: Before = 'opened',
    now = NOW,
  ) {
    const complete = { ...DEFINITION, ...definition };
    const rows = Array.from({ length: complete.lanes }, (_, lane) => stored[lane] ?? EMPTY);
    const decisions = {
      gone: () => {},
      expired: () => {},
      keyKept: () => {},
      keyFreed: () => {},
      examine: () => this.examined,
      dead: (_lane: number, sequence: number, attempts: number, cause: string, reason: string) => {
        this.said.push(`${sequence} dead after ${attempts}: ${cause} ${reason}`.trim());
      },
    };
    this.machine = new ConsumerMachine(complete, decisions, rows, before, now);
  }

  read(...sequences: number[]): void {
    for (const sequence of sequences) this.machine.read(0, sequence, undefined);
  }

  join(member: number, concurrency: number, tokens: number): void {
    this.machine.join(member, concurrency, false);
    this.machine.tokens(member, tokens);
  }

  /** Leases, commits, tells, and returns what was said since the last time. */
  turn(now = NOW, room = Number.POSITIVE_INFINITY): string[] {
    this.machine.expire(now);
    this.machine.lease(100, now);
    this.machine.committed(0);
    let left = room;
    const say = (text: string) => {
      if (left-- <= 0) return false;
      this.said.push(text);
      return true;
    };
    this.machine.tell({
      leased: (member, sequence, lease, attempt, _deadline, isAlone) =>
        say(`${sequence} to ${member}, lease ${lease}, ${attempt}${isAlone ? ', alone' : ''}`),
      lost: (member, sequence, lease) => say(`${sequence} lost to ${member}, lease ${lease}`),
      supply: (member, isReady) => say(`${member} ${isReady ? 'ready' : 'dry'}`),
    });
    return this.said.splice(0);
  }

  /** Its row, and a machine that goes on with it. */
  reopened(before: Before, after = 0, definition: Partial<MachineDefinition> = {}): Desk {
    const { machine } = this;
    const open = machine.store(0, NOW).slice();
    const { rowPosition: position, storedAcked: acked, redelivered, lost } = machine.lane(0);
    const { leaseNext } = machine;
    const row = { position, leaseNext, acked, redelivered, lost, ageMs: after, open };
    return new Desk(definition, [row], before, NOW + after);
  }
}

describe('the state machine of a consumer', () => {
  it('tells what is lost before new leases, and those before whether there are more', () => {
    const desk = new Desk();
    desk.read(1, 2, 3);
    desk.join(7, 2, 1);
    expect(desk.turn()).toEqual(['1 to 7, lease 1, 1', '7 ready']);
    desk.machine.tokens(7, 2);
    expect(desk.turn(NOW + LEASE_MS)).toEqual([
      '1 lost to 7, lease 1',
      '2 to 7, lease 2, 1',
      '3 to 7, lease 3, 1',
      '7 dry',
    ]);
  });

  it('goes on telling where the room ended', () => {
    const desk = new Desk();
    desk.read(1, 2, 3);
    desk.join(7, 3, 3);
    expect(desk.turn(NOW, 1)).toEqual(['1 to 7, lease 1, 1']);
    expect(desk.turn(NOW, 1)).toEqual(['2 to 7, lease 2, 1']);
    expect(desk.turn()).toEqual(['3 to 7, lease 3, 1']);
  });

  it('counts the attempt of an event that was leased ahead when it is settled', () => {
    const desk = new Desk({ maxAttempts: 1 });
    desk.read(1, 2);
    desk.join(7, 1, 2);
    expect(desk.turn()).toEqual(['1 to 7, lease 1, 1', '2 to 7, lease 2, 1']);
    expect(desk.machine.list(1, 9)[0]).toMatchObject({ attempts: 0, isBegun: false });
    expect(desk.machine.settle(2, 2, 'nak', NOW, -1, 'no')).toBe('done');
    expect(desk.turn()).toEqual(['2 dead after 1: nak no']);
  });

  it('keeps a claimed lease, which counts as told', () => {
    const desk = new Desk();
    desk.read(1);
    desk.join(7, 1, 1);
    desk.turn();
    const next = desk.reopened('replaced');
    next.join(7, 1, 0);
    expect(next.machine.claim(7, [[1, 2, NOW + 50]])).toEqual([]);
    expect(next.machine.claim(7, [[1, 1, NOW + 50]])).toEqual([[1, 1, NOW + 50]]);
    next.machine.endClaims(true, NOW);
    expect(next.machine.nextDue).toBe(NOW + 50);
    expect(next.turn(NOW + 50)).toEqual(['1 lost to 7, lease 1']);
    expect(next.machine.list(0, 9)).toMatchObject([{ state: 'waiting', attempts: 1 }]);
  });

  it.each([
    [true, { state: 'ready', attempts: 0, losses: 0 }],
    [false, { state: 'ready', attempts: 1, losses: 1 }],
  ])('gives back what nobody claims; if all have joined: %s', (isComplete, event) => {
    const desk = new Desk();
    desk.read(1);
    desk.join(7, 1, 1);
    desk.turn();
    const next = desk.reopened('replaced');
    next.machine.endClaims(isComplete, NOW);
    expect(next.machine.list(0, 9)).toMatchObject([event]);
  });

  it('answers an ack that was refused before as refused, when it is sent again', () => {
    const { machine } = new Desk();
    machine.read(0, 1, undefined);
    expect(machine.settleAgain('ack', 0, 1, false)).toBe('lost');
    machine.skip(1);
    expect(machine.settleAgain('ack', 0, 1, true)).toBe('lost');
    expect(machine.settleAgain('ack', 0, 2, false)).toBe('lost');
    expect(machine.settleAgain('ack', 0, 1, false)).toBe('done');
    expect(machine.settleAgain('nak', 0, 2, false)).toBe('done');
  });

  it('sends an event out alone that was in hand at two deaths', () => {
    const desk = new Desk();
    desk.read(1);
    for (const [member, expected] of [
      [7, ['1 to 7, lease 1, 1']],
      [8, ['1 to 8, lease 2, 2']],
    ] as const) {
      desk.join(member, 2, 2);
      expect(desk.turn()).toEqual(expected);
      desk.machine.leave(member, 'died', NOW + 50 * (member - 7));
    }
    desk.read(2);
    desk.join(9, 2, 3);
    expect(desk.turn()).toEqual(['1 to 9, lease 3, 3, alone']);
    desk.machine.settle(1, 3, 'ack', NOW);
    expect(desk.turn()).toEqual(['2 to 9, lease 4, 1']);
  });

  it('lets the lease of an HTTP caller outlive the process, to the same time', () => {
    const desk = new Desk();
    desk.read(1);
    desk.machine.join(7, 1, true);
    desk.machine.tokens(7, 1);
    desk.turn();
    const next = desk.reopened('opened', 60);
    expect(next.machine.nextDue).toBe(NOW + LEASE_MS);
    expect(next.machine.settle(1, 1, 'ack', NOW + 60)).toBe('done');
    expect(next.machine.counts.open).toBe(0);
  });

  it('reads its open events again for their keys, and leases while it does', () => {
    const desk = new Desk({ hasKeys: true });
    for (const [sequence, key] of [
      [1, 'a'],
      [2, 'a'],
      [3, 'b'],
      [4, 'c'],
    ] as const) {
      desk.machine.read(0, sequence, key);
    }
    desk.machine.skip(4);
    const next = desk.reopened('opened', 0, { hasKeys: true });
    next.join(7, 9, 9);
    expect(next.machine.wantsMore(0)).toBe(false);
    const leased: string[] = [];
    for (const key of ['a', 'a', 'b']) {
      next.machine.read(0, next.machine.nextUnread(0), key);
      leased.push(...next.turn());
    }
    expect(leased).toEqual(['1 to 7, lease 1, 1', '3 to 7, lease 2, 1']);
    expect(next.machine.nextUnread(0)).toBe(0);
    expect(next.machine.wantsMore(0)).toBe(true);
  });

  it('lets events that come again and new ones take turns', () => {
    const desk = new Desk();
    desk.read(1, 2, 3, 4);
    desk.join(7, 1, 1);
    const order: string[] = [];
    for (let lease = 1; lease <= 6; lease++) {
      const [told = ''] = desk.turn();
      order.push(told.slice(0, 1));
      desk.machine.settle(Number(told.slice(0, 1)), lease, 'hand-back', NOW);
      desk.machine.tokens(7, 1);
    }
    expect(order).toEqual(['1', '1', '2', '1', '3', '2']);
  });

  it('examines no further in a turn than its owner allows', () => {
    const desk = new Desk();
    desk.read(1);
    desk.join(7, 1, 1);
    desk.examined = 'later';
    expect(desk.turn()).toEqual([]);
    desk.examined = 'gone';
    expect(desk.turn()).toEqual([]);
    expect(desk.machine.lane(0).lost).toBe(1);
    expect(desk.machine.counts.open).toBe(0);
  });

  it('tells a member that has left nothing more', () => {
    const desk = new Desk();
    desk.join(7, 1, 0);
    desk.join(8, 1, 0);
    desk.machine.leave(7, 'left', NOW);
    desk.read(1);
    expect(desk.turn()).toEqual(['8 ready']);
    desk.machine.leave(8, 'left', NOW);
    desk.machine.skip(1);
    expect(desk.turn()).toEqual([]);
  });

  it.each([
    [-1, 'waiting', NOW + 10],
    [0, 'ready', 0],
    [70, 'waiting', NOW + 70],
  ])('lets a nak with the delay %i wait', (delayMs, state, due) => {
    const desk = new Desk();
    desk.read(1);
    desk.join(7, 1, 1);
    desk.turn();
    desk.machine.settle(1, 1, 'nak', NOW, delayMs);
    expect(desk.machine.list(0, 9)).toMatchObject([{ state, due }]);
  });

  it('has to store a row only after a change', () => {
    const desk = new Desk();
    const { machine } = desk;
    desk.read(1, 2, 3);
    expect(machine.isDirty(0)).toBe(false);
    desk.join(7, 1, 1);
    machine.lease(9, NOW);
    expect(machine.isDirty(0)).toBe(true);
    machine.committed(0);
    expect(machine.isDirty(0)).toBe(false);
  });

  it('leaves out of its row the events at the end that nothing has become of', () => {
    const desk = new Desk();
    const { machine } = desk;
    desk.read(1, 2, 5, 7, 8);
    machine.passed(0, 9);
    desk.join(7, 2, 2);
    desk.turn();
    machine.settle(2, 2, 'ack', NOW);
    expect(desk.reopened('opened').machine.lane(0)).toMatchObject({ position: 4, openCount: 1 });
    machine.skip(7);
    expect(desk.reopened('opened').machine.list(0, 9)).toMatchObject([
      { sequence: 1 },
      { sequence: 5 },
    ]);
    machine.seek([0]);
    desk.read(2, 8);
    machine.passed(0, 9);
    expect(desk.reopened('opened').machine.lane(0)).toMatchObject({ position: 1, openCount: 0 });
    machine.redrive(0, 5, undefined);
    expect(desk.reopened('opened').machine.list(0, 9)).toMatchObject([
      { sequence: 2 },
      { sequence: 5 },
    ]);
    machine.missed(0, 12, 2);
    const { position, lost } = desk.reopened('opened').machine.lane(0);
    expect({ position, lost }).toEqual({ position: 12, lost: 2 });
  });

  it('stores a position that only passes over events of others now and then', () => {
    const { machine } = new Desk();
    machine.passed(0, CONSUMER_PASSED_MAX - 1);
    expect(machine.isDirty(0)).toBe(false);
    machine.passed(0, CONSUMER_PASSED_MAX);
    expect(machine.isDirty(0)).toBe(true);
    machine.committed(0);
    expect(machine.isDirty(0)).toBe(false);
  });

  it('divides its lanes anew when nothing is open and all have come equally far', () => {
    const { machine } = new Desk({ lanes: 2 });
    const three = { ...DEFINITION, lanes: 3 };
    machine.passed(0, 5);
    expect(machine.canReorder).toBe(false);
    expect(() => machine.redefine(three)).toThrow('keeps its order and its lanes');
    machine.passed(1, 5);
    machine.redefine(three);
    machine.read(2, 6, undefined);
    expect(machine.lane(0).position).toBe(5);
    expect(machine.lane(2).openCount).toBe(1);
    expect(machine.canReorder).toBe(false);
  });

  it('keeps why an attempt failed until the event is done, and not for a planned hand-back', () => {
    const desk = new Desk();
    desk.read(1, 2);
    desk.join(7, 2, 2);
    desk.turn();
    desk.machine.settle(1, 1, 'nak', NOW + 1, 0, 'the mail server is away');
    desk.machine.settle(2, 2, 'hand-back', NOW + 1);
    const failures = () => desk.machine.list(0, 9).map(({ failure }) => failure);
    expect(failures()).toMatchObject([
      { cause: 'nak', reason: 'the mail server is away', at: NOW + 1 },
      undefined,
    ]);
    desk.machine.tokens(7, 2);
    desk.turn(NOW + 2);
    expect(failures()).toMatchObject([{ reason: 'the mail server is away' }, undefined]);
    desk.machine.seek([0]);
    desk.read(1);
    expect(failures()).toEqual([undefined]);
  });

  it('lists its open events in pages', () => {
    const desk = new Desk();
    desk.read(1, 3, 5, 8);
    const pages = [desk.machine.list(0, 3), desk.machine.list(5, 3)];
    expect(pages.map((page) => page.map(({ sequence }) => sequence))).toEqual([[1, 3, 5], [8]]);
  });

  it('keeps a lease whose ack is in the open batch, and lets it run out if the batch is refused', () => {
    const desk = new Desk();
    desk.read(1);
    desk.join(7, 1, 1);
    desk.turn();
    const { machine } = desk;
    const late = NOW + LEASE_MS + 1;
    expect(machine.beginAck(1, 1, NOW)).toBe('done');
    expect(machine.beginAck(1, 1, NOW)).toBe('lost');
    expect(machine.nextDue).toBe(Number.POSITIVE_INFINITY);
    machine.expire(late);
    expect(machine.counts.leased).toBe(1);
    const stored = { ...EMPTY, position: 1, leaseNext: 2, open: machine.store(0, NOW).slice() };
    expect(new Desk({}, [stored]).machine.counts.open).toBe(0);
    expect(machine.lane(0)).toMatchObject({ acked: 0, storedAcked: 1 });
    machine.endAck(1, false, late);
    machine.expire(late);
    expect(machine.counts).toMatchObject({ leased: 0, open: 1 });
  });

  it('takes an event for done when the batch of its ack is stored', () => {
    const desk = new Desk();
    desk.read(1);
    desk.join(7, 1, 1);
    desk.turn();
    const { machine } = desk;
    machine.beginAck(1, 1, NOW);
    machine.endAck(1, true, NOW);
    expect(machine.counts.open).toBe(0);
    expect(machine.lane(0).acked).toBe(1);
    expect(machine.settle(1, 1, 'ack', NOW)).toBe('lost');
  });

  it('refuses a list that names a lease from beyond its row', () => {
    const desk = new Desk();
    desk.read(1);
    desk.join(7, 1, 1);
    desk.turn();
    const row = { ...EMPTY, position: 1, open: desk.machine.store(0, NOW).slice() };
    expect(() => new Desk({}, [row])).toThrow(
      expect.objectContaining({ code: 'STORE_CORRUPT', message: expect.stringContaining('lease') }),
    );
  });
});
