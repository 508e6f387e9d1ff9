/**
 * The members of a shard's consumers. An endpoint numbers its own; each has a number of the desk's besides, by which
 * machines know it, since other endpoints use the same numbers. Only the shard's loop touches this.
 */
import type { MemberEnd, Tellings } from '../../../consumers/machine-types.js';
import { SUPPLY_DRY, SUPPLY_GONE, SUPPLY_READY } from '../../../link/consumer-records.js';
import type { ConsumerJoinRequest, ShardMember } from '../../../link/consumer-shapes.js';
import { SETTLED_ENDPOINTS_MAX } from '../../../protocol/limits/consumers.js';
import type { LeaseHolders } from '../../../store/consumer-states.js';
import type { ShardEnd } from '../../shard-end.js';
import type { DeskConsumer } from '../desk-consumer.js';
import { DeskLink } from './desk-link.js';

export interface DeskMember {
  /** The desk's number of it. */
  readonly id: number;
  readonly consumer: DeskConsumer;
  readonly link: DeskLink<DeskMember>;
  /** As it joined last. */
  joined: ConsumerJoinRequest;
}

export class DeskMembers {
  /** Of endpoints that have no link: they may come again, with what they were not told of. */
  readonly #settled: Map<string, number>;
  readonly #holders: LeaseHolders | undefined;
  readonly #links = new Map<ShardEnd, DeskLink<DeskMember>>();
  readonly #members = new Map<number, DeskMember>();
  #lastId = 0;

  /** @param settled for each endpoint the number of its last settlement that a dead thread has stored */
  constructor(settled: ReadonlyMap<string, number>, holders?: LeaseHolders) {
    this.#settled = new Map(settled);
    this.#holders = holders;
  }

  get links(): Iterable<DeskLink<DeskMember>> {
    return this.#links.values();
  }

  linkOf(end: ShardEnd): DeskLink<DeskMember> {
    let link = this.#links.get(end);
    if (link === undefined) {
      link = new DeskLink<DeskMember>(end, this.#settled.get(end.endpoint) ?? 0);
      this.#links.set(end, link);
    }
    return link;
  }

  find(end: ShardEnd, number: number): DeskMember | undefined {
    return this.#links.get(end)?.members.get(number);
  }

  /** @returns the numbers of the leases in hand that go on */
  join(consumer: DeskConsumer, joined: ConsumerJoinRequest, end: ShardEnd, now: number): number[] {
    const { member: number, concurrency, isDetached, leases } = joined;
    const link = this.linkOf(end);
    let member = link.members.get(number);
    if (member !== undefined && member.consumer !== consumer) {
      this.leave(member, 'died', now);
      member = undefined;
    }
    if (member === undefined) {
      // Stored with the first lease, before that is told.
      this.#holders?.add(end.endpoint);
      member = { id: ++this.#lastId, consumer, link, joined };
      link.members.set(number, member);
      this.#members.set(member.id, member);
    }
    member.joined = joined;
    consumer.machine.join(member.id, concurrency, isDetached);
    return consumer.machine.claim(member.id, leases).map(([, lease]) => lease);
  }

  leave(member: DeskMember, how: MemberEnd, now: number): void {
    member.consumer.machine.leave(member.id, how, now);
    this.#part(member);
  }

  /** The link's endpoint has left, or died: its members go, and nothing is told to it any more. */
  leaveLink(end: ShardEnd, now: number): void {
    const link = this.#links.get(end);
    if (link === undefined) return;
    for (const member of [...link.members.values()]) this.leave(member, 'died', now);
    this.#links.delete(end);
    this.#holders?.remove(end.endpoint);
    noteSettled(this.#settled, end.endpoint, link.settled);
  }

  /** The consumer is gone: its members are told so, after the loss of their leases, and go. */
  forget(consumer: DeskConsumer): void {
    consumer.end();
    consumer.machine.tell(this.tellings);
    for (const member of this.#members.values()) {
      if (member.consumer !== consumer) continue;
      const gone = { member: member.joined.member, what: SUPPLY_GONE, count: 0 };
      member.link.say({ is: 'supply', ...gone });
      this.#part(member);
    }
  }

  nameOf(id: number | undefined): string | undefined {
    return id === undefined ? undefined : this.#members.get(id)?.joined.name;
  }

  of(consumer: DeskConsumer): ShardMember[] {
    const all: ShardMember[] = [];
    for (const { id, consumer: its, link, joined } of this.#members.values()) {
      if (its !== consumer) continue;
      const { member, concurrency, isDetached, since, name, principal, connection } = joined;
      const inFlight = consumer.machine.inHand(id);
      const { endpoint } = link.end;
      const one = { member, endpoint, inFlight, concurrency, isDetached, since };
      all.push({
        ...one,
        ...(name === undefined ? {} : { name }),
        ...(principal === undefined ? {} : { principal }),
        ...(connection === undefined ? {} : { connection }),
      });
    }
    return all;
  }

  /** What machines tell goes to the links, which wait for room in their rings. */
  readonly tellings: Tellings = {
    leased: (id, sequence, lease, attempt, deadline, isAlone) => {
      const to = this.#members.get(id);
      if (to === undefined) return true;
      const { member, isDetached } = to.joined;
      const { id: consumer } = to.consumer;
      to.link.say({
        is: 'lease',
        member,
        consumer,
        sequence,
        lease,
        attempt,
        deadline,
        isAlone,
        isDetached,
      });
      return true;
    },
    lost: (id, sequence, lease) => {
      const to = this.#members.get(id);
      to?.link.say({ is: 'lost', member: to.joined.member, sequence, lease });
      return true;
    },
    supply: (id, isReady) => {
      const to = this.#members.get(id);
      const what = isReady ? SUPPLY_READY : SUPPLY_DRY;
      to?.link.say({ is: 'supply', member: to.joined.member, what, count: 0 });
      return true;
    },
  };

  #part(member: DeskMember): void {
    member.link.members.delete(member.joined.member);
    this.#members.delete(member.id);
  }
}

/** Keeps the numbers of the endpoints that have settled something last. */
function noteSettled(settled: Map<string, number>, endpoint: string, number: number): void {
  settled.delete(endpoint);
  settled.set(endpoint, number);
  if (settled.size <= SETTLED_ENDPOINTS_MAX) return;
  const [oldest] = settled.keys();
  settled.delete(oldest!);
}
