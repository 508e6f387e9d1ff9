/**
 * All members of one endpoint: numbers them, passes them the shards' records, sends what they have said at the end of
 * each turn, and tells a shard's next thread of them. Used by the endpoint's thread alone.
 */
import type { Dispatcher } from '../../handout/dispatcher.js';
import { Waiters } from '../../handout/waiters.js';
import {
  DELIVERY_LEASE,
  DELIVERY_SETTLED,
  LEASE_ALONE,
  LEASE_EVENT,
  SUPPLY_DRY,
  SUPPLY_GONE,
  SUPPLY_LOST,
  SUPPLY_READY,
} from '../../link/consumer-records.js';
import { LeaseView, SupplyView } from '../../link/consumer-views.js';
import { BusError } from '../../protocol/errors.js';
import { shardsOf } from '../../protocol/filter-shards.js';
import { CONSUMER_MEMBERS_MAX, CONSUMERS_MAX } from '../../protocol/limits/consumers.js';
import { ITSELF } from '../asker.js';
import type { MemberHandler } from '../links/delivery-reader.js';
import type { EndpointEnd } from '../links/endpoint-end.js';

import { RecordDecoder } from '../read/record-decoder.js';
import { unknownConsumer } from './consumer-shards.js';
import { BusDelivery } from './delivery.js';
import { Member, type MemberHost, type PublishWithAck, type Taker } from './member.js';
import type { MemberConsumer, MemberOptions } from './membership.js';
import { Settlements } from './settlements.js';

export class Members implements MemberHost, MemberHandler {
  readonly ends: readonly EndpointEnd[];
  readonly settlements: readonly Settlements[];
  readonly turns: Dispatcher;
  readonly #takers = new Map<Member, Taker>();
  readonly #members = new Map<number, Member>();
  readonly #keeping = new Set<Member>();
  /** Members with something to send at the end of the turn. */
  readonly #touched = new Set<Member>();
  readonly #waiters = new Waiters();
  readonly #segments: number;
  readonly publishWithAck: PublishWithAck;
  readonly #decoder = new RecordDecoder(ITSELF);
  readonly #textDecoder = new RecordDecoder({ sendsOn: true });
  readonly #lease = new LeaseView();
  readonly #supply = new SupplyView();
  /** By consumer, the shard to which its next member lends tokens first. */
  readonly #firstShards = new Map<string, number>();
  #nextNumber = 1;
  #isInTurn = false;
  #isScheduled = false;
  /** Why no more members are added. */
  #refusal: BusError | undefined;
  #isClosed = false;

  /** `segments`: how many first segments of a topic decide its shard; 0: all of it does. */
  constructor(
    ends: readonly EndpointEnd[],
    turns: Dispatcher,
    publishWithAck: PublishWithAck,
    segments = 0,
  ) {
    this.#segments = segments;
    this.publishWithAck = publishWithAck;
    this.ends = ends;
    this.turns = turns;
    this.settlements = ends.map((end) => new Settlements(end));
  }

  /**
   * Adds a member, which `taker` takes the events of.
   * @throws BusError `LIMIT_EXCEEDED`, `BUS_CLOSED`, and the failure of a shard that the consumer needs
   */
  add(consumer: MemberConsumer, options: MemberOptions, taker: Taker): Member {
    if (this.#refusal !== undefined) throw this.#refusal;
    if (this.#members.size >= CONSUMER_MEMBERS_MAX) {
      const message = `this thread has ${CONSUMER_MEMBERS_MAX} members of consumers, which is the limit`;
      throw new BusError('LIMIT_EXCEEDED', message, { details: { limit: CONSUMER_MEMBERS_MAX } });
    }
    for (const { shard, failure } of this.ends) {
      if (failure !== undefined && this.#needs(consumer, shard)) throw failure;
    }
    const member = new Member(this.#nextNumber++, consumer, options, this, taker);
    this.#members.set(member.number, member);
    this.#takers.set(member, taker);
    this.#keeping.add(member);
    return member;
  }

  /** True if there are members that keep the process, or something that any said is not confirmed. */
  get hasLive(): boolean {
    return this.#keeping.size > 0 || this.settlements.some(({ out }) => out > 0);
  }

  /** The process need not stay for this member. */
  release(member: Member): void {
    this.#keeping.delete(member);
  }

  /** Adds no more members. */
  refuse(error: BusError): void {
    this.#refusal ??= error;
  }

  all(): readonly Member[] {
    return [...this.#members.values()];
  }

  /** Resolves once the condition holds. It is checked when members have said, heard or left something. */
  when(isDone: () => boolean): Promise<void> {
    return this.#waiters.when(() => this.#isClosed || isDone());
  }

  /** The end of a turn of the endpoint: hands out events, and sends what was settled meanwhile. */
  handOut(dispatch: () => void): void {
    this.#isInTurn = true;
    try {
      dispatch();
    } finally {
      this.#isInTurn = false;
      if (this.#touched.size > 0) this.#flush();
    }
  }

  /** The shard's thread was replaced: tells the next one of the members, and what they had said and not heard of. */
  rejoin(end: EndpointEnd): void {
    const members = this.all();
    for (const member of members) member.join(end);
    // If the shard is given up, the members learn of it otherwise.
    end.call('consumersClaimed', () => ({})).catch(() => {});
    this.settlements[end.shard]!.resend();
    for (const member of members) member.goOn(end);
  }

  /** The shard was given up: ends the members whose consumers need it. */
  shardFailed(shard: number, error: BusError): void {
    this.settlements[shard]!.fail(error);
    for (const member of this.all()) {
      member.shardFailed(shard);
      if (this.#needs(member.consumer, shard)) member.fail(error);
    }
  }

  /** The shards have ended, or the endpoint has left them. */
  close(error: BusError): void {
    this.refuse(error);
    this.#isClosed = true;
    for (const settlements of this.settlements) settlements.fail(error);
    for (const member of this.all()) member.close(error);
    this.#members.clear();
    this.#takers.clear();
    this.#keeping.clear();
    this.#touched.clear();
    this.#waiters.wake();
  }

  // For the members.

  touch(member: Member): void {
    this.#touched.add(member);
    if (this.#isInTurn || this.#isScheduled) return;
    this.#isScheduled = true;
    // Runs when the promises of this turn are done, so their settlements share a record.
    process.nextTick(this.#onTick);
  }

  firstShardOf({ id }: MemberConsumer): number {
    const first = this.#firstShards.get(id) ?? 0;
    if (this.#firstShards.size >= CONSUMERS_MAX) this.#firstShards.clear();
    this.#firstShards.set(id, (first + 1) % this.ends.length);
    return first;
  }

  forget(member: Member): void {
    this.#members.delete(member.number);
    this.#takers.delete(member);
    this.#keeping.delete(member);
    this.#touched.delete(member);
    for (const settlements of this.settlements) settlements.forget(member.number);
    this.#waiters.wake();
  }

  // Records of the shards.

  onRecord(end: EndpointEnd, type: number, bytes: Buffer, offset: number, length: number): void {
    if (type === DELIVERY_LEASE) this.#onLease(end.shard, bytes, offset, length);
    else if (type === DELIVERY_SETTLED) this.#onSettled(end.shard, bytes, offset, length);
    else this.#onSupply(end.shard, bytes, offset, length);
  }

  #onLease(shard: number, bytes: Buffer, offset: number, length: number): void {
    const view = this.#lease.wrap(bytes, offset, length);
    const member = this.#members.get(view.member);
    // The shard has heard, or will hear, that the member has left.
    if (member === undefined) return;
    const { sequence, lease, attempt, deadline, flags } = view;
    const isAlone = (flags & LEASE_ALONE) !== 0;
    const decoder = member.sendsOn ? this.#textDecoder : this.#decoder;
    const event = decoder.decode(bytes, offset + LEASE_EVENT, shard, sequence);
    const leased = { shard, sequence, lease, attempt, deadline, isAlone };
    member.onLease(new BusDelivery(member, leased, event));
  }

  #onSettled(shard: number, bytes: Buffer, offset: number, length: number): void {
    const settlements = this.settlements[shard]!;
    const wasFull = settlements.isFull;
    const number = settlements.onSettled(bytes, offset, length);
    this.#members.get(number)?.onConfirmed();
    this.#waiters.wake();
    if (!wasFull || settlements.isFull) return;
    for (const taker of this.#takers.values()) this.turns.add(taker);
  }

  #onSupply(shard: number, bytes: Buffer, offset: number, length: number): void {
    const view = this.#supply.wrap(bytes, offset, length);
    const { what, count } = view;
    const member = this.#members.get(view.member);
    if (member === undefined) return;
    if (what === SUPPLY_READY) member.onReady(shard);
    else if (what === SUPPLY_DRY) member.onDry(shard);
    else if (what === SUPPLY_LOST) member.onLost(shard, view.lease);
    else if (what === SUPPLY_GONE) member.fail(unknownConsumer(member.consumer));
    else member.onReturned(shard, count);
  }

  readonly #onTick = (): void => {
    this.#isScheduled = false;
    this.#flush();
  };

  #flush(): void {
    for (const member of this.#touched) {
      this.#touched.delete(member);
      member.flush();
    }
    this.#waiters.wake();
  }

  #needs({ definition }: MemberConsumer, shard: number): boolean {
    return shardsOf(definition.filter, {
      shards: this.ends.length,
      segments: this.#segments,
    }).includes(shard);
  }
}
