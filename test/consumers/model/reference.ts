/**
 * What ADR 44's table of states says, in plain arrays: no slots, no queues, no bytes. It is given every input that a
 * machine is given, except which event goes to which member: the machine chooses, and the reference judges.
 */
import type {
  HeldLease,
  MachineDefinition,
  MemberEnd,
  OpenSlot,
  Redriven,
  SettlementKind,
  Verdict,
} from '../../../src/consumers/machine-types.js';
import type { DeadCause, FailureCause } from '../../../src/protocol/consumers.js';
import { LOSSES_BEFORE_ALONE } from '../../../src/protocol/limits/consumers.js';
import {
  cloneEvents,
  type RefCounts,
  type RefDead,
  type RefEvent,
  type RefLease,
  type RefMember,
  type RefStored,
} from './reference-shapes.js';
import { leaseFault } from './waiting.js';

export class Reference {
  events: RefEvent[] = [];
  positions: number[];
  leaseNext = 1;
  members: RefMember[] = [];
  isPaused = false;
  counts: { -readonly [K in keyof RefCounts]: number } = { acked: 0, redelivered: 0, lost: 0 };
  definition: MachineDefinition;
  /** Since they were last taken. */
  dead: RefDead[] = [];
  lost: string[] = [];
  /** The events of each key in the order in which they go out. */
  #chains = new Map<string, RefEvent[]>();

  constructor(definition: MachineDefinition, positions: readonly number[]) {
    this.definition = definition;
    this.positions = [...positions];
  }

  /** From what was stored; afterwards nobody has joined, and no key is known. */
  static restore(
    definition: MachineDefinition,
    stored: RefStored,
    isNewProcess: boolean,
    now: number,
  ): Reference {
    const reference = new Reference(definition, stored.positions);
    reference.leaseNext = stored.leaseNext;
    reference.counts = { ...stored.counts };
    reference.events = cloneEvents(stored.events);
    for (const event of [...reference.events]) {
      event.isRead = !definition.hasKeys;
      event.asideUntil = 0;
      event.lostAt = Number.NEGATIVE_INFINITY;
      event.wasLeased = event.lease !== undefined;
      event.failure = undefined;
      const { lease } = event;
      if (lease !== undefined) lease.isGone = false;
      if (lease === undefined) {
        if (event.waitUntil <= now) event.waitUntil = 0;
      } else if (lease.isDetached) {
        lease.member = undefined;
        lease.isTold = true;
      } else if (isNewProcess) reference.#lostWithProcess(event, lease, now);
      else {
        lease.member = undefined;
        lease.isClaimed = false;
        lease.deadline = 0;
      }
    }
    return reference;
  }

  #lostWithProcess(event: RefEvent, lease: RefLease, now: number): void {
    event.lease = undefined;
    if (!lease.isBegun) return;
    event.losses++;
    event.lostAt = now;
    this.#retry(event, 'lost', now, 0);
  }

  /** With rows up to these positions, behind which the log is read again. */
  stored(positions: readonly number[], now: number): RefStored {
    const staying = this.events.filter(({ lease }) => lease?.isEnding !== true);
    const acked = this.counts.acked + this.events.length - staying.length;
    const events = cloneEvents(
      staying.filter(({ lane, sequence }) => sequence <= positions[lane]!),
    );
    // A row has the time that is left. A lease may be overdue whose ack the log had no room for.
    for (const { lease } of events) if (lease) lease.deadline = Math.max(lease.deadline, now);
    return {
      events,
      positions: [...positions],
      leaseNext: this.leaseNext,
      counts: { ...this.counts, acked },
    };
  }

  stateOf(event: RefEvent): OpenSlot['state'] {
    if (event.lease !== undefined) return 'leased';
    if (!event.isRead) return event.waitUntil > 0 ? 'waiting' : 'held';
    if (event.key !== undefined && this.#chains.get(event.key)![0] !== event) return 'held';
    if (event.asideUntil > 0) return 'held';
    return event.waitUntil > 0 ? 'waiting' : 'ready';
  }

  /** As `ConsumerMachine.heldKeys`. */
  heldKeys(): { key: string; waiting: number; first: number }[] {
    const held = [...this.#chains].flatMap(([key, [first, ...behind]]) => {
      if (first === undefined) return [];
      const isAside = first.lease === undefined && first.asideUntil > 0;
      const waiting = behind.length + (isAside ? 1 : 0);
      return waiting === 0 ? [] : [{ key, waiting, first: first.sequence }];
    });
    return held.sort((a, b) => a.first - b.first);
  }

  /** Another shard has its key. */
  aside(sequence: number, until: number): void {
    this.find(sequence)!.asideUntil = until;
  }

  find(sequence: number): RefEvent | undefined {
    return this.events.find((event) => event.sequence === sequence);
  }

  // Inputs.

  read(lane: number, sequence: number, key: string | undefined): void {
    const known = this.find(sequence);
    if (sequence > this.positions[lane]!) {
      this.positions[lane] = sequence;
      this.#open(lane, sequence, key, false);
    } else if (known !== undefined && !known.isRead) this.#setKey(known, key);
  }

  redrive(lane: number, sequence: number, key: string | undefined): Redriven {
    if (sequence > this.positions[lane]! || this.find(sequence) !== undefined) return 'open';
    const ofLane = this.events.filter((event) => event.lane === lane);
    if (ofLane.some(({ isRead }) => !isRead)) return 'unread';
    const redriven = ofLane.filter(({ isRedriven }) => isRedriven);
    if (redriven.length >= this.definition.maxAhead) return 'full';
    this.#open(lane, sequence, key, true);
    return 'redriven';
  }

  passed(lane: number, through: number): void {
    this.positions[lane] = Math.max(this.positions[lane]!, through);
  }

  join(id: number, concurrency: number, isDetached: boolean): void {
    const member = this.members.find((one) => one.id === id);
    if (member === undefined) this.members.push({ id, concurrency, isDetached, tokens: 0 });
    else member.concurrency = concurrency;
    this.promote();
  }

  tokens(id: number, count: number): void {
    const member = this.members.find((one) => one.id === id);
    if (member !== undefined) member.tokens += count;
  }

  leave(id: number, end: MemberEnd, now: number): void {
    for (const event of this.handOf(id)) {
      const lease = event.lease!;
      if (lease.isDetached && lease.isTold) lease.member = undefined;
      else this.#giveUp(event, end, now);
    }
    this.members = this.members.filter((member) => member.id !== id);
  }

  claim(id: number, leases: readonly HeldLease[]): HeldLease[] {
    const kept = leases.filter((held) => this.#claim(id, held));
    this.promote();
    return kept;
  }

  #claim(id: number, [sequence, lease, deadline]: HeldLease): boolean {
    const event = this.find(sequence);
    if (event?.lease?.number !== lease) return false;
    if (event.lease.isClaimed) return event.lease.member === id;
    event.lease.isClaimed = true;
    event.lease.isTold = true;
    event.lease.member = id;
    event.lease.deadline = deadline;
    return true;
  }

  endClaims(isComplete: boolean, now: number): void {
    for (const event of [...this.events]) {
      const { lease } = event;
      if (lease === undefined || lease.isClaimed) continue;
      lease.isTold = !isComplete;
      this.#giveUp(event, 'died', now);
    }
    this.promote();
  }

  settle(
    sequence: number,
    lease: number,
    kind: SettlementKind,
    now: number,
    delayMs: number,
  ): Verdict {
    const event = this.find(sequence);
    if (event?.lease === undefined || event.lease.number !== lease) return 'lost';
    if (!event.lease.isClaimed) {
      event.lease.isClaimed = true;
      event.lease.isTold = true;
    }
    if (kind === 'working') {
      event.lease.deadline = now + this.definition.leaseMs;
      return 'done';
    }
    if (!event.lease.isBegun) event.attempts++;
    const { isGone } = event.lease;
    event.lease = undefined;
    if (kind === 'ack') {
      this.counts.acked++;
      this.#drop(event);
    } else if (isGone) this.#dropGone(event);
    else if (kind === 'term') this.#die(event, 'term');
    else if (kind === 'hand-back') {
      event.attempts--;
      this.#comeAgain(event, 'nak', now, Math.max(0, delayMs));
    } else {
      const { backoffMs } = this.definition;
      const backoff = backoffMs[Math.min(event.attempts, backoffMs.length) - 1]!;
      this.#retry(event, 'nak', now, delayMs < 0 ? backoff : delayMs);
    }
    this.promote();
    return 'done';
  }

  /** Its ack is stored with the open batch, or not at all. */
  beginAck(sequence: number, lease: number, now: number): Verdict {
    const event = this.find(sequence);
    if (event?.lease?.number !== lease || event.lease.isEnding) return 'lost';
    if (!event.lease.isClaimed) {
      event.lease.isClaimed = true;
      event.lease.isTold = true;
      event.lease.deadline = now + this.definition.leaseMs;
    }
    event.lease.isEnding = true;
    return 'done';
  }

  endAck(sequence: number, isStored: boolean): void {
    const event = this.find(sequence);
    if (event?.lease?.isEnding !== true) return;
    event.lease.isEnding = false;
    if (!isStored) return;
    this.counts.acked++;
    event.lease = undefined;
    this.#drop(event);
    this.promote();
  }

  expire(now: number): void {
    const due = this.events.filter(
      ({ lease }) => lease?.isClaimed && !lease.isEnding && lease.deadline <= now,
    );
    for (const event of due.sort((a, b) => a.lease!.deadline - b.lease!.deadline)) {
      const lease = event.lease!;
      this.#noteLost(event);
      if (lease.isTold && lease.isBegun && !lease.isGone) {
        event.lease = undefined;
        const { backoffMs } = this.definition;
        const backoff = backoffMs[Math.min(event.attempts, backoffMs.length) - 1]!;
        this.#retry(event, 'expired', now, backoff);
      } else this.#giveUp(event, 'left', now);
    }
    for (const event of this.events) {
      if (event.waitUntil <= now) event.waitUntil = 0;
      if (event.asideUntil <= now) event.asideUntil = 0;
    }
    this.promote();
  }

  /** The machine has given this lease. Returns what is wrong with it. */
  leased(sequence: number, memberId: number, number: number, now: number): string | undefined {
    const event = this.find(sequence);
    const member = this.members.find(({ id }) => id === memberId);
    const fault = leaseFault(this, event, member);
    if (fault !== undefined || event === undefined || member === undefined) return fault;
    const isAlone = event.losses >= LOSSES_BEFORE_ALONE && !member.isDetached;
    member.tokens--;
    if (event.wasLeased || event.attempts > 0) this.counts.redelivered++;
    event.wasLeased = true;
    this.leaseNext = number + 1;
    event.lease = {
      number,
      member: memberId,
      isDetached: member.isDetached,
      isAlone,
      isBegun: false,
      isTold: false,
      isClaimed: true,
      isGone: false,
      isEnding: false,
      deadline: now + this.definition.leaseMs,
    };
    this.promote();
    return undefined;
  }

  pruned(from: number, through: number): void {
    for (const event of [...this.events]) {
      if (event.sequence < from || event.sequence > through) continue;
      if (event.lease === undefined) this.#dropGone(event);
      else event.lease.isGone = true;
    }
  }

  unmatched(sequence: number): void {
    this.#drop(this.find(sequence)!);
  }

  skip(sequence: number): boolean {
    const event = this.find(sequence);
    if (event === undefined) return false;
    this.#noteLost(event);
    if (event.lease !== undefined) this.#returnToken(event.lease);
    this.#drop(event);
    this.promote();
    return true;
  }

  seek(positions: readonly number[]): void {
    for (const event of this.events) {
      this.#noteLost(event);
      if (event.lease !== undefined) this.#returnToken(event.lease);
    }
    this.events = [];
    this.#chains.clear();
    this.positions = [...positions];
  }

  undoAfter(head: number): void {
    for (const event of [...this.events]) {
      if (event.sequence <= head) continue;
      if (event.lease !== undefined) this.#returnToken(event.lease);
      this.#drop(event);
    }
    this.positions = this.positions.map((position) => Math.min(position, head));
    this.promote();
  }

  told(sequence: number): void {
    this.find(sequence)!.lease!.isTold = true;
  }

  /** Counts the attempts of the first `concurrency` events of each hand. */
  promote(): void {
    for (const { id, isDetached, concurrency } of this.members) {
      const hand = this.handOf(id);
      for (const { lease } of hand.slice(0, isDetached ? hand.length : concurrency)) {
        if (lease!.isBegun) continue;
        lease!.isBegun = true;
        hand.find((event) => event.lease === lease)!.attempts++;
      }
    }
  }

  // Moves.

  /** The events that are leased to a member, in the order of their leases. */
  handOf(id: number): RefEvent[] {
    return this.events
      .filter(({ lease }) => lease?.member === id)
      .sort((a, b) => a.lease!.number - b.lease!.number);
  }

  #open(lane: number, sequence: number, key: string | undefined, isRedriven: boolean): void {
    const event: RefEvent = {
      sequence,
      lane,
      key: undefined,
      isRead: false,
      isRedriven,
      attempts: 0,
      losses: 0,
      lostAt: Number.NEGATIVE_INFINITY,
      waitUntil: 0,
      asideUntil: 0,
      lease: undefined,
      wasLeased: false,
      failure: undefined,
    };
    this.events.push(event);
    this.#setKey(event, key);
  }

  #setKey(event: RefEvent, key: string | undefined): void {
    event.isRead = true;
    event.key = key;
    if (key === undefined) return;
    const chain = this.#chains.get(key) ?? [];
    this.#chains.set(key, chain);
    chain.push(event);
  }

  #giveUp(event: RefEvent, end: MemberEnd, now: number): void {
    const lease = event.lease!;
    event.lease = undefined;
    this.#returnToken(lease);
    const counts = lease.isBegun && lease.isTold;
    if (lease.isBegun && !counts) event.attempts--;
    if (lease.isGone) this.#dropGone(event);
    else if (counts) {
      if (end === 'died') {
        const isSoon = now - event.lostAt <= this.definition.leaseMs;
        event.losses = isSoon ? event.losses + 1 : 1;
        event.lostAt = now;
      }
      this.#retry(event, 'lost', now, 0);
    }
  }

  /** Of a lease that was never told. */
  #returnToken(lease: RefLease): void {
    if (lease.isTold || lease.member === undefined) return;
    this.tokens(lease.member, 1);
  }

  #noteLost({ sequence, lease }: RefEvent): void {
    if (lease?.member === undefined || !lease.isTold) return;
    this.lost.push(`${lease.member}:${sequence}:${lease.number}`);
  }

  #retry(event: RefEvent, cause: FailureCause, now: number, waitMs: number): void {
    event.failure = { cause, reason: '', at: now };
    this.#comeAgain(event, cause, now, waitMs);
  }

  #comeAgain(event: RefEvent, cause: FailureCause, now: number, waitMs: number): void {
    if (event.attempts >= this.definition.maxAttempts) this.#die(event, cause);
    else event.waitUntil = waitMs === 0 ? 0 : now + waitMs;
  }

  #die(event: RefEvent, cause: DeadCause): void {
    const { sequence, attempts } = event;
    this.dead.push({ sequence, attempts, cause });
    this.#drop(event);
  }

  #dropGone(event: RefEvent): void {
    this.counts.lost++;
    this.#drop(event);
  }

  #drop(event: RefEvent): void {
    this.events = this.events.filter((one) => one !== event);
    if (!event.isRead || event.key === undefined) return;
    const chain = this.#chains.get(event.key)!.filter((one) => one !== event);
    this.#chains.set(event.key, chain);
  }
}
