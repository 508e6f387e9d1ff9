/**
 * The shard's loop: drain, append, commit, acknowledge, deliver, release; then feed subscriptions that are behind; then
 * park. One thread runs it and alone touches everything in it; nothing is locked.
 *
 * The order of the steps keeps the bus's promises. Ring memory is given back only after the commit and the deliveries,
 * and a commit stores how far each ring was consumed: wherever a thread dies, the next one neither loses nor repeats a
 * publish. Deliveries follow the commit: no subscriber sees an event that is not stored in the end.
 */
import { ArchiveWords } from '../link/archive-words.js';
import type { ConsumerEntry } from '../link/consumer-shapes.js';
import { type ShardControl, ShardCounter, TURNS } from '../link/shard-control.js';
import type { ShardExpiry } from '../store/expiry.js';
import type { ShardScheduled } from '../store/scheduled.js';
import type { ShardLog } from '../store/shard-log.js';
import { elapsedMs } from '../threads/elapsed.js';
import { ArchiveLink, noteArchive } from './archive-link.js';
import { BatchCommit } from './batch-commit.js';
import { BlockWatch } from './block-watch.js';
import type { Desk } from './consumers/desk.js';
import { ShardDesk, type ShardDeskOptions } from './consumers/shard-desk.js';
import { Delivery } from './delivery.js';
import { Expirer } from './expirer.js';
import { Feeder } from './feeder.js';
import { Gauges } from './gauges.js';
import { DueEvents } from './later/due-events.js';
import { LogTail } from './log-tail.js';
import { LogUpkeep, type UpkeepOptions } from './log-upkeep.js';
import { PublishBatch } from './publish-batch.js';
import { type ClockStep, RecordingClock } from './recording-clock.js';
import type { LinkSubscription, Routes } from './routes.js';
import type { ShardEnd } from './shard-end.js';
import { LIVE, QUEUED } from './shard-subscription.js';
import { Subscriptions } from './subscriptions.js';
import { Tallies } from './tallies.js';

export interface ShardOptions extends Omit<UpkeepOptions, 'archive'>, ShardDeskOptions {
  readonly commitBatchEvents: number;
  /** How long publishes wait for a `block` subscription that takes nothing, ms. */
  readonly publishWaitMs: number;
  /** The memory that the shard shares with the archiver. Default: there is no archive. */
  readonly archive?: SharedArrayBuffer | undefined;
  /** Called when the log has gone on. */
  readonly onAdvance?: () => void;
  /** Called when the wall clock was set. */
  readonly onClockStep?: (step: ClockStep) => void;
}

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
  readonly #commit: BatchCommit;
  /** The tail from which persisted events are delivered, if the log is shared. */
  readonly #tail: LogTail | undefined;
  readonly #blocking: BlockWatch;
  readonly #subscriptions: Subscriptions;
  readonly #gauges: Gauges;
  readonly #consumers: ShardDesk;
  /** Publishes that wait for their time, and schedules, if the log keeps any. */
  readonly due: DueEvents | undefined;
  /** Removes what has expired, if the log can. */
  readonly #expirer: Expirer | undefined;
  #firstLink = 0;
  /** What the shard and the archiver tell each other; undefined without an archive. */
  readonly archive: ArchiveLink | undefined;

  constructor(log: ShardLog, routes: Routes, control: ShardControl, options: ShardOptions) {
    this.#log = log;
    this.#routes = routes;
    this.#control = control;
    this.#options = options;
    this.#clock = new RecordingClock(
      log.lastRecordedAt,
      options.onClockStep,
      undefined,
      control.clock,
    );
    const { archive } = options;
    this.archive = archive && new ArchiveLink(new ArchiveWords(archive), log);
    this.#consumers = new ShardDesk(log, this.links, this.#clock, options);
    this.#upkeep = new LogUpkeep(log, this.#clock, {
      ...options,
      archive: this.archive,
      keptFrom: (rule) => this.#consumers.keptFrom(rule),
      onPruned: () => this.pruned(),
    });
    this.#batch = new PublishBatch(log, this.#clock);
    this.#blocking = new BlockWatch(options.shard, routes, options.publishWaitMs);
    const now = (): number => this.#clock.dueNow;
    this.#feeder = new Feeder(log, routes, () => this.#leftThrough, now);
    this.#subscriptions = new Subscriptions(routes, this.#blocking, this.#feeder, control);
    this.#delivery = new Delivery(routes, this, this.tallies, now);
    this.#expirer = log.expiry && this.#expirerOf(log.expiry);
    this.due = log.scheduled && this.#dueEvents(log.scheduled);
    this.#commit = new BatchCommit(log, this.#batch, control, {
      onFull: () => {
        this.#upkeep.noteFull();
        this.due?.refused();
      },
      onArrival: () => this.onArrival(),
    });
    this.#gauges = new Gauges(this, log, this.#clock, control);
    if (log.isShared) this.#tail = this.#follow(log);
    this.delivered = log.head;
    control.counters[ShardCounter.head] = log.head;
    control.counters[ShardCounter.dedupeWindowMs] = log.dedupeWindowMs;
    control.counters[ShardCounter.dedupeReachMs] = log.dedupeReachMs;
    control.counters[ShardCounter.unindexedEvents] = log.unindexedEvents ?? 0;
    noteArchive(control, this.archive);
  }

  /** Events were removed from the log. */
  pruned(): void {
    this.desk?.pruned();
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
      if (limit > 0 && this.due?.take(batch, limit) !== true) {
        const refusing = !this.isStopping && this.#blocking.refuses ? this.#blocking : undefined;
        batch.drain(this.links, this.#firstLink++, limit, refusing);
      }
      if (batch.handled > 0 && this.#tail !== undefined) this.#deliverEphemeral();
      const { desk } = this;
      if (desk !== undefined) worked = this.#decide(desk);
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
      // What is due waits for an overdue `block` subscription: unlike a publish, it has nobody to be refused to.
      waits: () => this.isStopping || this.#blocking.refuses,
    });
  }

  #expirerOf(expiry: ShardExpiry): Expirer {
    return new Expirer(expiry, {
      shard: this.#options.shard,
      clock: this.#clock,
      elapsed: elapsedMs,
      isHeld: () => this.#consumers.isDamaged,
      onDamage: (error) => this.#options.onDamage?.(error),
      onRemoved: (events) => {
        this.#control.counters[ShardCounter.expired]! += events;
      },
    });
  }

  /** The consumers' part of the turn; true if anything was committed for them. */
  #decide(desk: Desk): boolean {
    const batch = this.#batch;
    desk.decide(batch);
    const isDirty = desk.isDirty;
    if (batch.handled > 0 || isDirty) this.#commit.begin(desk);
    if (batch.handled === 0) {
      desk.tell();
      this.#ringDoorbells();
    }
    return isDirty;
  }

  /** The shard's durable consumers; undefined while it has none. */
  get desk(): Desk | undefined {
    return this.#consumers.current;
  }

  /** The list of all consumers is damaged: until it is handed over, nothing is removed that one of them may need. */
  awaitConsumers(): void {
    this.#consumers.isDamaged = true;
  }

  /**
   * Hands over the list of all consumers.
   * @throws BusError `OPTION_INVALID` if the log keeps no consumers, `STORE_CORRUPT`
   */
  applyConsumers(entries: readonly ConsumerEntry[]): void {
    const desk = this.#consumers.apply(entries);
    this.#batch.settling = desk.groupAcks;
    if (desk.isEmpty) desk.groupAcks.release(true);
  }

  /** How long the thread may park, ms. */
  idleMs(longest: number): number {
    const due = this.due?.idleMs(longest) ?? longest;
    const idle = this.#expirer?.idleMs(due) ?? due;
    const { desk } = this;
    if (desk === undefined) return idle;
    return Math.max(0, Math.min(idle, desk.nextDue - elapsedMs()));
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
    if (this.#feeder.hasWork || this.#commit.hasArrived || this.desk?.hasWork) return true;
    if (this.#tail?.hasWork(this.delivered) === true) return true;
    const takesPublishes = this.#batch.handled === 0 && this.#drainLimit() > 0;
    if (takesPublishes && this.due?.hasWork === true) return true;
    if (!this.isStopping && this.#expirer?.hasWork(this.desk) === true) return true;
    for (const link of this.links) {
      if ((link.isBlocked || link.waiting.size > 0) && link.mayHaveRoom) return true;
      if (link.controls.hasReadable()) return true;
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
    this.#subscriptions.endAll(link);
    this.#consumers.leaveLink(link);
  }

  subscribe(subscription: LinkSubscription): void {
    this.#subscriptions.add(subscription);
  }

  unsubscribe(subscription: LinkSubscription): void {
    this.#subscriptions.end(subscription);
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
    this.#subscriptions.noteDropped(subscription);
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
    this.desk?.tell();
    // Endpoints read their acks and leases while the deliveries are made.
    this.#ringDoorbells();
    counters[ShardCounter.delivered]! += this.#delivery.deliver(batch, this.delivered);
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
    this.#options.onAdvance?.();
  }

  /** The turn's work besides the batch. */
  #serve(): boolean {
    let worked = this.#flushLinks();
    worked = this.#feed() || worked;
    if (this.desk !== undefined) worked = this.desk.readAhead() || worked;
    this.#subscriptions.notifyDropped();
    worked = this.#maintain() || worked;
    this.#ringDoorbells();
    return worked;
  }

  #ringDoorbells(): void {
    for (const link of this.links) link.ringDoorbell();
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

  #maintain(): boolean {
    const now = performance.now();
    const worked = this.#upkeep.step(now);
    const hasExpired = !this.isStopping && this.#expirer?.step(this.desk) === true;
    this.#gauges.step(now);
    this.#dropLeavers();
    return worked || hasExpired;
  }

  #dropLeavers(): void {
    for (let i = this.links.length - 1; i >= 0; i--) {
      const link = this.links[i]!;
      if (!link.leaving || link.publishes.hasReadable()) continue;
      link.ringDoorbell();
      link.close();
      this.links.splice(i, 1);
      this.#routes.forget();
    }
  }
}
