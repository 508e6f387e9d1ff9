/**
 * All subscriptions of one endpoint: passes them the shards' events, and their credit to the shards. `Placement` puts
 * them into the shards. Used by the endpoint's thread alone.
 */
import type { Drained } from '../../async-context/drain-in-handler.js';
import type { Dispatcher } from '../../handout/dispatcher.js';
import type { BusCounters } from '../../link/bus-counters.js';
import {
  EVENT_SEQUENCE,
  EVENT_SUBSCRIPTION_IDS,
  EVENT_SUBSCRIPTIONS,
  eventRecordOffset,
  type StateBody,
} from '../../link/link-records.js';
import { ShardCounter } from '../../link/shard-control.js';
import type { EventHandler } from '../../protocol/bus-api.js';
import { encodeCursor } from '../../protocol/cursor.js';
import type { BusError } from '../../protocol/errors.js';
import type { Event } from '../../protocol/event.js';
import type { ParsedFilter } from '../../protocol/filter.js';
import { DELIVERIES_PER_SAMPLE } from '../../protocol/limits/endpoint.js';
import { EVENT_FLAG_SUPPLIED_TIMESTAMP, EventRecordView } from '../../record/event-record.js';
import { type Asker, ITSELF } from '../asker.js';
import type { DeliveryHandler } from '../links/delivery-reader.js';
import type { EndpointEnd } from '../links/endpoint-end.js';
import type { ParsedSubscribeOptions } from '../options.js';
import type { HistorySource } from '../read/history-source.js';
import { RecordDecoder } from '../read/record-decoder.js';
import { HistoryReader } from './history.js';
import { fail, Placement } from './placement.js';
import type { ShardProgress } from './shard-progress.js';
import { BusSubscription } from './subscription.js';
import type { SubscriptionHost } from './subscription-host.js';

/** The endpoint that the subscriptions belong to. */
interface SubscriptionsOwner {
  readonly endpoint: string;
  readonly epoch: string;
  /** The endpoint's share of the bus's counters. */
  readonly share: number;
}

export class Subscriptions implements SubscriptionHost<BusSubscription>, DeliveryHandler {
  readonly endpointId: string;
  readonly #share: number;
  readonly turns: Dispatcher;
  readonly #epoch: string;
  readonly #busCounters: BusCounters;
  readonly #onError: (error: BusError) => void;
  readonly #ends: readonly EndpointEnd[];
  readonly #history: HistoryReader;
  readonly #placement: Placement;
  readonly #decoder = new RecordDecoder(ITSELF);
  /** Decodes events for a gateway's clients. */
  readonly #sendingDecoder = new RecordDecoder({ sendsOn: true });
  readonly #subscriptions = new Map<number, BusSubscription>();
  /** For the samples of delivery times. */
  readonly #sampled = new EventRecordView();
  #received = 0;
  #nextNumber = 1;
  /** How many calls of `whenConsumed` wait. */
  #awaited = 0;
  #isClosed = false;

  constructor(
    { endpoint, epoch, share }: SubscriptionsOwner,
    ends: readonly EndpointEnd[],
    history: HistorySource,
    busCounters: BusCounters,
    turns: Dispatcher,
    onError: (error: BusError) => void,
  ) {
    this.endpointId = endpoint;
    this.#share = share;
    this.#epoch = epoch;
    this.#ends = ends;
    this.#busCounters = busCounters;
    this.turns = turns;
    this.#onError = onError;
    this.#history = new HistoryReader(history, ends);
    this.#placement = new Placement(ends, this.#history, history.segments);
  }

  add<P>(
    filter: ParsedFilter,
    options: ParsedSubscribeOptions,
    handler: EventHandler<P> | undefined,
    asker: Asker = ITSELF,
  ): BusSubscription<P> {
    const number = this.#nextNumber++;
    const shards = this.#ends.length;
    const subscription = new BusSubscription<P>(
      number,
      filter,
      options,
      shards,
      this,
      handler,
      asker,
    );
    const untyped = subscription as BusSubscription;
    this.#subscriptions.set(number, untyped);
    this.#busCounters.addSubscriptions(this.#share, 1);
    void this.#placement.start(untyped);
    return subscription;
  }

  /** True if there are subscriptions. */
  get hasLive(): boolean {
    return this.#subscriptions.size > 0;
  }

  /** The state of each subscription for a `drain()` of the endpoint. */
  get drained(): readonly Drained[] {
    return [...this.#subscriptions.values()].map(({ drained }) => drained);
  }

  /** Resolves once all subscriptions have consumed, or passed over, everything up to these positions. */
  async whenConsumed(positions: readonly number[]): Promise<void> {
    this.#awaited++;
    try {
      await Promise.all(
        [...this.#subscriptions.values()].map((one) => one.whenConsumed(positions)),
      );
    } finally {
      this.#awaited--;
    }
  }

  /** Hands out events for as long as a turn may take; subscriptions that got no time come first in the next turn. */
  handOut(): void {
    this.turns.dispatch();
    // A watermark can move without an event.
    if (this.#awaited > 0) for (const one of this.#subscriptions.values()) one.recheckWaiters();
  }

  /** The shard's thread was replaced: puts the subscriptions back that it lost. */
  resubscribe(end: EndpointEnd): void {
    for (const subscription of this.#subscriptions.values()) {
      this.#placement.putBack(end, subscription);
    }
  }

  /** The shard was given up: ends the subscriptions that need it. */
  shardFailed(shard: number, error: BusError): void {
    for (const subscription of [...this.#subscriptions.values()]) {
      if (this.#placement.needs(subscription, shard)) subscription.fail(error);
      else subscription.recheckWaiters();
    }
  }

  /** Ends the `block` subscriptions, which can hold up publishes. */
  endBlocking(): void {
    for (const subscription of [...this.#subscriptions.values()]) {
      if (subscription.options.overflow === 'block') void subscription.unsubscribe();
    }
  }

  /** Ends all subscriptions. `isFinal`: the shards are gone, so no later call is sent to them. */
  close(isFinal: boolean): void {
    if (isFinal) this.#isClosed = true;
    for (const subscription of [...this.#subscriptions.values()]) {
      subscription.close();
      this.#remove(subscription);
    }
  }

  // Requests of the subscriptions.

  head(shard: number): number {
    return this.#ends[shard]!.control.head;
  }

  expiryNow(shard: number): number {
    return this.#ends[shard]!.control.expiryNow;
  }

  watermark(shard: number): number {
    return this.#ends[shard]!.watermark;
  }

  isGone(shard: number): boolean {
    return this.#ends[shard]!.failure !== undefined;
  }

  cursor(positions: readonly number[]): string {
    return encodeCursor({ epoch: this.#epoch, positions });
  }

  credit(subscription: number, shard: number, events: number, bytes: number): boolean {
    return this.#ends[shard]!.credit(subscription, events, bytes);
  }

  update(subscription: BusSubscription, filter: ParsedFilter): Promise<void> {
    return this.#placement.update(subscription, filter);
  }

  async unsubscribe(subscription: BusSubscription): Promise<void> {
    this.#remove(subscription);
    if (!this.#isClosed) await this.#placement.remove(subscription);
  }

  readHistory(subscription: BusSubscription, progress: ShardProgress): void {
    this.#history
      .read(subscription, progress, true)
      .catch((error: Error) => fail(subscription, error));
  }

  report(error: BusError): void {
    // Called later, because a ring may be being read now.
    queueMicrotask(() => this.#onError(error));
  }

  // Messages from the shards.

  onEvent(end: EndpointEnd, bytes: Buffer, offset: number, length: number): void {
    const sequence = bytes.readDoubleLE(offset + EVENT_SEQUENCE);
    const count = bytes.readInt32LE(offset + EVENT_SUBSCRIPTIONS);
    const recordOffset = eventRecordOffset(count);
    const start = offset + recordOffset;
    if (this.#received++ % DELIVERIES_PER_SAMPLE === 0 && count > 0) {
      const first = bytes.readInt32LE(offset + EVENT_SUBSCRIPTION_IDS);
      this.#noteDelivery(end.shard, first, bytes, start);
    }
    let event: Event | undefined;
    let sent: Event | undefined;
    for (let i = 0; i < count; i++) {
      const number = bytes.readInt32LE(offset + EVENT_SUBSCRIPTION_IDS + 4 * i);
      const subscription = this.#subscriptions.get(number);
      if (subscription === undefined) continue;
      let decoded: Event;
      if (subscription.asker.sendsOn) {
        decoded = sent ??= this.#sendingDecoder.decode(bytes, start, end.shard, sequence);
      } else decoded = event ??= this.#decoder.decode(bytes, start, end.shard, sequence);
      subscription.push(subscription.progress[end.shard]!, decoded, length - recordOffset);
      this.turns.add(subscription.dispatched);
    }
  }

  onState(end: EndpointEnd, number: number, state: number, body: StateBody): void {
    const subscription = this.#subscriptions.get(number);
    if (subscription === undefined) return;
    subscription.onState(subscription.progress[end.shard]!, state, body);
  }

  payCredit(end: EndpointEnd, number: number): void {
    const subscription = this.#subscriptions.get(number);
    subscription?.payCredit(subscription.progress[end.shard]!);
  }

  /** Samples the delivery time of live events; a timestamp that the publisher supplied says nothing about it. */
  #noteDelivery(shard: number, number: number, bytes: Buffer, offset: number): void {
    const view = this.#sampled.wrap(bytes, offset);
    if ((view.flags & EVENT_FLAG_SUPPLIED_TIMESTAMP) !== 0) return;
    if (this.#subscriptions.get(number)?.progress[shard]?.hasBeenLive !== true) return;
    // After a step of the wall clock, recorded time differs from it for a while.
    const aheadMs = this.#ends[shard]!.control.counters[ShardCounter.clockAheadMs]!;
    this.#busCounters.noteDelivery(Math.max(0, Date.now() + aheadMs - view.timestamp));
  }

  #remove({ number }: BusSubscription): void {
    if (this.#subscriptions.delete(number)) this.#busCounters.addSubscriptions(this.#share, -1);
  }
}
