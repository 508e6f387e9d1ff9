import { MIB } from '../../protocol/limits.js';
import type { Entry } from './messages.js';

/** Few, so that a subscriber who is only a little behind makes the log fetch. */
const RECENT_EVENTS = 256;
const RECENT_BYTES = 4 * MIB;
/** Of all that was fetched, for readers at different places. */
const FETCHED_BYTES = 8 * MIB;

interface FetchedPage {
  readonly entries: readonly Entry[];
  readonly bytes: number;
}

/** The events that a log has in its thread: the newest, and pages that were fetched for readers at other places. */
export class AtHand {
  #recent: Entry[] = [];
  #recentBytes = 0;
  /** By the sequence before their first entry; the oldest first. */
  readonly #pages = new Map<number, FetchedPage>();
  #pageBytes = 0;

  /** Adds the next event; twice as many as are kept may be there. */
  add(entry: Entry): void {
    this.#recent.push(entry);
    this.#recentBytes += entry.bytes.length;
    const isOver = this.#recent.length > 2 * RECENT_EVENTS || this.#recentBytes > 2 * RECENT_BYTES;
    if (isOver) this.#shorten();
  }

  /** Keeps what was fetched, and lets go of the oldest pages beyond the bound. A reader who comes too late has it fetched again. */
  keep(after: number, entries: readonly Entry[]): void {
    this.#drop(after);
    const bytes = bytesOf(entries);
    this.#pages.set(after, { entries, bytes });
    this.#pageBytes += bytes;
    for (const oldest of this.#pages.keys()) {
      // The newest is there for whoever asked for it, however large.
      if (this.#pageBytes <= FETCHED_BYTES || oldest === after) return;
      this.#drop(oldest);
    }
  }

  /** A run of entries among which the one after `after` is. */
  runAfter(after: number): readonly Entry[] | undefined {
    if (hasNext(this.#recent, after)) return this.#recent;
    for (const { entries } of this.#pages.values()) if (hasNext(entries, after)) return entries;
    return undefined;
  }

  #drop(after: number): void {
    this.#pageBytes -= this.#pages.get(after)?.bytes ?? 0;
    this.#pages.delete(after);
  }

  #shorten(): void {
    let from = this.#recent.length;
    let bytes = 0;
    while (from > 0 && this.#recent.length - from < RECENT_EVENTS) {
      const { length } = this.#recent[from - 1]!.bytes;
      if (bytes > 0 && bytes + length > RECENT_BYTES) break;
      bytes += length;
      from--;
    }
    this.#recent = this.#recent.slice(from);
    this.#recentBytes = bytes;
  }
}

function bytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

function hasNext(run: readonly Entry[], after: number): boolean {
  const first = run[0]?.sequence;
  return first !== undefined && first <= after + 1 && after < first + run.length - 1;
}
