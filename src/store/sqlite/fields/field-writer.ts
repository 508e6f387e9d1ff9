import type { Database } from '../driver/driver.js';
import { FIELD_BLOCKS, MetaTable, PRUNED_BLOCKS } from '../tables/meta-table.js';
import { INDEX_BLOCK_EVENTS } from '../tables/tables.js';
import { CORRELATION, FIELDS, SOURCE, TYPE } from './field-rows.js';
import { FieldTable } from './field-table.js';

/** As many blocks as the topic index holds in memory. */
const SLOTS = 2 * INDEX_BLOCK_EVENTS;
const SLOT_MASK = SLOTS - 1;
/** The rows of one field of a block count as this many rows of the topic index. */
const ROWS_PER_FIELD = 256;

/**
 * Writes the index by field of each block whose events this log has appended since it was opened, one field at a time
 * and always inside a transaction of the caller's, once the topic index has the block. An append only notes the values.
 * Other blocks are the backlog, which a `FieldBacklog` reads from `events`. Without rows a block is read as a whole, so
 * that rows may come late.
 */
export class FieldWriter {
  readonly #meta: MetaTable;
  readonly table: FieldTable;
  /** By field: the values of the last `SLOTS` sequences. */
  readonly #values = Array.from({ length: FIELDS }, () => new Uint32Array(SLOTS));
  readonly #correlations = this.#values[CORRELATION]!;
  readonly #sources = this.#values[SOURCE]!;
  readonly #types = this.#values[TYPE]!;
  #lastNoted = 0;
  /** The block that is written next from memory, and its next field. */
  #block = 0;
  #field = 0;
  /** Blocks below this need nothing more. */
  #done: number;
  #committed = { block: 0, field: 0, done: 0 };

  constructor(database: Database) {
    this.#meta = new MetaTable(database);
    this.table = new FieldTable(database);
    this.#done = Math.max(this.#meta.get(FIELD_BLOCKS), this.#meta.get(PRUNED_BLOCKS));
    this.commit();
  }

  /** The log is open, and its next event has the sequence `next`. */
  start(next: number): void {
    // There is no sequence 0.
    this.#block = next === 1 ? 0 : Math.ceil(next / INDEX_BLOCK_EVENTS);
    this.commit();
  }

  note(sequence: number, correlation: number, source: number, type: number): void {
    const slot = sequence & SLOT_MASK;
    this.#correlations[slot] = correlation;
    this.#sources[slot] = source;
    this.#types[slot] = type;
    this.#lastNoted = sequence;
  }

  /** Blocks below this need nothing more. */
  get done(): number {
    return this.#done;
  }

  /** The number of blocks that are to be read from `events`. Blocks below `writtenBlocks` are in the topic index. */
  backlog(writtenBlocks: number): number {
    return Math.max(0, Math.min(this.#block, writtenBlocks) - this.#done);
  }

  isDue(writtenBlocks: number): boolean {
    return this.#block < writtenBlocks;
  }

  /**
   * Writes fields of the oldest block, at least one, and no more than `rows` rows of the topic index would take.
   * @returns the rows that are left
   */
  step(rows: number, writtenBlocks: number): number {
    let left = rows;
    while (left > 0 && this.isDue(writtenBlocks)) {
      left -= ROWS_PER_FIELD;
      this.#writeField();
    }
    return left;
  }

  /** Notes in `meta`, in the caller's transaction, that blocks below `done` need nothing more. */
  advance(done: number): void {
    this.#done = done;
    this.#meta.set({ [FIELD_BLOCKS]: done });
  }

  commit(): void {
    const committed = this.#committed;
    committed.block = this.#block;
    committed.field = this.#field;
    committed.done = this.#done;
  }

  rollback(): void {
    this.#block = this.#committed.block;
    this.#field = this.#committed.field;
    this.#done = this.#committed.done;
  }

  #writeField(): void {
    const block = this.#block;
    const start = block * INDEX_BLOCK_EVENTS;
    // A block that was overwritten in memory before its turn is left to the backlog.
    if (this.#lastNoted >= start + SLOTS) {
      this.#block++;
      this.#field = 0;
      return;
    }
    const slot = start & SLOT_MASK;
    const values = this.#values[this.#field]!.subarray(slot, slot + INDEX_BLOCK_EVENTS);
    this.table.write(block, this.#field, values);
    if (++this.#field < FIELDS) return;
    this.#field = 0;
    this.#block++;
    if (this.#done === block) this.advance(block + 1);
  }
}
