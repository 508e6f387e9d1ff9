/**
 * A member of a consumer: it joins the shards, holds the events that they lease to it, and sends what becomes of them.
 * Its tokens say how many they may lease, and its taker decides which event goes to whom. Used by the endpoint's thread
 * alone.
 */
import { Hand } from '../../handout/consume/hand.js';
import type { SettleKind } from '../../handout/consume/held-delivery.js';
import type { TakenMember, Taker as TakerOf } from '../../handout/consume/taker.js';
import type { Dispatcher } from '../../handout/dispatcher.js';
import { Waiters } from '../../handout/waiters.js';
import {
  DELAY_OF_BACKOFF,
  SETTLE_ACK,
  SETTLE_ACK_WRITTEN,
  SETTLE_HAND_BACK,
  SETTLE_NAK,
  SETTLE_TERM,
  SETTLE_WORKING,
} from '../../link/consumer-records.js';
import type { ConsumerLeaveRequest } from '../../link/consumer-shapes.js';
import type { GroupAck } from '../../link/publish-records.js';
import type { AckAndPublishOptions } from '../../protocol/consumers.js';
import type { BusError } from '../../protocol/errors.js';
import type { EventInput, PublishAck } from '../../protocol/event.js';
import { SETTLEMENTS_PER_RECORD } from '../../protocol/limits/consumers.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { EndpointEnd } from '../links/endpoint-end.js';
import type { BusDelivery, DeliveryOwner } from './delivery.js';
import { MemberTokens, type TokenHolder } from './member-tokens.js';
import {
  type JoinedShards,
  type Joining,
  type MemberConsumer,
  type MemberOptions,
  Membership,
} from './membership.js';
import type { Settlement } from './settlements.js';
import type { TokenPool } from './token-pool.js';

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
export interface MemberHost extends JoinedShards {
  /** Calls `flush` of the member at the end of this turn. */
  touch(member: Member): void;
  /** The shard to which the consumer's next member lends tokens first; each time another one. */
  firstShardOf(consumer: MemberConsumer): number;
  readonly turns: Pick<Dispatcher, 'add'>;
  forget(member: Member): void;
  readonly publishWithAck: PublishWithAck;
}

export class Member implements TakenMember<BusDelivery>, TokenHolder, Joining, DeliveryOwner {
  readonly number: number;
  readonly consumer: MemberConsumer;
  readonly hand: Hand<BusDelivery>;
  readonly #options: MemberOptions;
  readonly #host: MemberHost;
  readonly #taker: Taker;
  readonly #waiters = new Waiters();
  readonly #membership: Membership;
  readonly #tokens: MemberTokens;
  #concurrency: number;

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
    this.#membership = new Membership(this, options, host, this.#waiters);
    for (const end of this.live) this.join(end);
    this.#tokens = new MemberTokens(this, host.ends, options.prefetch, host.firstShardOf(consumer));
  }

  get concurrency(): number {
    return this.#concurrency;
  }

  get isDetached(): boolean {
    return this.#options.isDetached === true;
  }

  get sendsOn(): boolean {
    return this.#options.sendsOn === true;
  }

  /** The shards that were not given up. */
  get live(): readonly EndpointEnd[] {
    return this.#membership.live;
  }

  /**
   * Resolves when the shards have leased what they have for the member: as much as it may have, or something, or nothing
   * at all. Where it has fewer tokens than there are shards, they go round, once to each that has events.
   */
  async shardsHaveLeased(): Promise<void> {
    const isOver = (): boolean => this.#membership.isOver || this.#tokens.isCollected;
    await this.#looked(this.live, isOver);
    const asked = new Set<number>();
    for (;;) {
      const more = (): TokenPool['waiting'] =>
        this.#tokens.waiting.filter(({ shard }) => !asked.has(shard));
      // Tokens are called in from where they lie idle, unless somebody else takes what waits.
      const isDecided = (): boolean => more().length === 0 || more().some(({ lent }) => lent > 0);
      await this.#waiters.when(() => isOver() || !this.hand.isEmpty || isDecided());
      if (isOver() || !this.hand.isEmpty || more().length === 0) return;
      const there = new Set(more().flatMap(({ shard, lent }) => (lent > 0 ? [shard] : [])));
      await this.#looked(
        this.live.filter(({ shard }) => there.has(shard)),
        isOver,
      );
      // Others may take what comes anew, again and again.
      for (const shard of there) asked.add(shard);
      // What it has leased nothing to is of more use elsewhere.
      if (this.hand.isEmpty) this.#tokens.moveOn(there);
    }
  }

  /** Resolves when these shards have told all that they have leased to the member; or at once when `isDone`. */
  async #looked(ends: readonly EndpointEnd[], isDone: () => boolean): Promise<void> {
    let open = ends.length;
    const answered = (): void => {
      open--;
      this.#waiters.wake();
    };
    for (const end of ends) {
      end.call('consumerLook', () => ({ member: this.number })).then(answered, answered);
    }
    await this.#waiters.when(() => open === 0 || isDone());
  }

  // For its taker.

  /** Begins the next event, if there is one and a place for it. */
  begin(): BusDelivery | undefined {
    for (let next = this.hand.next(); next !== undefined; next = this.hand.next()) {
      if (this.#host.settlements[next.shard]!.isFull) return undefined;
      const now = elapsedMs();
      if (next.deadline > now) {
        this.hand.begin(next);
        this.#tokens.begin(now);
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
    this.#tokens.handled();
    this.#remove(delivery);
  }

  /** Takes no further events; resolves when none is on its way any more. Those in hand stay there. */
  collected(): Promise<void> {
    this.drain();
    return this.#waiters.when(() => this.#tokens.isCollected || this.#membership.isOver);
  }

  /** Gives back an event that has begun or waits, at no cost of an attempt. */
  handBack(delivery: BusDelivery): void {
    delivery.settle('handBack');
    // An ack that is on its way with events keeps it in hand until that is decided.
    if (delivery.state !== 'over' && !delivery.isPublishing) this.#remove(delivery);
  }

  /** Changes how many events may have begun at once; those beyond go on. */
  resize(concurrency: number): void {
    this.#concurrency = concurrency;
    this.hand.resize(concurrency);
    this.#tokens.lend();
    this.#taker.flush();
  }

  /** Takes no events for a while: hands back those that wait, and calls in the tokens that lie in shards. */
  suspend(): void {
    this.#tokens.suspend();
  }

  /** Takes events again. */
  resume(): void {
    this.#tokens.resume();
  }

  /** Takes no further events, and hands back those that wait. */
  stop(): void {
    for (const delivery of this.hand.latest()) this.handBack(delivery);
    this.drain();
  }

  /** Takes no further events; those in hand go on. */
  drain(): void {
    this.#tokens.stop();
    this.touch();
  }

  /**
   * Resolves when nothing is in hand or on its way, the shards know that it has left, and all it said is confirmed.
   * @param waitsForLost false: not for handlers whose leases are lost
   */
  async left(waitsForLost = true): Promise<void> {
    await this.#waiters.when(() => {
      if (this.#membership.isOver) return true;
      const isOver = waitsForLost ? this.hand.isEmpty : this.hand.isMoot;
      return isOver && this.#tokens.isCollected;
    });
    await this.leave();
  }

  /** Leaves now, whatever is in hand; those events go to others. `died`: they may have been its end. */
  leave(how: ConsumerLeaveRequest['how'] = 'left'): Promise<void> {
    return this.#membership.leave(
      how,
      () => {
        this.#tokens.end();
        this.flush();
      },
      () => this.#host.forget(this),
    );
  }

  /** Has `flush` called at the end of this turn. */
  touch(): void {
    this.#host.touch(this);
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
    this.touch();
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
    this.touch();
  }

  // For the shards' records.

  onLease(delivery: BusDelivery): void {
    const { hand } = this;
    this.#tokens.leased(delivery.shard);
    if (this.#options.isDetached) {
      hand.add(delivery);
      this.#host.turns.add(this.#taker);
      this.#waiters.wake();
    } else if (!this.#tokens.isTaking) {
      hand.add(delivery);
      this.handBack(delivery);
    } else {
      if (delivery.isAlone) this.#tokens.makeRoomForOne();
      hand.add(delivery);
      this.#host.turns.add(this.#taker);
    }
  }

  onLost(shard: number, lease: number): void {
    const delivery = this.hand.find((held) => held.number === lease && held.shard === shard);
    if (delivery !== undefined) this.#lose(delivery);
  }

  onReady(shard: number): void {
    this.#tokens.ready(shard);
    this.#waiters.wake();
  }

  onDry(shard: number): void {
    this.#tokens.dry(shard);
    this.#waiters.wake();
  }

  onReturned(shard: number, count: number): void {
    this.#tokens.returned(shard, count);
    this.#waiters.wake();
  }

  /** Called when settlements were confirmed. */
  onConfirmed(): void {
    this.#waiters.wake();
  }

  // For the endpoint.

  /** The end of a turn: sends what was settled in it, then the tokens of what has left the hand. */
  flush(): void {
    this.#sendSettled();
    this.#tokens.flush();
    this.#waiters.wake();
  }

  #sendSettled(): void {
    for (const settlements of this.#host.settlements) settlements.flush(this.number);
  }

  /** Joins a shard: for the first time, or the next thread of the shard. */
  join(end: EndpointEnd): void {
    this.#membership.join(end);
  }

  /** The shard's next thread knows the member and what it has settled: lends it tokens, or leaves it too. */
  goOn(end: EndpointEnd): void {
    this.#tokens.relinked(end.shard);
    this.#membership.goOn(end);
    // The tokens that a leaving member waits for may have gone with the thread.
    this.#waiters.wake();
  }

  /** The shard was given up. */
  shardFailed(shard: number): void {
    for (const delivery of this.hand.all()) if (delivery.shard === shard) this.#lose(delivery);
    this.#tokens.gone(shard);
    this.#waiters.wake();
  }

  /** It can go on no longer. */
  fail(error: BusError): void {
    if (this.#membership.isOver) return;
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
    this.#tokens.end();
    this.#membership.close();
    for (const delivery of this.hand.all()) this.#lose(delivery);
    this.#taker.onEnded(error);
    this.#waiters.wake();
  }

  #remove(delivery: BusDelivery): void {
    const wasAlone = this.hand.isAlone;
    this.hand.remove(delivery);
    const freed = this.#tokens.freed(wasAlone);
    this.touch();
    if (freed < SETTLEMENTS_PER_RECORD) return;
    // In a long turn the shard leases further events while handlers are still at work on the others.
    this.#sendSettled();
    this.#tokens.lendFreed();
  }

  #lose(delivery: BusDelivery): void {
    delivery.lose();
    // The outcome of its publish says whether it was lost.
    if (delivery.isPublishing) return;
    if (delivery.state === 'waiting') this.#remove(delivery);
    else {
      this.#taker.onOver(delivery);
      this.touch();
    }
  }
}
