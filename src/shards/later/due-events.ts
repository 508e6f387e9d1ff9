/**
 * Makes events of what is due: publishes that waited for their time. They get batches of their own, so that a full disk
 * refuses no publisher because of them, and every second batch is the publishers', so that neither starves. Only the
 * shard's loop touches this.
 */
import { BusError } from '../../protocol/errors.js';
import { DUE_EVENTS_PER_BATCH, DUE_RETRY_MS } from '../../protocol/limits/schedules.js';
import type { ShardScheduled } from '../../store/scheduled.js';
import type { PublishBatch } from '../publish-batch.js';
import type { DueClock } from './later-publishes.js';

export interface DueOptions {
  readonly shard: number;
  readonly clock: DueClock;
  /** ms; never steps. */
  readonly elapsed: () => number;
  /** Called once for each damaged row: it becomes no event. */
  readonly onDamage: (error: BusError) => void;
}

export class DueEvents {
  readonly #scheduled: ShardScheduled;
  readonly #options: DueOptions;
  /** A full disk, or a subscription that blocks, has held them up until then. */
  #retryAt = 0;
  #hadTurn = false;

  constructor(scheduled: ShardScheduled, options: DueOptions) {
    this.#scheduled = scheduled;
    this.#options = options;
  }

  /** How many publishes wait. */
  get waiting(): number {
    return this.#scheduled.waiting;
  }

  /** True if something is due and not held up. */
  get hasWork(): boolean {
    const { firstDue } = this.#scheduled;
    if (firstDue === Number.POSITIVE_INFINITY || this.#isHeldUp) return false;
    return firstDue <= this.#options.clock.dueNow;
  }

  /** How long nothing is due, at most so long, ms. */
  idleMs(longest: number): number {
    const { firstDue } = this.#scheduled;
    if (firstDue === Number.POSITIVE_INFINITY) return longest;
    const heldMs = this.#retryAt - this.#options.elapsed();
    return Math.min(longest, Math.max(heldMs, firstDue - this.#options.clock.dueNow, 0));
  }

  /** They are tried again a little later. */
  holdUp(): void {
    this.#retryAt = this.#options.elapsed() + DUE_RETRY_MS;
  }

  /** Appends what is due to the batch, which is empty; false if this batch is the publishers'. */
  take(batch: PublishBatch, limit: number): boolean {
    this.#hadTurn = !this.#hadTurn && this.hasWork && this.#append(batch, limit);
    return this.#hadTurn;
  }

  #append(batch: PublishBatch, limit: number): boolean {
    const most = Math.min(limit, DUE_EVENTS_PER_BATCH);
    for (const publish of this.#scheduled.due(this.#options.clock.dueNow, most)) {
      const { number, record, fault } = publish;
      if (fault !== undefined) {
        this.#tellDamage(fault);
        continue;
      }
      this.#scheduled.remove(number);
      batch.takeDue(record);
    }
    return batch.handled > 0;
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
