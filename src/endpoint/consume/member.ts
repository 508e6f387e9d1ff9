/**
 * A member of a consumer: it tells the shards how many events they may lease to it, holds the leased ones, and sends
 * what becomes of them. Its taker decides which event goes to whom. Used by the endpoint's thread alone.
 */
import { Hand } from '../../handout/consume/hand.js';
import type { SettleKind } from '../../handout/consume/held-delivery.js';
import type { JoinOptions, TakenMember, Taker as TakerOf } from '../../handout/consume/taker.js';
import type { Dispatcher } from '../../handout/dispatcher.js';
import { Waiters } from '../../handout/waiters.js';
import {
  CONTROL_TOKENS,
  DELAY_OF_BACKOFF,
  SETTLE_ACK,
  SETTLE_ACK_WRITTEN,
  SETTLE_HAND_BACK,
  SETTLE_NAK,
  SETTLE_TERM,
  SETTLE_WORKING,
  TOKENS_RECORD_LENGTH,
} from '../../link/consumer-records.js';
import type {
  ConsumerEntry,
  ConsumerJoinRequest,
  ConsumerLeaveRequest,
  HeldLease,
} from '../../link/consumer-shapes.js';
import { writeTokens } from '../../link/consumer-writers.js';
import type { GroupAck } from '../../link/publish-records.js';
import type { AckAndPublishOptions } from '../../protocol/consumers.js';
import type { BusError } from '../../protocol/errors.js';
import type { EventInput, PublishAck } from '../../protocol/event.js';
import { PREFETCH_MS } from '../../protocol/limits/consumers.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { EndpointEnd } from '../links/endpoint-end.js';
import type { BusDelivery, DeliveryOwner } from './delivery.js';
import { Pace } from './pace.js';
import type { Settlement, Settlements } from './settlements.js';
import { TokenPool, type TokenRoad } from './token-pool.js';

/** The consumer, as far as its members have to know it. */
export type MemberConsumer = Pick<ConsumerEntry, 'id' | 'name' | 'definition'>;

export interface MemberOptions extends JoinOptions {
  /** Its leases outlive it. */
  readonly isDetached?: boolean;
  /** The client of a gateway that it works for; for lists of members. */
  readonly client?: { readonly principal: string; readonly connection?: string } | undefined;
  /** Its events leave as text: a payload is parsed only when its value is read. */
  readonly sendsOn?: boolean;
}

/** Publishes events, and acknowledges a lease in the same commit. */
export type PublishWithAck = (
  inputs: readonly EventInput[],
  options: AckAndPublishOptions,
  ack: GroupAck & { readonly shard: number },
) => Promise<PublishAck[]>;

export type Taker = TakerOf<BusDelivery>;

/** How records name what is said. */
const SETTLE: Readonly<Record<SettleKind, number>> = {
  ack: SETTLE_ACK,
  ackWritten: SETTLE_ACK_WRITTEN,
  nak: SETTLE_NAK,
  handBack: SETTLE_HAND_BACK,
  term: SETTLE_TERM,
  working: SETTLE_WORKING,
};

/** All members of the endpoint, as one of them sees them. */
export interface MemberHost {
  readonly ends: readonly EndpointEnd[];
  /** Of each shard. */
  readonly settlements: readonly Settlements[];
  /** Calls `flush` of the member at the end of this turn. */
  touch(member: Member): void;
  readonly turns: Pick<Dispatcher, 'add'>;
  forget(member: Member): void;
  readonly publishWithAck: PublishWithAck;
}

export class Member implements TakenMember<BusDelivery>, TokenRoad, DeliveryOwner {
  readonly number: number;
  readonly consumer: MemberConsumer;
  readonly hand: Hand<BusDelivery>;
  readonly #options: MemberOptions;
  readonly #host: MemberHost;
  readonly #taker: Taker;
  readonly #pool: TokenPool;
  readonly #pace = new Pace();
  readonly #waiters = new Waiters();
  /** Tokens that events have left, and handlers that have ended, since the last flush. */
  #freed = 0;
  #handled = 0;
  #paceTimer: NodeJS.Timeout | undefined;
  #concurrency: number;
  #isStopping = false;
  #isSuspended = false;
  #how: ConsumerLeaveRequest['how'] = 'left';
  #leaving: Promise<void> | undefined;

  /** Joins the consumer in every shard. */
  constructor(
    number: number,
    consumer: MemberConsumer,
    options: MemberOptions,
    host: MemberHost,
    taker: Taker,
  ) {
    this.number = number;
    this.consumer = consumer;
    this.#concurrency = options.concurrency;
    this.hand = new Hand(options.concurrency);
    this.#options = options;
    this.#host = host;
    this.#taker = taker;
    const { live } = this;
    for (const end of live) this.join(end);
    const shards = live.map(({ shard }) => shard);
    this.#pool = new TokenPool(shards, options.concurrency, this);
  }

  get isDetached(): boolean {
    return this.#options.isDetached === true;
  }

  get sendsOn(): boolean {
    return this.#options.sendsOn === true;
  }

  /** The shards that were not given up. */
  get live(): readonly EndpointEnd[] {
    return this.#host.ends.filter(({ failure }) => failure === undefined);
  }

  // For its taker.

  /** Begins the next event, if there is one and a place for it. */
  begin(): BusDelivery | undefined {
    for (let next = this.hand.next(); next !== undefined; next = this.hand.next()) {
      if (this.#host.settlements[next.shard]!.isFull) return undefined;
      const now = elapsedMs();
      if (next.deadline > now) {
        this.hand.begin(next);
        this.#pace.begin(now);
        return next;
      }
      // Another member may have it already.
      next.lose();
      this.#remove(next);
    }
    return undefined;
  }

  /** The place of an event that had begun is free. */
  release(delivery: BusDelivery): void {
    this.#handled++;
    this.#remove(delivery);
  }

  /** Takes no further events; resolves when none is on its way any more. Those in hand stay there. */
  collected(): Promise<void> {
    this.drain();
    return this.#waiters.when(() => this.#pool.isCollected || this.#leaving !== undefined);
  }

  /** Gives back an event that has begun or waits, at no cost of an attempt. */
  handBack(delivery: BusDelivery): void {
    delivery.settle('handBack');
    if (delivery.state !== 'over') this.#remove(delivery);
  }

  /** Changes how many events may have begun at once; those beyond go on. */
  resize(concurrency: number): void {
    this.#concurrency = concurrency;
    this.hand.resize(concurrency);
    this.#lend();
    this.#taker.flush();
  }

  /** Takes no events for a while: hands back those that wait, and calls in the tokens that lie in shards. */
  suspend(): void {
    if (this.#isSuspended) return;
    this.#isSuspended = true;
    for (const delivery of this.hand.latest()) this.handBack(delivery);
    this.#lend();
  }

  /** Takes events again. */
  resume(): void {
    if (!this.#isSuspended) return;
    this.#isSuspended = false;
    this.#lend();
  }

  /** Takes no further events, and hands back those that wait. */
  stop(): void {
    for (const delivery of this.hand.latest()) this.handBack(delivery);
    this.drain();
  }

  /** Takes no further events; those in hand go on. */
  drain(): void {
    this.#isStopping = true;
    this.#pool.stop();
    this.#host.touch(this);
  }

  /**
   * Resolves when nothing is in hand or on its way, the shards know that it has left, and all it said is confirmed.
   * @param waitsForLost false: not for handlers whose leases are lost
   */
  async left(waitsForLost = true): Promise<void> {
    await this.#waiters.when(() => {
      if (this.#leaving !== undefined) return true;
      const isOver = waitsForLost ? this.hand.isEmpty : this.hand.isMoot;
      return isOver && this.#pool.isCollected;
    });
    await this.leave();
  }

  /** Leaves now, whatever is in hand; those events go to others. `died`: they may have been its end. */
  leave(how: ConsumerLeaveRequest['how'] = 'left'): Promise<void> {
    if (this.#leaving === undefined) this.#how = how;
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  // For its deliveries.

  settle(
    delivery: BusDelivery,
    kind: SettleKind,
    delayMs: number | undefined,
    reason: string,
  ): Settlement {
    const { shard, sequence, number: lease, deadline, state } = delivery;
    const settlement: Settlement = {
      member: this.number,
      sequence,
      lease,
      kind: SETTLE[kind],
      delayMs: delayMs ?? DELAY_OF_BACKOFF,
      reason,
      deadline,
      number: 0,
      outcome: undefined,
      onDecided: undefined,
    };
    this.#host.settlements[shard]!.add(settlement);
    this.#host.touch(this);
    if (kind !== 'working' && state === 'begun') this.#taker.onOver(delivery);
    return settlement;
  }

  ackAndPublish(
    { shard, sequence, number: lease }: BusDelivery,
    inputs: readonly EventInput[],
    options: AckAndPublishOptions,
  ): Promise<PublishAck[]> {
    const ack = { member: this.number, shard, sequence, lease };
    return this.#host.publishWithAck(inputs, options, ack);
  }

  onPublished(delivery: BusDelivery): void {
    const { isSettled, isLost, state } = delivery;
    if ((isSettled || isLost) && state === 'begun') this.#taker.onOver(delivery);
    this.#host.touch(this);
  }

  // For the shards' records.

  onLease(delivery: BusDelivery): void {
    const { hand } = this;
    this.#pool.leased(delivery.shard);
    if (this.#options.isDetached) {
      hand.add(delivery);
      this.#host.turns.add(this.#taker);
    } else if (this.#isStopping || this.#isSuspended || hand.isAlone) {
      hand.add(delivery);
      this.handBack(delivery);
    } else {
      if (delivery.isAlone) this.#makeRoomForOne();
      hand.add(delivery);
      this.#host.turns.add(this.#taker);
    }
  }

  onLost(shard: number, lease: number): void {
    const delivery = this.hand.find((held) => held.number === lease && held.shard === shard);
    if (delivery !== undefined) this.#lose(delivery);
  }

  onReady(shard: number): void {
    this.#pool.ready(shard);
  }

  onDry(shard: number): void {
    this.#pool.dry(shard);
  }

  onReturned(shard: number, count: number): void {
    this.#pool.returned(shard, count);
    this.#waiters.wake();
  }

  /** Called when settlements were confirmed. */
  onConfirmed(): void {
    this.#waiters.wake();
  }

  // For the endpoint.

  /** The end of a turn: sends what was settled in it, then the tokens of what has left the hand. */
  flush(): void {
    for (const settlements of this.#host.settlements) settlements.flush(this.number);
    const freed = this.#freed;
    this.#freed = 0;
    if (freed > 0) this.#pool.settled(freed);
    this.#keepPace();
    this.#waiters.wake();
  }

  /** Joins a shard: for the first time, or the next thread of the shard. */
  join(end: EndpointEnd): void {
    let claimed: readonly HeldLease[] = [];
    const request = (): ConsumerJoinRequest => {
      claimed = this.#leasesOf(end.shard);
      const { isDetached = false, name, client } = this.#options;
      const { number: member, consumer } = this;
      const concurrency = this.#concurrency;
      const request = { member, consumer: consumer.id, concurrency, isDetached, leases: claimed };
      return { ...request, ...(name === undefined ? {} : { name }), ...client };
    };
    end.call('consumerJoin', request).then(
      ({ kept }) => {
        const alive = new Set(kept);
        for (const [, lease] of claimed) if (!alive.has(lease)) this.onLost(end.shard, lease);
      },
      (error: BusError) => this.fail(error),
    );
  }

  /** The shard's next thread knows the member and what it has settled: lends it tokens, or leaves it too. */
  goOn(end: EndpointEnd): void {
    this.#pool.relinked(end.shard);
    if (this.#leaving !== undefined) void this.#leaveShard(end);
  }

  /** The shard was given up. */
  shardFailed(shard: number): void {
    for (const delivery of this.hand.all()) if (delivery.shard === shard) this.#lose(delivery);
    this.#pool.gone(shard);
    this.#waiters.wake();
  }

  /** It can go on no longer. */
  fail(error: BusError): void {
    if (this.#leaving !== undefined) return;
    this.stop();
    this.#taker.onEnded(error);
    void this.leave();
    // A shard that does not know the consumer confirms nothing.
    if (error.code !== 'CONSUMER_UNKNOWN') return;
    for (const settlements of this.#host.settlements) settlements.abandon(this.number);
    this.#waiters.wake();
  }

  /** The shards have ended: nothing comes or goes any more. */
  close(error: BusError): void {
    this.#isStopping = true;
    this.#leaving ??= Promise.resolve();
    clearTimeout(this.#paceTimer);
    for (const delivery of this.hand.all()) this.#lose(delivery);
    this.#taker.onEnded(error);
    this.#waiters.wake();
  }

  // Tokens.

  grant(shard: number, count: number): void {
    const concurrency = this.#concurrency;
    this.#host.ends[shard]!.send(
      CONTROL_TOKENS,
      TOKENS_RECORD_LENGTH,
      (bytes, offset, generation) =>
        writeTokens(bytes, offset, { generation, member: this.number }, count, concurrency),
    );
  }

  recall(shard: number, count: number): void {
    this.grant(shard, -count);
  }

  /** An event that goes out alone has come: hands back what waits, and wants nothing else until it is over. */
  #makeRoomForOne(): void {
    for (const delivery of this.hand.latest()) this.handBack(delivery);
    this.#pool.resize(0);
  }

  /** Lends as many tokens as the member may have events in hand. */
  #lend(): void {
    const isTaking = !this.#isStopping && !this.#isSuspended && !this.hand.isAlone;
    this.#pool.resize(isTaking ? this.#concurrency + this.#pace.ahead : 0);
  }

  #remove(delivery: BusDelivery): void {
    const wasAlone = this.hand.isAlone;
    this.hand.remove(delivery);
    this.#freed++;
    if (wasAlone && !this.hand.isAlone && !this.#isStopping) this.#lend();
    this.#host.touch(this);
  }

  #lose(delivery: BusDelivery): void {
    delivery.lose();
    // The outcome of its publish says whether it was lost.
    if (delivery.isPublishing) return;
    if (delivery.state === 'waiting') this.#remove(delivery);
    else {
      this.#taker.onOver(delivery);
      this.#host.touch(this);
    }
  }

  /** Leases ahead as far as the handlers are quick, and hands back what they turn out to be too slow for. */
  #keepPace(): void {
    const { hand } = this;
    if (!this.#options.prefetch || this.#isStopping) return;
    const before = this.#pace.ahead;
    const ahead = this.#pace.note(this.#handled, elapsedMs(), hand.begun > 0);
    this.#handled = 0;
    if (ahead !== before && !hand.isAlone) {
      if (ahead < before) for (const late of hand.latest(ahead)) this.handBack(late);
      this.#lend();
    }
    if (ahead > 0 && hand.begun > 0) {
      this.#paceTimer ??= setTimeout(() => {
        this.#paceTimer = undefined;
        this.#host.touch(this);
      }, PREFETCH_MS).unref();
    }
  }

  /** The leases of a shard that it has in hand or has settled without an answer. */
  #leasesOf(shard: number): HeldLease[] {
    const held = this.hand.all().filter((one) => one.shard === shard && !one.isLost);
    const unconfirmed = this.#host.settlements[shard]!.of(this.number);
    const leases = new Map<number, HeldLease>();
    for (const one of held) leases.set(one.number, [one.sequence, one.number, one.deadline]);
    for (const { sequence, lease, deadline } of unconfirmed) {
      leases.set(lease, [sequence, lease, leases.get(lease)?.[2] ?? deadline]);
    }
    return [...leases.values()];
  }

  async #leave(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#paceTimer);
    this.flush();
    await Promise.all(this.live.map((end) => this.#leaveShard(end)));
    await this.#waiters.when(() => !this.#host.settlements.some((of) => of.hasOf(this.number)));
    this.#host.forget(this);
  }

  /** A shard that is given up meanwhile has lost the member anyway. */
  async #leaveShard(end: EndpointEnd): Promise<void> {
    const request = { member: this.number, how: this.#how };
    await end.call('consumerLeave', () => request).catch(() => {});
  }
}
