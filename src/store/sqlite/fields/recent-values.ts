import { INDEX_BLOCK_EVENTS } from '../tables/tables.js';
import { CORRELATION, FIELDS, NO_VALUE, SOURCE, TYPE } from './field-rows.js';

/**
 * The correlation id, source and type of a log's newest events, each as the number under which the index by field has
 * it. The log's thread writes, and threads that read its file may share the memory: they find events there that are not
 * in the index yet.
 *
 * ```
 *   0 | from (int64): the first event whose values are here; 0: the log is not open yet |
 *   8 | reach (int64): no higher sequence has been noted                       |
 *  16 | values (uint32): `SLOTS` places for each field, one for each sequence  |
 * ```
 *
 * Nothing waits. An event's values are noted before it is committed, and a reader looks for committed events alone:
 * between the two, SQLite makes the commit visible behind barriers of its own. A later event takes the place of one that
 * is `SLOTS` older, and a new thread of the log takes all places. So the log announces in `reach` or `from` what it will
 * take before it takes it, and a reader compares both after it has looked.
 *
 * Both sides need an order that plain accesses do not have on ARM: the announcement before the values, and the values
 * before the comparison. An atomic store (which no earlier access passes) with an atomic load behind it (which no later
 * access passes, and which does not pass the store) gives it, and a full barrier on x64.
 */
const SLOTS = 2 * INDEX_BLOCK_EVENTS;
const SLOT_MASK = SLOTS - 1;
const HEADER_BYTES = 2 * BigInt64Array.BYTES_PER_ELEMENT;
export const RECENT_VALUES_BYTES = HEADER_BYTES + FIELDS * SLOTS * Uint32Array.BYTES_PER_ELEMENT;
const FROM = 0;
const REACH = 1;
/** So many events are announced at once, as that costs more than to note an event. */
const STEP = 1024;

/** A reader's own word, for the barrier alone. */
const barrier = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

export class RecentValues {
  readonly #header: BigInt64Array;
  /** By field: the values by slot. */
  readonly #values: readonly Uint32Array[];
  readonly #correlations: Uint32Array;
  readonly #sources: Uint32Array;
  readonly #types: Uint32Array;
  /** The highest sequence that was ever noted, and the highest that was announced. */
  #reach = 0;
  #announced = 0;

  constructor(memory: SharedArrayBuffer | ArrayBuffer = new ArrayBuffer(RECENT_VALUES_BYTES)) {
    this.#header = new BigInt64Array(memory, 0, 2);
    this.#values = Array.from({ length: FIELDS }, (_, field) => {
      const offset = HEADER_BYTES + field * SLOTS * Uint32Array.BYTES_PER_ELEMENT;
      return new Uint32Array(memory, offset, SLOTS);
    });
    this.#correlations = this.#values[CORRELATION]!;
    this.#sources = this.#values[SOURCE]!;
    this.#types = this.#values[TYPE]!;
  }

  /** The log is open, and its next event has the sequence `next`: values of a thread before count no more. */
  start(next: number): void {
    this.#reach = next - 1;
    this.#announced = this.#reach;
    this.#announce(FROM, next);
    this.#announce(REACH, this.#announced);
    for (const values of this.#values) values.fill(NO_VALUE);
  }

  note(sequence: number, correlation: number, source: number, type: number): void {
    if (sequence > this.#reach) this.#reach = sequence;
    if (sequence > this.#announced) {
      this.#announced = sequence + STEP - 1;
      this.#announce(REACH, this.#announced);
    }
    this.put(sequence, correlation, source, type);
  }

  /** As `note`, for an event before `from`. */
  put(sequence: number, correlation: number, source: number, type: number): void {
    const slot = sequence & SLOT_MASK;
    this.#correlations[slot] = correlation;
    this.#sources[slot] = source;
    this.#types[slot] = type;
  }

  /** The values of all events from `from` on were put. */
  extendTo(from: number): void {
    this.#announce(FROM, from);
  }

  /** Whether the values of all events from a sequence on still have their places. */
  keeps(sequence: number): boolean {
    return this.#reach < sequence + SLOTS;
  }

  /** One field's values of a block whose events are all here, by slot. */
  ofBlock(block: number, field: number): Uint32Array {
    const slot = (block * INDEX_BLOCK_EVENTS) & SLOT_MASK;
    return this.#values[field]!.subarray(slot, slot + INDEX_BLOCK_EVENTS);
  }

  /**
   * Those of the events in `(after, until]` that have one of the wanted values in each field, ascending; `undefined` if
   * the values are not here. Any thread may call it.
   */
  sequences(
    after: number,
    until: number,
    query: readonly { readonly field: number; readonly values: ReadonlySet<number> }[],
  ): number[] | undefined {
    if (!this.#has(after + 1)) return undefined;
    const fields = query.map(({ field, values }) => ({ wanted: values, at: this.#values[field]! }));
    const found: number[] = [];
    for (let sequence = after + 1; sequence <= until; sequence++) {
      const slot = sequence & SLOT_MASK;
      if (fields.every(({ wanted, at }) => wanted.has(at[slot]!))) found.push(sequence);
    }
    // The load of the barrier is that of `#has`.
    Atomics.store(barrier, 0, 0);
    return this.#has(after + 1) ? found : undefined;
  }

  /** `reach` first: a new thread lowers it, and has told its `from` before. */
  #has(sequence: number): boolean {
    const reach = Number(Atomics.load(this.#header, REACH));
    const from = Number(Atomics.load(this.#header, FROM));
    return from > 0 && from <= sequence && reach < sequence + SLOTS;
  }

  /** Whoever sees a value that is written after this call sees the announcement too. */
  #announce(word: typeof FROM | typeof REACH, sequence: number): void {
    Atomics.store(this.#header, word, BigInt(sequence));
    Atomics.load(this.#header, word);
  }
}
