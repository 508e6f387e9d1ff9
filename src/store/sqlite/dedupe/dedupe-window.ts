import type { EventRecordView } from '../../../record/event-record.js';
import { DEDUPE_KEY_WORDS, DedupeKeys, type NamedPublish } from './dedupe-key.js';

/**
 * Remembers recent publishes with a publisher's own id, and the sequence of each. The window is bounded by age, which a
 * monotonic clock measures, and by a number of ids. Beyond that number the oldest id is forgotten early; `reachMs` says
 * how far back the window is then complete. Entries are added as rows are appended, so a repeat within one batch is
 * found too; a rollback removes the batch's entries.
 *
 * Until the first commit, the loaded entries reach back one batch beyond that number, since the last batch may have to
 * be judged again.
 *
 * An entry is a 128-bit key, a sequence and a time, in a ring of typed arrays, and a slot in a hash table with linear
 * probing that is at most half full. It takes 40 bytes, and as much again just after the ring has grown.
 */
export interface DedupeLimits {
  readonly windowMs: number;
  readonly idsMax: number;
  /** A monotonic clock, ms. */
  readonly elapsed: () => number;
}

const CAPACITY_MIN = 64;
const NONE = 0;

export class DedupeWindow {
  readonly windowMs: number;
  readonly idsMax: number;
  readonly #elapsed: () => number;
  readonly #keys = new DedupeKeys();
  /** Rings of `#capacity` entries, a power of two. They grow by doubling, up to the limit and one open batch. */
  #words = new Int32Array(0);
  #sequences = new Float64Array(0);
  #addedAt = new Float64Array(0);
  /** Hash table: the place in the rings, counted from 1, of each key's newest entry. */
  #slots = new Int32Array(0);
  #capacity = 0;
  /** Entries are numbered as they come. */
  #oldest = 0;
  #next = 0;
  #committed = 0;
  /** Entries before this one were loaded beyond `idsMax`. */
  #firstHeld = 0;
  /** When the newest of the entries that were forgotten early was added. */
  #forgottenFrom = Number.NEGATIVE_INFINITY;

  constructor({ windowMs, idsMax, elapsed }: DedupeLimits) {
    this.windowMs = windowMs;
    this.idsMax = idsMax;
    this.#elapsed = elapsed;
  }

  get size(): number {
    return this.#next - this.#oldest;
  }

  /** How far back every id is known, ms. */
  get reachMs(): number {
    if (this.idsMax === 0) return 0;
    return Math.max(0, Math.min(this.windowMs, this.#elapsed() - this.#forgottenFrom));
  }

  /** The sequence stored for the record's key, or 0. */
  find(view: EventRecordView): number {
    const entry = this.#entryOf(view);
    if (entry < this.#firstHeld) return 0;
    const at = entry & (this.#capacity - 1);
    return this.#elapsed() - this.#addedAt[at]! > this.windowMs ? 0 : this.#sequences[at]!;
  }

  /** As `find`, among all loaded entries, whatever their age. */
  findLoaded(view: EventRecordView): number {
    const entry = this.#entryOf(view);
    return entry < 0 ? 0 : this.#sequences[entry & (this.#capacity - 1)]!;
  }

  add(view: EventRecordView, sequence: number): void {
    if (this.idsMax === 0) return;
    this.#keys.ofRecord(view);
    this.#add(sequence, this.#elapsed());
  }

  /**
   * Adds a publish that is in the log already. Call it in the order of sequences; the window may hold `beyond` entries
   * more than `idsMax`.
   */
  load(publish: NamedPublish, sequence: number, ageMs: number, beyond: number): void {
    if (this.idsMax === 0) return;
    if (this.size >= this.idsMax + beyond) this.#forgetOldest();
    this.#keys.ofTexts(publish);
    this.#add(sequence, this.#elapsed() - ageMs);
  }

  /** Ends the loading: a rollback does not remove the loaded entries. */
  loaded(): void {
    this.#committed = this.#next;
    this.#firstHeld = Math.max(this.#oldest, this.#next - this.idsMax);
    if (this.#firstHeld > this.#oldest) this.#noteForgotten(this.#firstHeld - 1);
  }

  /** Keeps the batch's entries, and only now forgets those that have left the window. */
  commit(): void {
    this.#committed = this.#next;
    while (this.size > this.idsMax) this.#forgetOldest();
    if (this.size === 0) return;
    const until = this.#elapsed() - this.windowMs;
    const mask = this.#capacity - 1;
    while (this.size > 0 && this.#addedAt[this.#oldest & mask]! < until) this.#remove();
  }

  /**
   * Removes the open batch's entries. An older entry of the same key, which the batch has replaced, is not restored: it
   * had left the window, or the repeat would not have been stored.
   */
  rollback(): void {
    while (this.#next > this.#committed) {
      this.#next--;
      this.#vacate(this.#next & (this.#capacity - 1));
    }
  }

  /** The number of the record's newest entry, or -1. */
  #entryOf(view: EventRecordView): number {
    if (this.size === 0) return -1;
    this.#keys.ofRecord(view);
    const place = this.#slots[this.#slotOf(this.#keys.words, 0)]!;
    if (place === NONE) return -1;
    const at = place - 1;
    const mask = this.#capacity - 1;
    return this.#oldest + ((at - this.#oldest) & mask);
  }

  #add(sequence: number, addedAt: number): void {
    if (this.size === this.#capacity) this.#grow();
    const at = this.#next & (this.#capacity - 1);
    const { words } = this.#keys;
    for (let word = 0; word < DEDUPE_KEY_WORDS; word++) {
      this.#words[at * DEDUPE_KEY_WORDS + word] = words[word]!;
    }
    this.#sequences[at] = sequence;
    this.#addedAt[at] = addedAt;
    this.#slots[this.#slotOf(words, 0)] = at + 1;
    this.#next++;
  }

  #forgetOldest(): void {
    this.#noteForgotten(this.#oldest);
    this.#remove();
  }

  #noteForgotten(entry: number): void {
    const addedAt = this.#addedAt[entry & (this.#capacity - 1)]!;
    if (addedAt > this.#forgottenFrom) this.#forgottenFrom = addedAt;
  }

  #remove(): void {
    this.#vacate(this.#oldest & (this.#capacity - 1));
    this.#oldest++;
  }

  /** The slot that has the key, or the free slot where it belongs. `words` holds the key from `from` on. */
  #slotOf(words: Int32Array, from: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = words[from]! & mask; ; slot = (slot + 1) & mask) {
      const place = slots[slot]!;
      if (place === NONE || this.#hasKey(place - 1, words, from)) return slot;
    }
  }

  #hasKey(at: number, words: Int32Array, from: number): boolean {
    const kept = this.#words;
    const start = at * DEDUPE_KEY_WORDS;
    for (let word = 0; word < DEDUPE_KEY_WORDS; word++) {
      if (kept[start + word] !== words[from + word]) return false;
    }
    return true;
  }

  /** Frees the slot of the entry at a place in the rings, unless a newer entry of its key has it. */
  #vacate(at: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let free = this.#slotOf(this.#words, at * DEDUPE_KEY_WORDS);
    if (slots[free] !== at + 1) return;
    // Knuth 6.4, algorithm R: entries that would not be found past the free slot move up into it.
    for (let slot = (free + 1) & mask; slots[slot] !== NONE; slot = (slot + 1) & mask) {
      const home = this.#words[(slots[slot]! - 1) * DEDUPE_KEY_WORDS]! & mask;
      if (((slot - home) & mask) < ((slot - free) & mask)) continue;
      slots[free] = slots[slot]!;
      free = slot;
    }
    slots[free] = NONE;
  }

  /** Doubles the rings. Entries that had wrapped to the start move behind the others. */
  #grow(): void {
    const before = this.#capacity;
    const capacity = Math.max(CAPACITY_MIN, before * 2);
    const oldest = this.#oldest & (before - 1);
    const start = this.#oldest & (capacity - 1);
    const moved = <A extends Int32Array | Float64Array>(from: A, to: A, width: number): A => {
      const isTurned = start !== oldest;
      to.set(from.subarray(oldest * width), start * width);
      to.set(from.subarray(0, oldest * width), isTurned ? 0 : before * width);
      return to;
    };
    const words = new Int32Array(capacity * DEDUPE_KEY_WORDS);
    this.#words = moved(this.#words, words, DEDUPE_KEY_WORDS);
    this.#sequences = moved(this.#sequences, new Float64Array(capacity), 1);
    this.#addedAt = moved(this.#addedAt, new Float64Array(capacity), 1);
    this.#capacity = capacity;
    this.#slots = new Int32Array(2 * capacity);
    for (let entry = this.#oldest; entry < this.#next; entry++) {
      const at = entry & (capacity - 1);
      this.#slots[this.#slotOf(this.#words, at * DEDUPE_KEY_WORDS)] = at + 1;
    }
  }
}
