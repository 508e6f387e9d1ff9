import { LETTER_DUE, REDRIVEN } from '../../consumer-states.js';

/** Stands for the state of an event whose row is damaged. */
export const DAMAGED = -1;

/** A dead event as the index knows it. */
export interface DeadEntry {
  readonly consumer: string;
  readonly sequence: number;
  readonly state: number;
  /** Bytes of its record, if the row keeps one; 0: the event is in the log. */
  readonly bytes: number;
}

/**
 * Which events are dead, in memory and without their texts, in the order in which they died: a bounded number, and few
 * in a log that works. It answers without a scan of the table, whose rows may keep large records.
 */
export class DeadIndex {
  readonly #entries = new Map<string, DeadEntry>();
  readonly #due = new Map<string, DeadEntry>();
  readonly #damaged = new Map<string, DeadEntry>();
  /** For each consumer, how many events are dead and not redriven. */
  readonly #counts = new Map<string, number>();
  /** For each consumer, how many letters are due. */
  readonly #dueCounts = new Map<string, number>();
  /** For each event that is in the log, the consumers for which it is dead. */
  readonly #held = new Map<number, string[]>();
  /** Bytes of all records that rows keep. */
  bytes = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** Whether any dead event is in the log. */
  get holds(): boolean {
    return this.#held.size > 0;
  }

  get(consumer: string, sequence: number): DeadEntry | undefined {
    return this.#entries.get(keyOf(consumer, sequence));
  }

  /** Adds the event as the one that died last; call `remove` first if it is there. */
  add(entry: DeadEntry): void {
    this.#enter(keyOf(entry.consumer, entry.sequence), entry);
  }

  /** Changes an event's state or bytes; its place in the order stays. */
  change(entry: DeadEntry): void {
    const key = keyOf(entry.consumer, entry.sequence);
    this.#leave(key);
    this.#enter(key, entry);
  }

  remove(consumer: string, sequence: number): void {
    const key = keyOf(consumer, sequence);
    this.#leave(key);
    this.#entries.delete(key);
  }

  countOf(consumer: string): number {
    return this.#counts.get(consumer) ?? 0;
  }

  dueCountOf(consumer: string): number {
    return this.#dueCounts.get(consumer) ?? 0;
  }

  /** The consumers for which an event is dead that is in the log. */
  holdersOf(sequence: number): readonly string[] {
    return this.#held.get(sequence) ?? [];
  }

  /** The events whose letter is due, the oldest first. */
  due(): IterableIterator<DeadEntry> {
    return this.#due.values();
  }

  /** The events whose rows are damaged. */
  damaged(): IterableIterator<DeadEntry> {
    return this.#damaged.values();
  }

  /** All events, the oldest first. */
  all(): IterableIterator<DeadEntry> {
    return this.#entries.values();
  }

  clear(): void {
    const maps = [
      this.#entries,
      this.#due,
      this.#damaged,
      this.#counts,
      this.#dueCounts,
      this.#held,
    ];
    for (const map of maps) map.clear();
    this.bytes = 0;
  }

  #enter(key: string, entry: DeadEntry): void {
    const { consumer, sequence, state, bytes } = entry;
    this.#entries.set(key, entry);
    this.bytes += bytes;
    if (state === LETTER_DUE) {
      this.#due.set(key, entry);
      count(this.#dueCounts, consumer, 1);
    }
    if (state === DAMAGED) this.#damaged.set(key, entry);
    if (state !== REDRIVEN) count(this.#counts, consumer, 1);
    if (bytes === 0) this.#held.set(sequence, [...this.holdersOf(sequence), consumer]);
  }

  /** Takes the event out of everything but the order. */
  #leave(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const { consumer, sequence, state, bytes } = entry;
    this.bytes -= bytes;
    if (this.#due.delete(key)) count(this.#dueCounts, consumer, -1);
    this.#damaged.delete(key);
    if (state !== REDRIVEN) count(this.#counts, consumer, -1);
    if (bytes > 0) return;
    const holders = this.holdersOf(sequence).filter((holder) => holder !== consumer);
    if (holders.length > 0) this.#held.set(sequence, holders);
    else this.#held.delete(sequence);
  }
}

/** Changes a count; a consumer without any has no entry. */
function count(counts: Map<string, number>, consumer: string, change: number): void {
  const next = (counts.get(consumer) ?? 0) + change;
  if (next > 0) counts.set(consumer, next);
  else counts.delete(consumer);
}

function keyOf(consumer: string, sequence: number): string {
  return `${sequence} ${consumer}`;
}
