import { MIB } from '../../protocol/limits/units.js';

/** Small, so that in tests a subscription that is only a little behind makes the log fetch. */
const RECENT_EVENTS = 256;
const RECENT_BYTES = 4 * MIB;
/** The bound of all fetched runs, for readers at different places. */
const FETCHED_BYTES = 8 * MIB;

/** An event that a log holds in its thread. */
export interface HeldEvent {
  readonly sequence: number;
  readonly recordedAt: number;
  /** `undefined` where the stored event is damaged. */
  readonly record: Buffer | undefined;
}

/** All events of a stretch of the log, in order; those that are not there were removed. */
export interface Run {
  readonly after: number;
  readonly through: number;
  readonly events: readonly HeldEvent[];
}

/** The events that a log holds in its thread: the newest, and runs that were fetched for readers at other places. */
export class AtHand {
  #recent: HeldEvent[] = [];
  #recentBytes = 0;
  #recentAfter = 0;
  /** By `Run.after`; the run that was fetched first comes first. */
  readonly #runs = new Map<number, Run & { readonly bytes: number }>();
  #runBytes = 0;

  /** Adds the next event. Shortens the newest events to the bound when they are twice over it. */
  add(event: HeldEvent): void {
    const last = this.#recent.at(-1);
    if (last === undefined || event.sequence !== last.sequence + 1) {
      this.#recent = [];
      this.#recentBytes = 0;
      this.#recentAfter = event.sequence - 1;
    }
    this.#recent.push(event);
    this.#recentBytes += lengthOf(event);
    const isOver = this.#recent.length > 2 * RECENT_EVENTS || this.#recentBytes > 2 * RECENT_BYTES;
    if (isOver) this.#shorten();
  }

  /**
   * Keeps a fetched run and drops the oldest ones beyond the bound; a reader of a dropped run has it fetched again.
   */
  keep(run: Run): void {
    this.#drop(run.after);
    const bytes = run.events.reduce((sum, event) => sum + lengthOf(event), 0);
    this.#runs.set(run.after, { ...run, bytes });
    this.#runBytes += bytes;
    for (const oldest of this.#runs.keys()) {
      // The run just fetched stays, however large, for the reader that asked for it.
      if (this.#runBytes <= FETCHED_BYTES || oldest === run.after) return;
      this.#drop(oldest);
    }
  }

  /** A run that begins at `after` or before and goes on behind it. */
  runAfter(after: number): Run | undefined {
    const through = this.#recent.at(-1)?.sequence ?? 0;
    if (this.#recentAfter <= after && after < through) {
      return { after: this.#recentAfter, through, events: this.#recent };
    }
    for (const run of this.#runs.values()) {
      if (run.after <= after && after < run.through) return run;
    }
    return undefined;
  }

  #drop(after: number): void {
    this.#runBytes -= this.#runs.get(after)?.bytes ?? 0;
    this.#runs.delete(after);
  }

  #shorten(): void {
    let from = this.#recent.length;
    let bytes = 0;
    while (from > 0 && this.#recent.length - from < RECENT_EVENTS) {
      const length = lengthOf(this.#recent[from - 1]!);
      if (bytes > 0 && bytes + length > RECENT_BYTES) break;
      bytes += length;
      from--;
    }
    this.#recentAfter = this.#recent[from]!.sequence - 1;
    this.#recent = this.#recent.slice(from);
    this.#recentBytes = bytes;
  }
}

function lengthOf({ record }: HeldEvent): number {
  return record?.length ?? 0;
}

/** The index of the first event behind `after`. */
export function indexBehind({ events }: Run, after: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (events[middle]!.sequence > after) high = middle;
    else low = middle + 1;
  }
  return low;
}
