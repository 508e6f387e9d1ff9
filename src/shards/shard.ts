/**
 * The shard's loop: drain, append, commit, acknowledge, deliver, release; then feed who is behind; then park.
 * One thread runs it, everything in it is touched by that thread alone, and nothing is locked.
 *
 * The order of the steps is the promise: ring memory is given back only after the commit and the deliveries, and
 * a commit stores how far each ring was consumed; so a thread that dies anywhere is followed by one that neither
 * loses nor repeats a publish. Deliveries follow the commit, so nobody sees what later un-happens.
 */
import { type ShardControl, ShardCounter, TURNS } from '../link/shard-control.js';
import { BusError } from '../protocol/errors.js';
import { CATCH_UP_EVENTS_PER_TURN, LIVE_FEED_EVENTS_PER_TURN } from '../protocol/limits.js';
import { EventRecordView } from '../record/event-record.js';
import type { EventLog } from '../store/event-log.js';
import { CatchUp } from './catch-up.js';
import { CATCHING_UP, LIVE, QUEUED, type QueuedEvent } from './consumer.js';
import type { LinkAdapter } from './link-adapter.js';
import { PublishBatch } from './publish-batch.js';
import type { LinkConsumer, Route, Routes } from './routes.js';

export interface ShardOptions {
  readonly commitBatchEvents: number;
  /** Is there anything that retention may remove. */
  readonly prunes: boolean;
}

/** How often retention looks for work, ms. */
const PRUNE_INTERVAL_MS = 1000;
/** The sums over all consumers are taken this seldom. */
const GAUGE_INTERVAL_MS = 250;

export class Shard {
  readonly links: LinkAdapter[] = [];
  /** Nobody is waited for any more. */
  isStopping = false;
  /** The last sequence that every live consumer was served up to. */
  delivered: number;

  readonly #log: EventLog;
  readonly #routes: Routes;
  readonly #control: ShardControl;
  readonly #options: ShardOptions;
  readonly #batch: PublishBatch;
  readonly #catchUp: CatchUp;
  readonly #view = new EventRecordView();
  /** Consumers that are behind and may be able to go on: they have credit, and their link has room. */
  readonly #ready = new Set<LinkConsumer>();
  readonly #undropped = new Set<LinkConsumer>();
  /** Consumers whose publishers wait for them. */
  readonly #blocking = new Set<LinkConsumer>();
  readonly #scratch: LinkConsumer[] = [];
  /** The last sequence that was dealt with, inside a batch too. */
  #passed: number;
  #firstLink = 0;
  #prunesAt = 0;
  #gaugesAt = 0;

  constructor(log: EventLog, routes: Routes, control: ShardControl, options: ShardOptions) {
    this.#log = log;
    this.#routes = routes;
    this.#control = control;
    this.#options = options;
    this.#batch = new PublishBatch(log);
    this.#catchUp = new CatchUp(log, routes);
    this.delivered = log.head;
    this.#passed = log.head;
    control.counters[ShardCounter.head] = log.head;
    control.counters[ShardCounter.subscriptions] = 0;
  }

  /**
   * One turn. A log that commits over a network makes it a promise.
   * @returns whether anything was done; if not, the thread may park until `hasWork`
   */
  turn(): boolean | Promise<boolean> {
    const words = this.#control.words;
    Atomics.store(words, TURNS, (words[TURNS]! + 1) | 0);
    const limit = this.#drainLimit();
    if (limit > 0) this.#batch.drain(this.links, this.#firstLink++, limit);
    if (this.#batch.handled === 0) return this.#serve();
    const committed = this.#commit();
    if (committed === undefined) {
      this.#finishBatch();
      this.#serve();
      return true;
    }
    return committed.then(() => {
      this.#finishBatch();
      this.#serve();
      return true;
    });
  }

  /** Looked at once more before the thread parks. */
  hasWork(): boolean {
    if (this.#ready.size > 0) return true;
    const takesPublishes = this.#drainLimit() > 0;
    for (const link of this.links) {
      if ((link.isBlocked || link.waiting.size > 0) && link.mayHaveRoom) return true;
      if (!link.controls.consumer.isEmpty() && !link.controls.isStalled) return true;
      if (takesPublishes && link.hasPublishes) return true;
    }
    return false;
  }

  add(link: LinkAdapter): void {
    this.links.push(link);
  }

  /** Ends the link's consumers. The link itself goes once its publishes are taken. */
  leave(link: LinkAdapter): void {
    link.leaving = true;
    for (const consumer of link.consumers.values()) this.#forget(consumer);
    link.consumers.clear();
  }

  subscribe(consumer: LinkConsumer): void {
    consumer.link.consumers.set(consumer.subscription, consumer);
    this.#routes.add(consumer, consumer.filter.topics);
    this.#control.counters[ShardCounter.subscriptions]! += 1;
    if (consumer.overflow === 'block') this.#blocking.add(consumer);
    if (consumer.mode === CATCHING_UP) this.#ready.add(consumer);
  }

  unsubscribe(consumer: LinkConsumer): void {
    consumer.link.consumers.delete(consumer.subscription);
    this.#forget(consumer);
  }

  /** Events that the consumer has not been sent yet, about: those that its filter passes over count where it reads the log. */
  lagOf({ mode, queued, position }: LinkConsumer): number {
    if (mode === QUEUED) return queued;
    return mode === LIVE ? 0 : Math.max(0, this.delivered - position);
  }

  /** The consumer may have become able to go on. */
  wake(consumer: LinkConsumer): void {
    if (consumer.mode === QUEUED || consumer.mode === CATCHING_UP) this.#ready.add(consumer);
  }

  noteDropped(consumer: LinkConsumer): void {
    this.#undropped.add(consumer);
  }

  /** Takes everything that the links have published, for a shutdown. */
  get isDrained(): boolean {
    return this.links.every((link) => !link.owesAcks && !link.hasPublishes);
  }

  /** Publishes that may be taken now; less than a batch where a `block` consumer has less room. */
  #drainLimit(): number {
    let limit = this.#options.commitBatchEvents;
    if (this.isStopping) return limit;
    for (const consumer of this.#blocking) limit = Math.min(limit, consumer.room);
    return limit;
  }

  #commit(): undefined | Promise<void> {
    const batch = this.#batch;
    if (batch.appended === 0 && !batch.synced) {
      batch.acknowledge();
      return undefined;
    }
    const startedAt = performance.now();
    try {
      const committed = this.#log.commit(batch.synced, batch.positions);
      if (committed === undefined) {
        this.#committed(startedAt);
        return undefined;
      }
      return committed.then(
        () => this.#committed(startedAt),
        (error) => this.#commitFailed(error),
      );
    } catch (error) {
      this.#commitFailed(error);
      return undefined;
    }
  }

  #committed(startedAt: number): void {
    const elapsedMs = performance.now() - startedAt;
    const { counters } = this.#control;
    const batch = this.#batch;
    this.#control.noteCommit(elapsedMs);
    counters[ShardCounter.published]! += batch.appended;
    counters[ShardCounter.head] = this.#log.head;
    batch.acknowledge();
  }

  /** A full store refuses this batch and goes on. Anything else ends the thread: after a failed fsync nothing is sure. */
  #commitFailed(error: unknown): void {
    if (!(error instanceof BusError) || error.code !== 'STORE_FULL') throw error;
    this.#control.counters[ShardCounter.refused]! += this.#batch.appended;
    this.#batch.refuse(error.toJSON());
  }

  #finishBatch(): void {
    const batch = this.#batch;
    const { counters } = this.#control;
    counters[ShardCounter.ephemeral]! += batch.ephemeral;
    counters[ShardCounter.duplicates]! += batch.duplicates;
    // The acks go on their way before the deliveries are made.
    for (const link of this.links) link.ringDoorbell();
    this.#deliverBatch();
    batch.release();
    this.delivered = this.#log.head;
    this.#passed = this.delivered;
    for (const link of this.links) link.advanceWatermark(this.delivered);
  }

  #deliverBatch(): void {
    const { bytes, offsets, topics, sequences, length } = this.#batch;
    const view = this.#view;
    let delivered = 0;
    for (let i = 0; i < length; i++) {
      const route = this.#routes.of(topics[i]!);
      if (route.legs.length === 0) continue;
      view.wrap(bytes[i]!, offsets[i]!);
      delivered += this.#deliver(route, view, topics[i]!, sequences[i]!);
    }
    this.#control.counters[ShardCounter.delivered]! += delivered;
  }

  /** Sends an event to everyone who may have it now, and queues it for everyone else. */
  #deliver(route: Route, view: EventRecordView, topic: string, sequence: number): number {
    const sendable = this.#scratch;
    const { length } = view;
    let queued: QueuedEvent | undefined;
    let delivered = 0;
    const before = this.#passed;
    if (sequence !== 0) this.#passed = sequence;
    for (const { link, consumers } of route.legs) {
      let count = 0;
      for (const consumer of consumers) {
        if (consumer.predicate !== undefined && !consumer.predicate(view)) continue;
        if (consumer.mode === LIVE && consumer.hasCredit) sendable[count++] = consumer;
        else {
          queued ??= copyOf(view, topic, sequence);
          this.#postpone(consumer, queued, before);
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

  #postpone(consumer: LinkConsumer, event: QueuedEvent, before: number): void {
    if (consumer.ended) return;
    if (consumer.mode === LIVE || consumer.mode === QUEUED) {
      consumer.enqueue(event, before);
      if (consumer.ended) this.unsubscribe(consumer);
      // Without this, one whose credit came while its event was on the way would wait for ever.
      else if (consumer.hasCredit) this.wake(consumer);
    } else if (event.sequence === 0) consumer.missEphemeral();
  }

  /** Everything but the batch. */
  #serve(): boolean {
    let worked = this.#flushLinks();
    worked = this.#feed() || worked;
    this.#tellDropped();
    worked = this.#keepHouse() || worked;
    for (const link of this.links) link.ringDoorbell();
    return worked;
  }

  #flushLinks(): boolean {
    let flushed = false;
    for (const link of this.links) {
      if (link.recovery?.step()) {
        link.recovery = undefined;
        flushed = true;
      }
      if (link.isBlocked) {
        flushed = link.flush() || flushed;
        if (link.isBlocked) continue;
        link.advanceWatermark(this.delivered);
      }
      if (link.waiting.size === 0 || !link.mayHaveRoom) continue;
      for (const consumer of link.waiting) this.wake(consumer);
      link.waiting.clear();
    }
    return flushed;
  }

  /** Lets those who are behind go on, in turn, within a budget a turn, so that nobody who is live waits for them. */
  #feed(): boolean {
    if (this.#ready.size === 0) return false;
    let budget = LIVE_FEED_EVENTS_PER_TURN;
    let pages = CATCH_UP_EVENTS_PER_TURN;
    let fed = 0;
    for (const consumer of [...this.#ready]) {
      if (budget <= 0 || pages <= 0) break;
      this.#ready.delete(consumer);
      if (consumer.ended) continue;
      if (consumer.mode === QUEUED) {
        const sent = this.#feedQueued(consumer, budget);
        budget -= sent;
        fed += sent;
      } else if (consumer.mode === CATCHING_UP) {
        const { read, sent } = this.#catchUp.step(consumer, this.delivered, pages);
        pages -= Math.max(1, read);
        fed += sent;
      }
      if (consumer.ended) {
        this.unsubscribe(consumer);
        continue;
      }
      const isBehind = consumer.mode === QUEUED || consumer.mode === CATCHING_UP;
      if (!isBehind || !consumer.hasCredit) continue;
      if (consumer.link.isBlocked || !consumer.link.mayHaveRoom)
        consumer.link.waiting.add(consumer);
      else this.#ready.add(consumer);
    }
    this.#control.counters[ShardCounter.delivered]! += fed;
    return true;
  }

  #feedQueued(consumer: LinkConsumer, budget: number): number {
    let sent = 0;
    const one = [consumer];
    while (sent < budget && consumer.hasCredit) {
      const event = consumer.peek();
      if (event === undefined) break;
      const { sequence, record } = event;
      if (!consumer.link.sendEvent(sequence, record, 0, record.length, one, 1)) break;
      consumer.shift();
      sent++;
    }
    if (consumer.queued === 0) consumer.goLive(this.delivered);
    return sent;
  }

  #tellDropped(): void {
    for (const consumer of this.#undropped) {
      if (consumer.link.isBlocked) continue;
      this.#undropped.delete(consumer);
      this.#control.counters[ShardCounter.dropped]! += consumer.tellDropped();
    }
  }

  #keepHouse(): boolean {
    const now = Date.now();
    let worked = this.#log.maintain();
    if (this.#options.prunes && now >= this.#prunesAt) {
      const more = this.#log.pruneStep(now);
      this.#prunesAt = more ? now : now + PRUNE_INTERVAL_MS;
      worked = worked || more;
    }
    if (now >= this.#gaugesAt) {
      this.#gaugesAt = now + GAUGE_INTERVAL_MS;
      this.#measure();
    }
    this.#dropLeavers();
    return worked;
  }

  #measure(): void {
    const { counters } = this.#control;
    let lag = 0;
    let publishFill = 0;
    let deliveryFill = 0;
    for (const link of this.links) {
      publishFill = Math.max(publishFill, link.publishFill);
      deliveryFill = Math.max(deliveryFill, link.deliveryFill);
      for (const consumer of link.consumers.values()) lag += this.lagOf(consumer);
    }
    counters[ShardCounter.lag] = lag;
    counters[ShardCounter.walBytes] = this.#log.walBytes;
    counters[ShardCounter.publishRingFill] = publishFill;
    counters[ShardCounter.deliveryRingFill] = deliveryFill;
  }

  #dropLeavers(): void {
    for (let i = this.links.length - 1; i >= 0; i--) {
      const link = this.links[i]!;
      if (!link.leaving || !(link.publishRing.isEmpty() || link.publishes.isStalled)) continue;
      link.ringDoorbell();
      link.close();
      this.links.splice(i, 1);
      this.#routes.forget();
    }
  }

  #forget(consumer: LinkConsumer): void {
    consumer.ended = true;
    this.#control.counters[ShardCounter.subscriptions]! -= 1;
    this.#routes.remove(consumer, consumer.filter.topics);
    this.#ready.delete(consumer);
    this.#blocking.delete(consumer);
    this.#undropped.delete(consumer);
    consumer.link.waiting.delete(consumer);
  }
}

function copyOf(view: EventRecordView, topic: string, sequence: number): QueuedEvent {
  const { bytes, offset, length } = view;
  const record = Buffer.allocUnsafeSlow(length);
  bytes.copy(record, 0, offset, offset + length);
  return { topic, sequence, record };
}
