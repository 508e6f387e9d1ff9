import type { Database } from '../driver/driver.js';
import { FIELD_BLOCKS, MetaTable, PRUNED_BLOCKS } from '../tables/meta-table.js';
import { INDEX_BLOCK_EVENTS } from '../tables/tables.js';
import { FIELDS } from './field-rows.js';
import { FieldTable } from './field-table.js';
import type { RecentValues } from './recent-values.js';

/** The rows of one field of a block count as this many rows of the topic index. */
const ROWS_PER_FIELD = 256;

/**
 * Writes the index by field of each block whose events' values are in memory, one field at a time
 * and always inside a transaction of the caller's, once the topic index has the block. An append only notes the values in
 * `RecentValues`. Other blocks are the backlog, which a `FieldBacklog` reads from `events`. Without rows a block is
 * read as a whole, so that rows may come late.
 */
export class FieldWriter {
  readonly #meta: MetaTable;
  readonly table: FieldTable;
  readonly recent: RecentValues;
  /** The block that is written next from memory, and its next field. */
  #block = 0;
  #field = 0;
  /** Blocks below this need nothing more. */
  #done: number;
  #committed = { block: 0, field: 0, done: 0 };

  constructor(database: Database, recent: RecentValues) {
    this.recent = recent;
    this.#meta = new MetaTable(database);
    this.table = new FieldTable(database);
    this.#done = Math.max(this.#meta.get(FIELD_BLOCKS), this.#meta.get(PRUNED_BLOCKS));
    this.commit();
  }

  /** The log is open, and its next event has the sequence `next`. */
  start(next: number): void {
    this.recent.start(next);
    this.#block = firstWholeBlock(next);
    this.commit();
  }

  /** The values of all events from `first` on are in memory. */
  extendTo(first: number): void {
    this.recent.extendTo(first);
    this.#block = Math.min(this.#block, Math.max(firstWholeBlock(first), this.#done));
    this.#field = 0;
    this.commit();
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
    // A block that was overwritten in memory before its turn is left to the backlog.
    if (!this.recent.keeps(block * INDEX_BLOCK_EVENTS)) {
      this.#block++;
      this.#field = 0;
      return;
    }
    this.table.write(block, this.#field, this.recent.ofBlock(block, this.#field));
    if (++this.#field < FIELDS) return;
    this.#field = 0;
    this.#block++;
    if (this.#done === block) this.advance(block + 1);
  }
}

/** The first block that has no event before `sequence`. There is no sequence 0. */
function firstWholeBlock(sequence: number): number {
  return sequence === 1 ? 0 : Math.ceil(sequence / INDEX_BLOCK_EVENTS);
}
