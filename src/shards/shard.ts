/**
 * The shard's loop: drain, append, commit, acknowledge, deliver, release; then feed subscriptions that are behind; then
 * park. One thread runs it and alone touches everything in it; nothing is locked.
 *
 * The order of the steps keeps the bus's promises. Ring memory is given back only after the commit and the deliveries,
 * and a commit stores how far each ring was consumed: wherever a thread dies, the next one neither loses nor repeats a
 * publish. Deliveries follow the commit: no subscriber sees an event that is not stored in the end.
 */
import { ArchiveWords } from '../link/archive-words.js';
import { createGates } from '../link/consumer-gates.js';
import type { ConsumerEntry, ConsumerNews } from '../link/consumer-shapes.js';
import { type ShardControl, ShardCounter, TURNS } from '../link/shard-control.js';
import type { RetentionRule } from '../store/pruning.js';
import type { ShardScheduled } from '../store/scheduled.js';
import type { ShardLog } from '../store/shard-log.js';
import { elapsedMs } from '../threads/elapsed.js';
import { ArchiveLink, noteArchive } from './archive-link.js';
import { BatchCommit } from './batch-commit.js';
import { BlockWatch } from './block-watch.js';
import type { Desk } from './consumers/desk.js';
import { deskFigures, NO_CONSUMERS } from './consumers/figures.js';
import { openDesk } from './consumers/open-desk.js';
import { Delivery } from './delivery.js';
import { Feeder } from './feeder.js';
import { DueEvents } from './later/due-events.js';
import { LogTail } from './log-tail.js';
import { LogUpkeep, type UpkeepOptions } from './log-upkeep.js';
import { PublishBatch } from './publish-batch.js';
import { type ClockStep, RecordingClock } from './recording-clock.js';
import type { LinkSubscription, Routes } from './routes.js';
import type { ShardEnd } from './shard-end.js';
import { LIVE, QUEUED } from './shard-subscription.js';
import { Tallies } from './tallies.js';

export interface ShardOptions extends Omit<UpkeepOptions, 'archive'> {
  readonly shard: number;
  readonly commitBatchEvents: number;
  /** How long publishes wait for a `block` subscription that takes nothing, ms. */
  readonly publishWaitMs: number;
  /** False for a thread that follows another. Default: true. */
  readonly isFirst?: boolean;
  /** An endpoint has left that a dead thread of the shard may have leased events. Default: false. */
  readonly hasDeparted?: boolean;
  /** Where the shards of the bus agree on leases of consumers. Default: no other shard has any. */
  readonly gates?: SharedArrayBuffer;
  /** The memory that the shard shares with the archiver. Default: there is no archive. */
  readonly archive?: SharedArrayBuffer | undefined;
  /** The rules of retention, whose places `KeptFrom` names. Default: none. */
  readonly retention?: readonly RetentionRule[];
  /** Called with what has become of durable consumers. */
  readonly onNews?: (news: readonly ConsumerNews[]) => void;
  /** Called when the shard knows which leases of a dead thread go on. */
  readonly onClaimed?: () => void;
  /** Called when the wall clock was set. */
  readonly onClockStep?: (step: ClockStep) => void;
}

/** How often the gauges are measured, ms; seldom, as it goes over all subscriptions. */
const GAUGE_INTERVAL_MS = 250;

export class Shard {
  readonly links: ShardEnd[] = [];
  readonly tallies = new Tallies();
  /** Set during shutdown: `block` subscriptions no longer hold up publishes. */
  isStopping = false;
  /** The last sequence that every live subscription was served up to. */
  delivered: number;
  /** Called when the event loop brought work (a commit, fetched events); the thread may be parked there. */
  onArrival: () => void = () => {};

  readonly #log: ShardLog;
  readonly #routes: Routes;
  readonly #control: ShardControl;
  readonly #options: ShardOptions;
  readonly #clock: RecordingClock;
  readonly #upkeep: LogUpkeep;
  readonly #batch: PublishBatch;
  readonly #feeder: Feeder;
  readonly #delivery: Delivery;
  readonly #unreportedDrops = new Set<LinkSubscription>();
  readonly #commit: BatchCommit;
  /** The tail from which persisted events are delivered, if the log is shared. */
  readonly #tail: LogTail | undefined;
  readonly #blocking: BlockWatch;
  /** Publishes that wait for their time, and schedules, if the log keeps any. */
  readonly due: DueEvents | undefined;
  /** It stays when the last consumer has gone; `#desk` is the same, or undefined then. */
  #openedDesk: Desk | undefined;
  #desk: Desk | undefined;
  #firstLink = 0;
  #gaugesAt = 0;
  /** What the shard and the archiver tell each other; undefined without an archive. */
  readonly archive: ArchiveLink | undefined;

  constructor(log: ShardLog, routes: Routes, control: ShardControl, options: ShardOptions) {
    this.#log = log;
    this.#routes = routes;
    this.#control = control;
    this.#options = options;
    this.#clock = new RecordingClock(log.lastRecordedAt, options.onClockStep);
    const { archive } = options;
    this.archive = archive && new ArchiveLink(new ArchiveWords(archive), log);
    this.#upkeep = new LogUpkeep(log, this.#clock, {
      ...options,
      archive: this.archive,
      keptFrom: (rule) => this.#keptFrom(rule),
      onPruned: () => this.pruned(),
    });
    this.#batch = new PublishBatch(log, this.#clock);
    this.#blocking = new BlockWatch(options.shard, routes, options.publishWaitMs);
    this.#feeder = new Feeder(log, routes, () => this.#leftThrough);
    this.#delivery = new Delivery(routes, this, this.tallies);
    this.due = log.scheduled && this.#dueEvents(log.scheduled);
    this.#commit = new BatchCommit(log, this.#batch, control, {
      onFull: () => {
        this.#upkeep.noteFull();
        this.due?.refused();
      },
      onArrival: () => this.onArrival(),
    });
    if (log.isShared) this.#tail = this.#follow(log);
    this.delivered = log.head;
    control.counters[ShardCounter.head] = log.head;
    control.counters[ShardCounter.subscriptions] = 0;
    control.counters[ShardCounter.dedupeWindowMs] = log.dedupeWindowMs;
    control.counters[ShardCounter.dedupeReachMs] = log.dedupeReachMs;
    control.counters[ShardCounter.unindexedEvents] = log.unindexedEvents ?? 0;
    noteArchive(control, this.archive);
  }

  /** Events were removed from the log. */
  pruned(): void {
    this.#desk?.pruned();
    noteArchive(this.#control, this.archive);
  }

  get #leftThrough(): number {
    return this.archive?.leftThrough ?? 0;
  }

  /** Runs one turn; false if there was nothing to do and the thread may park until `hasWork`. */
  turn(): boolean {
    const words = this.#control.words;
    Atomics.store(words, TURNS, (words[TURNS]! + 1) | 0);
    const batch = this.#batch;
    let worked = false;
    if (batch.handled === 0) {
      const limit = this.#drainLimit();
      if (limit > 0 && !this.#takeDue(limit)) {
        const refusing = !this.isStopping && this.#blocking.refuses ? this.#blocking : undefined;
        batch.drain(this.links, this.#firstLink++, limit, refusing);
      }
      if (batch.handled > 0 && this.#tail !== undefined) this.#deliverEphemeral();
      if (this.#desk !== undefined) worked = this.#decide(this.#desk);
      else if (batch.handled > 0) this.#commit.begin();
    }
    worked = (this.#tail !== undefined && this.#deliverTail(this.#tail)) || worked;
    if (batch.handled > 0 && this.#mayFinish()) {
      this.#finishBatch();
      worked = true;
    }
    return this.#serve() || worked;
  }

  #dueEvents(scheduled: ShardScheduled): DueEvents {
    return new DueEvents(scheduled, {
      shard: this.#options.shard,
      clock: this.#clock,
      elapsed: elapsedMs,
      onDamage: (error) => this.#options.onDamage?.(error),
    });
  }

  /**
   * False if this batch is the publishers'. While a `block` subscription is overdue, what is due waits for it: unlike a
   * publish, it has nobody to be refused to.
   */
  #takeDue(limit: number): boolean {
    return this.#mayTakeDue && this.due!.take(this.#batch, limit);
  }

  get #mayTakeDue(): boolean {
    return this.due !== undefined && !this.isStopping && !this.#blocking.refuses;
  }

  /** The consumers' part of the turn; true if anything was committed for them. */
  #decide(desk: Desk): boolean {
    const batch = this.#batch;
    desk.decide(batch);
    const isDirty = desk.isDirty;
    if (batch.handled > 0 || isDirty) this.#commit.begin(desk);
    if (batch.handled === 0) desk.tell();
    return isDirty;
  }

  /** The shard's durable consumers; undefined while it has none. */
  get desk(): Desk | undefined {
    return this.#desk;
  }

  /**
   * Hands over the list of all consumers.
   * @throws BusError `OPTION_INVALID` if the log keeps no consumers, `STORE_CORRUPT`
   */
  applyConsumers(entries: readonly ConsumerEntry[]): void {
    const desk = (this.#openedDesk ??= this.#openDesk());
    desk.apply(entries);
    this.#desk = desk.isEmpty ? undefined : desk;
    this.#batch.settling = desk.groupAcks;
    if (desk.isEmpty) desk.groupAcks.release(true);
  }

  /** A rule that waits for consumers keeps what one of them still needs; for one that is not there it keeps all. */
  #keptFrom(rule: number): number {
    const names = this.#options.retention?.[rule]?.untilConsumedBy ?? [];
    return Math.min(...names.map((name) => this.#desk?.neededFrom(name) ?? 0));
  }

  #openDesk(): Desk {
    const { isFirst = true, hasDeparted = false, onNews, onClaimed, onDamage } = this.#options;
    const claims = { ends: isFirst ? [] : [...this.links], hasDeparted, now: elapsedMs() };
    const { shard, gates: memory = createGates() } = this.#options;
    return openDesk(this.#log, {
      gates: { memory, shard },
      before: isFirst ? 'opened' : 'replaced',
      claims,
      recordedAt: () => this.#clock.now(),
      onDamage: (error) => onDamage?.(error),
      onNews: (news) => onNews?.(news),
      onClaimed: () => onClaimed?.(),
    });
  }

  /** How long the thread may park, ms. */
  idleMs(longest: number): number {
    const idle = this.#mayTakeDue ? this.due!.idleMs(longest) : longest;
    if (this.#desk === undefined) return idle;
    return Math.max(0, Math.min(idle, this.#desk.nextDue - elapsedMs()));
  }

  #follow(log: ShardLog): LogTail {
    const tail = new LogTail(log, this.#delivery, (delivered) => this.#meetHole(delivered));
    log.follow?.({
      onAdvance: () => this.onArrival(),
      onFetch: () => {
        tail.fetched();
        this.#feeder.fetched();
        this.onArrival();
      },
    });
    return tail;
  }

  /**
   * The store removed events that were to be delivered next: all subscriptions go on from the log, which finds gaps.
   */
  #meetHole(delivered: number): void {
    for (const { subscriptions } of this.links) {
      for (const subscription of subscriptions.values()) {
        subscription.meetHole(delivered);
        this.wake(subscription);
      }
    }
  }

  /** True if a turn would find work; checked once more before the thread parks. */
  hasWork(): boolean {
    if (this.#feeder.hasWork || this.#commit.hasArrived || this.#desk?.hasWork) return true;
    if (this.#tail?.hasWork(this.delivered) === true) return true;
    const takesPublishes = this.#batch.handled === 0 && this.#drainLimit() > 0;
    if (takesPublishes && this.#mayTakeDue && this.due!.hasWork) return true;
    for (const link of this.links) {
      if ((link.isBlocked || link.waiting.size > 0) && link.mayHaveRoom) return true;
      if (!link.controls.consumer.isEmpty() && !link.controls.isStalled) return true;
      if (takesPublishes && link.hasPublishes) return true;
    }
    return false;
  }

  add(link: ShardEnd): void {
    this.links.push(link);
  }

  /** Ends the link's subscriptions. The link itself is removed once its publishes are taken. */
  leave(link: ShardEnd): void {
    link.leaving = true;
    for (const subscription of link.subscriptions.values()) this.#forget(subscription);
    link.subscriptions.clear();
    this.#openedDesk?.leaveLink(link);
  }

  subscribe(subscription: LinkSubscription): void {
    subscription.link.subscriptions.set(subscription.number, subscription);
    this.#routes.add(subscription, subscription.filter.topics);
    this.#control.counters[ShardCounter.subscriptions]! += 1;
    this.#blocking.add(subscription);
    this.#feeder.wake(subscription);
  }

  unsubscribe(subscription: LinkSubscription): void {
    subscription.link.subscriptions.delete(subscription.number);
    this.#forget(subscription);
  }

  /**
   * Roughly how many events the subscription is behind. While it reads the log, events outside its filter count too.
   */
  lagOf({ mode, queued, position }: LinkSubscription): number {
    if (mode === QUEUED) return queued;
    return mode === LIVE ? 0 : Math.max(0, this.delivered - position);
  }

  /** Looks at the subscription in the next turn: it may have got credit or room. */
  wake(subscription: LinkSubscription): void {
    this.#feeder.wake(subscription);
  }

  noteDropped(subscription: LinkSubscription): void {
    this.#unreportedDrops.add(subscription);
  }

  /** True once everything that the links have published is taken and acknowledged; checked during shutdown. */
  get isDrained(): boolean {
    if (this.#batch.handled > 0) return false;
    return this.links.every((link) => !link.owesAcks && !link.hasPublishes);
  }

  /** How many publishes may be taken now; less than a batch if a `block` subscription has less room. */
  #drainLimit(): number {
    const max = this.#options.commitBatchEvents;
    return this.isStopping ? max : this.#blocking.limit(max, this.#hasPublishes);
  }

  readonly #hasPublishes = (): boolean => this.links.some((link) => link.hasPublishes);

  /**
   * Events of a shared log are acknowledged after delivery, so that a subscription made after the ack does not get
   * them.
   */
  #mayFinish(): boolean {
    if (!this.#commit.isDecided()) return false;
    return this.#tail === undefined || this.#batch.lastSequence <= this.delivered;
  }

  #finishBatch(): void {
    const batch = this.#batch;
    batch.acknowledge();
    this.due?.committed();
    const { counters } = this.#control;
    counters[ShardCounter.ephemeral]! += batch.ephemeral;
    counters[ShardCounter.duplicates]! += batch.duplicates;
    counters[ShardCounter.refused]! += batch.overdue + batch.conflicts;
    // Endpoints read their acks while the deliveries are made.
    for (const link of this.links) link.ringDoorbell();
    counters[ShardCounter.delivered]! += this.#delivery.deliver(batch, this.delivered);
    this.#desk?.tell();
    batch.release();
    if (this.#tail === undefined) this.#advance(this.#log.head);
  }

  /** On a shared log only ephemeral events are delivered from the batch; they do not wait for the commit. */
  #deliverEphemeral(): void {
    const batch = this.#batch;
    if (batch.length === 0) return;
    batch.acknowledgeEphemeral();
    this.#control.counters[ShardCounter.delivered]! += this.#delivery.deliver(
      batch,
      this.delivered,
    );
    batch.clearDeliveries();
    for (const link of this.links) link.ringDoorbell();
  }

  #deliverTail(tail: LogTail): boolean {
    if (!tail.hasWork(this.delivered)) return false;
    const { counters } = this.#control;
    counters[ShardCounter.head] = this.#log.head;
    this.#advance(tail.deliver(this.delivered));
    counters[ShardCounter.delivered]! += tail.sent;
    return true;
  }

  #advance(delivered: number): void {
    this.delivered = delivered;
    this.#feeder.reach(delivered);
    for (const link of this.links) link.advanceWatermark(delivered);
  }

  /** The turn's work besides the batch. */
  #serve(): boolean {
    let worked = this.#flushLinks();
    worked = this.#feed() || worked;
    if (this.#desk !== undefined) worked = this.#desk.readAhead() || worked;
    this.#notifyDropped();
    worked = this.#maintain() || worked;
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
      for (const subscription of link.waiting) this.wake(subscription);
      link.waiting.clear();
    }
    return flushed;
  }

  #feed(): boolean {
    if (!this.#feeder.hasWork) return false;
    const fed = this.#feeder.feed(this.delivered);
    for (const subscription of this.#feeder.takeEnded()) this.unsubscribe(subscription);
    this.#control.counters[ShardCounter.delivered]! += fed;
    return true;
  }

  #notifyDropped(): void {
    for (const subscription of this.#unreportedDrops) {
      if (subscription.link.isBlocked) continue;
      this.#unreportedDrops.delete(subscription);
      this.#control.counters[ShardCounter.dropped]! += subscription.notifyDropped();
    }
  }

  #maintain(): boolean {
    const now = performance.now();
    const worked = this.#upkeep.step(now);
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
      for (const subscription of link.subscriptions.values()) lag += this.lagOf(subscription);
    }
    counters[ShardCounter.lag] = lag;
    counters[ShardCounter.walBytes] = this.#log.walBytes;
    counters[ShardCounter.unindexedEvents] = this.#log.unindexedEvents ?? 0;
    counters[ShardCounter.dedupeReachMs] = this.#log.dedupeReachMs;
    counters[ShardCounter.clockAheadMs] = this.#clock.aheadMs;
    noteArchive(this.#control, this.archive);
    const consumers = this.#desk === undefined ? NO_CONSUMERS : deskFigures(this.#desk);
    counters[ShardCounter.consumers] = consumers.count;
    counters[ShardCounter.consumersPending] = consumers.pending;
    counters[ShardCounter.consumersInFlight] = consumers.inFlight;
    counters[ShardCounter.consumersWaiting] = consumers.waiting;
    counters[ShardCounter.consumersDead] = consumers.dead;
    counters[ShardCounter.scheduledWaiting] = this.due?.waiting ?? 0;
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

  #forget(subscription: LinkSubscription): void {
    subscription.ended = true;
    this.#control.counters[ShardCounter.subscriptions]! -= 1;
    this.#routes.remove(subscription, subscription.filter.topics);
    this.#feeder.forget(subscription);
    this.#blocking.delete(subscription);
    this.#unreportedDrops.delete(subscription);
    subscription.link.waiting.delete(subscription);
  }
}
