/**
 * Delivers the events of a committed batch to the matching subscriptions: at once where there is credit and room, else
 * into their queues. An event is written once per link, and copied once for all the queues that hold it.
 */
import { EventRecordView } from '../record/event-record.js';
import type { PublishBatch } from './publish-batch.js';
import type { QueuedEvent } from './queued-events.js';
import type { LinkSubscription, Route, Routes } from './routes.js';
import { LIVE, QUEUED } from './shard-subscription.js';
import type { Tallies } from './tallies.js';

/** The shard's part in a delivery. */
export interface DeliveryHost {
  unsubscribe(subscription: LinkSubscription): void;
  wake(subscription: LinkSubscription): void;
}

export class Delivery {
  readonly #routes: Routes;
  readonly #host: DeliveryHost;
  readonly #tallies: Tallies;
  readonly #now: () => number;
  readonly #view = new EventRecordView();
  readonly #scratch: LinkSubscription[] = [];
  /** The sequence of the last event dealt with, also within a batch. */
  #passed = 0;

  /** `now`: ms since 1970, for events that expire. */
  constructor(routes: Routes, host: DeliveryHost, tallies: Tallies, now: () => number) {
    this.#routes = routes;
    this.#host = host;
    this.#tallies = tallies;
    this.#now = now;
  }

  /** Returns the number of events sent; `before` is the last sequence that was dealt with before the batch. */
  deliver(batch: PublishBatch, before: number): number {
    const { bytes, offsets, topics, sequences, length } = batch;
    this.#passed = before;
    if (!this.#tallies.isEmpty) this.#tally(batch);
    const view = this.#view;
    let delivered = 0;
    for (let i = 0; i < length; i++) {
      const route = this.#routes.of(topics[i]!);
      if (route.legs.length === 0) continue;
      view.wrap(bytes[i]!, offsets[i]!);
      delivered += this.#deliverOne(route, view, topics[i]!, sequences[i]!);
    }
    return delivered;
  }

  /** Delivers one event of a log's tail; `before` is the last sequence that was dealt with before it. */
  deliverNext(view: EventRecordView, topic: string, sequence: number, before: number): number {
    this.#passed = before;
    if (!this.#tallies.isEmpty) this.#tallies.count(topic, sequence, view.bytes, view.offset);
    const route = this.#routes.of(topic);
    return route.legs.length === 0 ? 0 : this.#deliverOne(route, view, topic, sequence);
  }

  #tally({ bytes, offsets, topics, sequences, length }: PublishBatch): void {
    for (let i = 0; i < length; i++) {
      this.#tallies.count(topics[i]!, sequences[i]!, bytes[i]!, offsets[i]!);
    }
  }

  /** Sends an event to the matching subscriptions that can take it now, and queues it for the others. */
  #deliverOne(route: Route, view: EventRecordView, topic: string, sequence: number): number {
    const sendable = this.#scratch;
    const { length } = view;
    let queued: QueuedEvent | undefined;
    let delivered = 0;
    const before = this.#passed;
    if (sequence !== 0) this.#passed = sequence;
    if (view.hasExpiry && view.isExpired(this.#now())) return 0;
    for (const { link, subscriptions } of route.legs) {
      let count = 0;
      for (const subscription of subscriptions) {
        if (subscription.predicate !== undefined && !subscription.predicate(view)) continue;
        if (subscription.mode === LIVE && subscription.hasCredit) sendable[count++] = subscription;
        else {
          queued ??= copyOf(view, topic, sequence);
          this.#postpone(subscription, queued, before);
        }
      }
      if (count === 0) continue;
      const { bytes, offset } = view;
      if (link.sendEvent(sequence, bytes, offset, length, sendable, count)) {
        delivered += count;
        continue;
      }
      queued ??= copyOf(view, topic, sequence);
      for (let i = 0; i < count; i++) {
        link.waiting.add(sendable[i]!);
        this.#postpone(sendable[i]!, queued, before);
      }
    }
    return delivered;
  }

  #postpone(subscription: LinkSubscription, event: QueuedEvent, before: number): void {
    if (subscription.ended) return;
    if (subscription.mode === LIVE || subscription.mode === QUEUED) {
      subscription.enqueue(event, before);
      if (subscription.ended) this.#host.unsubscribe(subscription);
      // Without this, a subscription whose credit came while its event was on the way would wait for ever.
      else if (subscription.hasCredit) this.#host.wake(subscription);
    } else if (event.sequence === 0) subscription.missEphemeral();
  }
}

function copyOf(view: EventRecordView, topic: string, sequence: number): QueuedEvent {
  const { bytes, offset, length, expiry } = view;
  const record = Buffer.allocUnsafeSlow(length);
  bytes.copy(record, 0, offset, offset + length);
  return { topic, sequence, record, expiry, queuedAt: Date.now() };
}
