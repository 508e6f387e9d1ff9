import { MIB } from '../../protocol/limits/units.js';
import type { Entry } from './messages.js';

/** Small, so that in tests a subscription that is only a little behind makes the log fetch. */
const RECENT_EVENTS = 256;
const RECENT_BYTES = 4 * MIB;
/** The bound of all fetched pages, for readers at different places. */
const FETCHED_BYTES = 8 * MIB;

interface FetchedPage {
  readonly entries: readonly Entry[];
  readonly bytes: number;
}

/** The events that a log holds in its thread: the newest, and pages that were fetched for readers at other places. */
export class AtHand {
  #recent: Entry[] = [];
  #recentBytes = 0;
  /** By the sequence before a page's first entry; the page that was fetched first comes first. */
  readonly #pages = new Map<number, FetchedPage>();
  #pageBytes = 0;

  /** Adds the next event. Shortens the newest events to the bound when they are twice over it. */
  add(entry: Entry): void {
    this.#recent.push(entry);
    this.#recentBytes += entry.bytes.length;
    const isOver = this.#recent.length > 2 * RECENT_EVENTS || this.#recentBytes > 2 * RECENT_BYTES;
    if (isOver) this.#shorten();
  }

  /**
   * Keeps a fetched page and drops the oldest ones beyond the bound; a reader of a dropped page has it fetched again.
   */
  keep(after: number, entries: readonly Entry[]): void {
    this.#drop(after);
    const bytes = bytesOf(entries);
    this.#pages.set(after, { entries, bytes });
    this.#pageBytes += bytes;
    for (const oldest of this.#pages.keys()) {
      // The page just fetched stays, however large, for the reader that asked for it.
      if (this.#pageBytes <= FETCHED_BYTES || oldest === after) return;
      this.#drop(oldest);
    }
  }

  /** A run of entries that holds the one after `after`. */
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
