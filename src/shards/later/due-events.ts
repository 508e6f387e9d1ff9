/**
 * Makes events of what is due: publishes that waited for their time, and schedules, in the order of due times. They get
 * batches of their own, so that a full disk refuses no publisher because of them, and every second batch is the
 * publishers', so that neither starves. Only the shard's loop touches this.
 */
import { BusError } from '../../protocol/errors.js';
import { DUE_EVENTS_PER_BATCH, DUE_RETRY_MS } from '../../protocol/limits/schedules.js';
import type { ShardScheduled } from '../../store/scheduled.js';
import type { PublishBatch } from '../publish-batch.js';
import type { DueClock } from './later-publishes.js';
import { ShardSchedules } from './shard-schedules.js';

export interface DueOptions {
  readonly shard: number;
  readonly clock: DueClock;
  /** ms; never steps. */
  readonly elapsed: () => number;
  /** Called once for each damaged row: it becomes no event. */
  readonly onDamage: (error: BusError) => void;
  /** True while nothing that is due may become an event. Default: never. */
  readonly waits?: () => boolean;
}

export class DueEvents {
  readonly schedules: ShardSchedules;
  readonly #scheduled: ShardScheduled;
  readonly #options: DueOptions;
  /** A full disk has held them up until then. */
  #retryAt = 0;
  #hadTurn = false;

  constructor(scheduled: ShardScheduled, options: DueOptions) {
    this.#scheduled = scheduled;
    this.#options = options;
    this.schedules = new ShardSchedules(scheduled, options.shard, options.onDamage);
  }

  /** ms since 1970. */
  get now(): number {
    return this.#options.clock.dueNow;
  }

  get #firstDue(): number {
    return Math.min(this.#scheduled.firstDue, this.schedules.firstDue);
  }

  /** How many publishes wait. */
  get waiting(): number {
    return this.#scheduled.waiting;
  }

  /** True if something is due and not held up. */
  get hasWork(): boolean {
    if (this.#waits) return false;
    const firstDue = this.#firstDue;
    if (firstDue === Number.POSITIVE_INFINITY || this.#isHeldUp) return false;
    return firstDue <= this.now;
  }

  /** How long nothing is due, at most so long, ms. */
  idleMs(longest: number): number {
    const firstDue = this.#firstDue;
    if (firstDue === Number.POSITIVE_INFINITY || this.#waits) return longest;
    const heldMs = this.#retryAt - this.#options.elapsed();
    return Math.min(longest, Math.max(heldMs, firstDue - this.now, 0));
  }

  /** The batch is committed. */
  committed(): void {
    this.schedules.committed();
  }

  /** A batch found no room: what is due is tried again a little later. */
  refused(): void {
    this.schedules.refused();
    this.#retryAt = this.#options.elapsed() + DUE_RETRY_MS;
  }

  /** Appends what is due to the batch, which is empty; false if this batch is the publishers'. */
  take(batch: PublishBatch, limit: number): boolean {
    if (this.#waits) return false;
    this.#hadTurn = !this.#hadTurn && this.hasWork && this.#append(batch, limit);
    return this.#hadTurn;
  }

  #append(batch: PublishBatch, limit: number): boolean {
    const most = Math.min(limit, DUE_EVENTS_PER_BATCH);
    const { now } = this;
    for (const publish of this.#scheduled.due(now, most)) {
      const { dueAt, number, record, fault } = publish;
      if (fault !== undefined) {
        this.#tellDamage(fault);
        continue;
      }
      this.#fire(batch, now, most, dueAt);
      if (batch.handled >= most) break;
      this.#scheduled.remove(number);
      batch.takeDue(record);
    }
    this.#fire(batch, now, most);
    // Due times that are passed over change a schedule, and make no event.
    if (this.schedules.put() && batch.handled === 0) batch.noteDone();
    return batch.handled > 0;
  }

  /** Appends the events of schedules that are due before a time, or all that are. */
  #fire(batch: PublishBatch, now: number, most: number, before = Number.POSITIVE_INFINITY): void {
    while (batch.handled < most && (this.schedules.peek(now) ?? before) < before) {
      const firing = this.schedules.next(now);
      if (firing === undefined) return;
      batch.takeDue(firing.record);
    }
  }

  get #waits(): boolean {
    return this.#options.waits?.() === true;
  }

  get #isHeldUp(): boolean {
    return this.#retryAt > 0 && this.#options.elapsed() < this.#retryAt;
  }

  #tellDamage(fault: string): void {
    const { shard } = this.#options;
    const message = `shard ${shard}: ${fault}: it becomes no event`;
    this.#options.onDamage(
      new BusError('STORE_CORRUPT', message, { details: { shard, reason: fault } }),
    );
  }
}
