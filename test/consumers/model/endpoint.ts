/**
 * A thread with members, as an endpoint will be: it grants tokens, takes leases, begins events, and settles them until
 * it has the answers.
 */
import type { HeldLease, SettlementKind } from '../../../src/consumers/machine-types.js';
import { EndpointGroups } from './endpoint-groups.js';
import type { Planted } from './planted.js';
import type { ShardUnderTest } from './shard.js';
import type { Acked, Control, Settlement, Told } from './shard-shapes.js';

export interface InHand {
  readonly shard: number;
  readonly sequence: number;
  readonly lease: number;
  readonly attempt: number;
  readonly deadline: number;
  readonly isAlone: boolean;
  hasBegun: boolean;
  isLost: boolean;
  /** An ack that comes with events is under way. */
  isEnding: boolean;
}

export interface EndpointWorld {
  readonly now: number;
  readonly planted: Planted;
  readonly shards: readonly ShardUnderTest[];
  fault(text: string): void;
  received(shard: ShardUnderTest, lease: number): void;
  began(delivery: InHand): void;
  confirmed(
    shard: ShardUnderTest,
    settlement: Acked & Pick<Settlement, 'kind'>,
    isDone: boolean,
  ): void;
  /** A caller of the detached member has a lease. */
  pulled(delivery: InHand): void;
  /** An ack with events has its answer; `isOver`: the lease has ended. */
  answered(delivery: InHand, isOver: boolean): void;
}

export class MemberUnderTest {
  readonly id: number;
  readonly isDetached: boolean;
  concurrency: number;
  readonly window: number;
  free: number;
  /** Tokens that lie in a shard, are on their way there, or came back as a lease that has not arrived. */
  readonly granted: number[];
  /** Shards that said that they have events for it. */
  readonly ready: boolean[];
  hand: InHand[] = [];
  isLeaving = false;

  constructor(
    id: number,
    concurrency: number,
    window: number,
    shards: number,
    isDetached: boolean,
  ) {
    this.id = id;
    this.isDetached = isDetached;
    this.concurrency = concurrency;
    this.window = window;
    this.free = window;
    this.granted = Array<number>(shards).fill(0);
    this.ready = Array<boolean>(shards).fill(false);
  }
}

export class EndpointUnderTest {
  readonly id: number;
  readonly members: MemberUnderTest[] = [];
  isAlive = true;
  readonly #world: EndpointWorld;
  readonly #numbers: number[];
  /** Settlements without an answer, of each shard. */
  readonly #unanswered: Settlement[][];
  readonly #groups: EndpointGroups;

  constructor(id: number, world: EndpointWorld) {
    this.id = id;
    this.#world = world;
    this.#numbers = world.shards.map(() => 0);
    this.#unanswered = world.shards.map(() => []);
    this.#groups = new EndpointGroups(this, world);
    for (const shard of world.shards) {
      shard.control.set(id, []);
      shard.delivery.set(id, []);
      shard.groups.rings.set(id, []);
    }
  }

  /** Another number of handlers; shards are told, or told again. */
  resize(member: MemberUnderTest, concurrency: number): void {
    member.concurrency = concurrency;
    this.#join(member);
  }

  join(member: MemberUnderTest): void {
    this.members.push(member);
    this.#join(member);
  }

  #join(member: MemberUnderTest): void {
    const { id, concurrency, isDetached } = member;
    for (const shard of this.#world.shards) {
      this.#send(shard.id, { is: 'join', member: id, concurrency, isDetached });
    }
  }

  grant(member: MemberUnderTest, shard: number, count: number): void {
    const given = member.isDetached ? count : Math.min(count, member.free);
    if (given === 0 || member.isLeaving) return;
    if (!member.isDetached) {
      member.free -= given;
      member.granted[shard]! += given;
    }
    this.#send(shard, { is: 'tokens', member: member.id, count: given });
  }

  recall(member: MemberUnderTest, shard: number, count: number): void {
    if (!member.isDetached) this.#send(shard, { is: 'recall', member: member.id, count });
  }

  /** Takes so many records of a shard's delivery ring. */
  receive(shard: ShardUnderTest, count: number): void {
    for (const told of shard.delivery.get(this.id)!.splice(0, count)) this.#onTold(shard, told);
  }

  /** Begins the next event of a member, if a handler is free. */
  begin(member: MemberUnderTest): void {
    const { now, planted } = this.#world;
    const begun = member.hand.filter(({ hasBegun }) => hasBegun);
    const next = member.hand.find(({ hasBegun, isLost }) => !hasBegun && !isLost);
    if (next === undefined || begun.length >= member.concurrency) return;
    if (begun.some(({ isAlone }) => isAlone) || (next.isAlone && begun.length > 0)) return;
    if (next.deadline <= now && !planted.has('begun after the deadline')) return;
    next.hasBegun = true;
    this.#world.began(next);
  }

  settle(member: MemberUnderTest, delivery: InHand, kind: SettlementKind, delayMs: number): void {
    const { shard, sequence, lease } = delivery;
    this.sendSettlement(shard, member.id, sequence, lease, kind, delayMs);
    if (kind !== 'working') this.#drop(member, delivery);
  }

  sendSettlement(
    shard: number,
    member: number,
    sequence: number,
    lease: number,
    kind: SettlementKind,
    delayMs: number,
  ): void {
    const number = ++this.#numbers[shard]!;
    const settlement: Settlement = {
      is: 'settle',
      number,
      member,
      sequence,
      lease,
      kind,
      delayMs,
    };
    this.#unanswered[shard]!.push(settlement);
    this.#send(shard, settlement);
  }

  /** An ack that comes with events. The event stays in hand until there is an answer. */
  ackWithEvents(member: MemberUnderTest, delivery: InHand): void {
    this.#groups.send(member.id, delivery);
  }

  /** Hands back what no handler has begun, and leaves once the others have ended. */
  leave(member: MemberUnderTest): void {
    member.isLeaving = true;
    // The latest first, so that its hand-back does not make the shard count the next one as begun.
    for (const delivery of member.hand.filter(({ hasBegun }) => !hasBegun).reverse()) {
      this.settle(member, delivery, 'hand-back', -1);
    }
    if (member.hand.length > 0) return;
    for (const shard of this.#world.shards) {
      this.#send(shard.id, { is: 'leave', member: member.id, end: 'left' });
    }
    this.members.splice(this.members.indexOf(member), 1);
  }

  /** A shard's thread was replaced: the ring is emptied, members join again with their leases, and tokens are anew. */
  relink(shard: ShardUnderTest): void {
    this.receive(shard, Number.POSITIVE_INFINITY);
    shard.control.set(this.id, []);
    this.#groups.relink(shard);
    const unanswered = this.#unanswered[shard.id]!;
    for (const member of this.members) {
      const { id, concurrency, isDetached } = member;
      this.#send(shard.id, { is: 'join', member: id, concurrency, isDetached });
      this.#send(shard.id, { is: 'claim', member: id, leases: this.#held(shard.id, member) });
      member.free += member.granted[shard.id]!;
      member.granted[shard.id] = 0;
      member.ready[shard.id] = false;
    }
    if (this.#world.planted.has('not sent again')) return;
    for (const settlement of unanswered) this.#send(shard.id, settlement);
  }

  /** Whether all tokens of a member are somewhere, and those of a shard there. At the end: it takes them back. */
  tokenFaults(shard: ShardUnderTest, member: MemberUnderTest): string[] {
    const { id, free, granted, hand, window } = member;
    const faults: string[] = [];
    const all = granted.reduce((sum, count) => sum + count, free + hand.length);
    if (all !== window) faults.push(`member ${id} has ${all} tokens of ${window}`);
    let lying = shard.machine.recall(id, Number.POSITIVE_INFINITY);
    for (const record of shard.control.get(this.id)!) {
      if (record.is === 'tokens' && record.member === id) lying += record.count;
    }
    for (const told of shard.delivery.get(this.id)!) {
      if (told.is === 'returned' && told.member === id) lying += told.count;
    }
    if (lying !== granted[shard.id]) {
      faults.push(`${granted[shard.id]} tokens of member ${id} are ${lying} in shard ${shard.id}`);
    }
    return faults;
  }

  /** Its leases in hand, and what it has settled until it knows that the settlement is stored. */
  #held(shard: number, { id, isDetached, hand }: MemberUnderTest): HeldLease[] {
    const inHand = hand.filter((one) => one.shard === shard);
    const settled = isDetached
      ? []
      : this.#unanswered[shard]!.filter(({ member }) => member === id);
    return [
      ...inHand.map(({ sequence, lease, deadline }): HeldLease => [sequence, lease, deadline]),
      ...settled.map(({ sequence, lease }): HeldLease => [sequence, lease, this.#world.now + 5]),
    ];
  }

  #onTold(shard: ShardUnderTest, told: Told): void {
    if (told.is === 'group') {
      const answered = this.#groups.answered(shard, told.ack, told.outcome);
      const of = this.members.find(({ id }) => id === told.ack.member);
      if (answered === undefined || of === undefined || of.isDetached) return;
      if (told.outcome !== 'full') this.#drop(of, answered);
      if (of.isLeaving) this.leave(of);
      return;
    }
    if (told.is === 'settled') {
      this.#onSettled(shard, told.settlement, told.verdict === 'done');
      return;
    }
    const member = this.members.find(({ id }) => id === told.member);
    if (told.is === 'lease') this.#onLease(shard, member, told);
    else if (member === undefined) return;
    else if (told.is === 'lost') this.#onLost(shard, member, told.sequence, told.lease);
    else if (told.is === 'kept') {
      if (!told.isKept) this.#onLost(shard, member, told.sequence, told.lease);
    } else if (told.is === 'supply') member.ready[shard.id] = told.isReady;
    else {
      member.granted[shard.id]! -= told.count;
      member.free += told.count;
    }
  }

  #onLease(
    shard: ShardUnderTest,
    member: MemberUnderTest | undefined,
    told: Told & { is: 'lease' },
  ): void {
    this.#world.received(shard, told.lease);
    const { sequence, lease, attempt, deadline, isAlone } = told;
    const delivery: InHand = {
      shard: shard.id,
      sequence,
      lease,
      attempt,
      deadline,
      isAlone,
      hasBegun: false,
      isLost: false,
      isEnding: false,
    };
    if (member === undefined) return;
    if (member.isDetached) {
      this.#world.pulled(delivery);
      return;
    }
    member.granted[shard.id]!--;
    member.hand.push(delivery);
    // It was on its way while the member left.
    if (member.isLeaving) this.leave(member);
  }

  #onLost(shard: ShardUnderTest, member: MemberUnderTest, sequence: number, lease: number): void {
    const delivery = member.hand.find(
      (one) => one.shard === shard.id && one.sequence === sequence && one.lease === lease,
    );
    if (delivery === undefined) return;
    // A handler that has begun keeps its place until it ends.
    delivery.isLost = true;
    if (!delivery.hasBegun) this.#drop(member, delivery);
    else if (this.#world.planted.has('token given twice')) member.free++;
  }

  #drop(member: MemberUnderTest, delivery: InHand): void {
    member.hand.splice(member.hand.indexOf(delivery), 1);
    member.free++;
  }

  #onSettled(shard: ShardUnderTest, settlement: Settlement, isDone: boolean): void {
    const waiting = this.#unanswered[shard.id]!;
    const at = waiting.findIndex(({ number }) => number === settlement.number);
    if (at < 0) return;
    waiting.splice(at, 1);
    this.#world.confirmed(shard, settlement, isDone);
  }

  #send(shard: number, record: Control): void {
    this.#world.shards[shard]!.control.get(this.id)!.push(record);
  }
}
