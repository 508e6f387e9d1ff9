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
  /** True while nobody knows what consumers have to do with the events: nothing is removed. Default: never. */
  readonly isHeld?: () => boolean;
  /** Called once for each damage: the events that it concerns stay, hidden. */
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
  /** The rest of a step that came to damage, in parts. */
  readonly #parts: (readonly number[])[] = [];
  /** A full disk has held it up until then. */
  #retryAt = 0;
  /** What expires next cannot be read: nothing is removed until the log is opened again. */
  #isEnded = false;
  /** The damage that was told last: several events may meet the same. */
  #told = '';

  constructor(expiry: ShardExpiry, options: ExpirerOptions) {
    this.#expiry = expiry;
    this.#options = options;
  }

  /** True if a step would do anything. */
  hasWork(desk: ExpiringDesk | undefined): boolean {
    const step = this.#step;
    if (step !== undefined && step.desk === desk && !step.isStored) return false;
    const first = step === undefined ? this.#first : 0;
    if (first === Number.POSITIVE_INFINITY || this.#isHeldUp) return false;
    return first <= this.#options.clock.removalNow;
  }

  /** How long nothing is to be removed, at most so long, ms. */
  idleMs(longest: number): number {
    // What the consumers ended is stored by their desk, which knows when it tries again on a full disk.
    if (this.#step?.isStored === false || this.#isHeld) return longest;
    const heldMs = this.#retryAt - this.#options.elapsed();
    if (this.#step !== undefined) return Math.min(longest, Math.max(heldMs, 0));
    const first = this.#first;
    if (first === Number.POSITIVE_INFINITY) return longest;
    return Math.min(longest, Math.max(heldMs, first - this.#options.clock.removalNow, 0));
  }

  /** Does one bounded step; true if it did anything. */
  step(desk: ExpiringDesk | undefined): boolean {
    if (!this.hasWork(desk)) return false;
    const step = (this.#step ??= this.#find());
    if (step === undefined) return false;
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

  #find(): Step | undefined {
    const found = this.#read(() => this.#expiry.due(this.#options.clock.removalNow));
    if (found === undefined) return undefined;
    for (const { fault } of found) if (fault !== undefined) this.#tellDamage(fault);
    const sound = found.filter(({ fault }) => fault === undefined);
    return stepOf(sound.map(({ sequence }) => sequence));
  }

  #remove(sequences: readonly number[]): void {
    try {
      this.#options.onRemoved(this.#expiry.remove(sequences));
      this.#goOn();
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      if (error.code === 'STORE_CORRUPT') this.#split(sequences, error);
      else if (error.code === 'STORE_FULL') this.#waitForRoom();
      else throw error;
    }
  }

  /** Finds the event that meets the damage by halves, so that the others go. */
  #split(sequences: readonly number[], damage: BusError): void {
    if (sequences.length === 1) {
      this.#expiry.passOver(sequences[0]!);
      this.#tell(damage);
    } else {
      const half = sequences.length >>> 1;
      this.#parts.push(sequences.slice(half), sequences.slice(0, half));
    }
    this.#goOn();
  }

  #goOn(): void {
    const part = this.#parts.pop();
    this.#step = part && stepOf(part);
  }

  #waitForRoom(): void {
    this.#step = undefined;
    this.#parts.length = 0;
    this.#retryAt = this.#options.elapsed() + DUE_RETRY_MS;
  }

  get #first(): number {
    if (this.#isEnded) return Number.POSITIVE_INFINITY;
    return this.#read(() => this.#expiry.first) ?? Number.POSITIVE_INFINITY;
  }

  /** Gives up for good where the entries themselves cannot be read. */
  #read<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') throw error;
      this.#isEnded = true;
      this.#tell(error);
      return undefined;
    }
  }

  get #isHeld(): boolean {
    return this.#options.isHeld?.() === true;
  }

  get #isHeldUp(): boolean {
    return this.#isHeld || (this.#retryAt > 0 && this.#options.elapsed() < this.#retryAt);
  }

  #tellDamage(fault: string): void {
    const { shard } = this.#options;
    const message = `shard ${shard}: ${fault}: it is hidden from readers, and not removed`;
    this.#tell(new BusError('STORE_CORRUPT', message, { details: { shard, reason: fault } }));
  }

  #tell(damage: BusError): void {
    if (damage.message !== this.#told) this.#options.onDamage(damage);
    this.#told = damage.message;
  }
}

function stepOf(sequences: readonly number[]): Step {
  return { sequences, desk: undefined, isStored: true };
}
