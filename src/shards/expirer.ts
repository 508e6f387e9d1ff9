/**
 * Removes events that have expired, a step at a time. First the consumers end them, and once that is stored the rows
 * go: so no consumer takes an expired event for one that retention has removed. Only the shard's loop touches this.
 */
import { BusError } from '../protocol/errors.js';
import { DUE_RETRY_MS } from '../protocol/limits/schedules.js';
import type { ShardExpiry } from '../store/expiry.js';

/** The clock by which expired events are removed; see `RecordingClock.removalNow`. */
export interface RemovalClock {
  readonly removalNow: number;
}

/** The consumers' part. */
export interface ExpiringDesk {
  /** Ends these events, but for those that are leased; true if that has changed anything that is not stored yet. */
  expired(sequences: readonly number[]): boolean;
  /** Calls back once all that was decided until now is stored. */
  whenStored(done: () => void): void;
}

export interface ExpirerOptions {
  readonly shard: number;
  readonly clock: RemovalClock;
  /** ms; never steps. */
  readonly elapsed: () => number;
  /** Called once for each damaged entry: its event stays, hidden. */
  readonly onDamage: (error: BusError) => void;
  /** So many events were removed. */
  readonly onRemoved: (events: number) => void;
}

/** Events that are about to be removed. */
interface Step {
  readonly sequences: readonly number[];
  /** The desk that has ended them, and whether that is stored. */
  desk: ExpiringDesk | undefined;
  isStored: boolean;
}

export class Expirer {
  readonly #expiry: ShardExpiry;
  readonly #options: ExpirerOptions;
  #step: Step | undefined;
  /** A full disk has held it up until then. */
  #retryAt = 0;

  constructor(expiry: ShardExpiry, options: ExpirerOptions) {
    this.#expiry = expiry;
    this.#options = options;
  }

  /** True if a step would do anything. */
  hasWork(desk: ExpiringDesk | undefined): boolean {
    const step = this.#step;
    if (step !== undefined && step.desk === desk && !step.isStored) return false;
    const first = step === undefined ? this.#expiry.first : 0;
    if (first === Number.POSITIVE_INFINITY || this.#isHeldUp) return false;
    return first <= this.#options.clock.removalNow;
  }

  /** How long nothing is to be removed, at most so long, ms. */
  idleMs(longest: number): number {
    // What the consumers ended is stored by their desk, which knows when it tries again on a full disk.
    if (this.#step?.isStored === false) return longest;
    const heldMs = this.#retryAt - this.#options.elapsed();
    if (this.#step !== undefined) return Math.min(longest, Math.max(heldMs, 0));
    const { first } = this.#expiry;
    if (first === Number.POSITIVE_INFINITY) return longest;
    return Math.min(longest, Math.max(heldMs, first - this.#options.clock.removalNow, 0));
  }

  /** Does one bounded step; true if it did anything. */
  step(desk: ExpiringDesk | undefined): boolean {
    if (!this.hasWork(desk)) return false;
    const step = (this.#step ??= this.#find());
    if (step.sequences.length === 0) {
      this.#step = undefined;
      return true;
    }
    // Asked until nothing changes: a consumer may have come to one of the events meanwhile.
    if (desk?.expired(step.sequences) === true) {
      step.desk = desk;
      step.isStored = false;
      desk.whenStored(() => {
        step.isStored = true;
      });
    } else this.#remove(step.sequences);
    return true;
  }

  #find(): Step {
    const found = this.#expiry.due(this.#options.clock.removalNow);
    for (const { fault } of found) if (fault !== undefined) this.#tellDamage(fault);
    const sound = found.filter(({ fault }) => fault === undefined);
    return { sequences: sound.map(({ sequence }) => sequence), desk: undefined, isStored: true };
  }

  #remove(sequences: readonly number[]): void {
    try {
      this.#options.onRemoved(this.#expiry.remove(sequences));
      this.#step = undefined;
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      if (error.code === 'STORE_CORRUPT') this.#options.onDamage(error);
      else if (error.code !== 'STORE_FULL') throw error;
      this.#step = undefined;
      this.#retryAt = this.#options.elapsed() + DUE_RETRY_MS;
    }
  }

  get #isHeldUp(): boolean {
    return this.#retryAt > 0 && this.#options.elapsed() < this.#retryAt;
  }

  #tellDamage(fault: string): void {
    const { shard } = this.#options;
    const message = `shard ${shard}: ${fault}: it is hidden from readers, and not removed`;
    this.#options.onDamage(
      new BusError('STORE_CORRUPT', message, { details: { shard, reason: fault } }),
    );
  }
}
