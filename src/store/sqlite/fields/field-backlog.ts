import type { Database } from '../driver/driver.js';
import { INDEX_BLOCK_EVENTS, SPARSE_BLOCK_EVENTS } from '../tables/tables.js';
import type { CheckedValues } from './checked-values.js';
import { CORRELATION, FIELDS, NO_VALUE, SOURCE, TYPE } from './field-rows.js';
import type { FieldWriter } from './field-writer.js';

/** Rows of `events` that one step reads and checks. A publish may wait for a step. */
const ROWS_PER_STEP = 128;
/** Blocks that one step finds to have their rows already. */
const BLOCKS_PER_STEP = 64;

/**
 * Writes the index by field of blocks that an earlier version of the log has left without one, or that an earlier
 * opening has appended to: from the rows of `events`, oldest block first, in bounded steps while the log is in use. A
 * block is written at once when all of it has been read, so an opening goes on with the block at which the last one
 * stood.
 *
 * A block with a damaged event gets no rows, since the damage might be in the value: who looks there reads the block,
 * and is told. Nor does a block of which hardly anything is left.
 */
export class FieldBacklog {
  readonly #database: Database;
  readonly #writer: FieldWriter;
  readonly #read: CheckedValues;
  /** By field: the values of the block that is being read. Made with the first block. */
  #values: Uint32Array[] = [];
  #block = -1;
  /** The last sequence that was read, and the number of events found. */
  #at = 0;
  #found = 0;

  constructor(database: Database, writer: FieldWriter, read: CheckedValues) {
    this.#database = database;
    this.#writer = writer;
    this.#read = read;
  }

  /** Blocks that are left. Blocks below `writtenBlocks` are in the topic index. */
  left(writtenBlocks: number): number {
    return this.#writer.backlog(writtenBlocks);
  }

  /** Does one step, with a transaction of its own if it has something to write. */
  step(writtenBlocks: number): void {
    const block = this.#writer.done;
    if (block !== this.#block) {
      const next = this.#passed(block, writtenBlocks);
      if (next > block) {
        this.#write(() => this.#writer.advance(next));
        return;
      }
      this.#begin(block);
    }
    if (this.#readOn(block)) this.#end(block);
  }

  /** The first block from `block` on that has no rows yet. */
  #passed(block: number, writtenBlocks: number): number {
    const end = block + Math.min(BLOCKS_PER_STEP, this.left(writtenBlocks));
    let next = block;
    while (next < end && this.#writer.table.has(next)) next++;
    return next;
  }

  #begin(block: number): void {
    if (this.#values.length === 0) {
      this.#values = Array.from({ length: FIELDS }, () => new Uint32Array(INDEX_BLOCK_EVENTS));
    }
    for (const values of this.#values) values.fill(NO_VALUE);
    this.#block = block;
    this.#at = Math.max(0, block * INDEX_BLOCK_EVENTS - 1);
    this.#found = 0;
  }

  /** Reads on; true when the block has been read, or cannot be. */
  #readOn(block: number): boolean {
    const start = block * INDEX_BLOCK_EVENTS;
    const last = start + INDEX_BLOCK_EVENTS - 1;
    const until = Math.min(last, this.#at + ROWS_PER_STEP);
    const values = this.#values;
    const isSound = this.#read.read(this.#at, until, (sequence, correlation, source, type) => {
      const slot = sequence - start;
      this.#found++;
      values[CORRELATION]![slot] = correlation;
      values[SOURCE]![slot] = source;
      values[TYPE]![slot] = type;
    });
    if (!isSound) this.#found = 0;
    // Nothing behind the damage is read, also if the store is full and the block has to be ended again.
    this.#at = isSound ? until : last;
    return this.#at === last;
  }

  #end(block: number): void {
    this.#write(() => {
      if (this.#found >= SPARSE_BLOCK_EVENTS) {
        for (const [field, values] of this.#values.entries()) {
          this.#writer.table.write(block, field, values);
        }
      }
      this.#writer.advance(block + 1);
    });
    this.#block = -1;
  }

  #write(work: () => void): void {
    try {
      this.#database.transaction(work).immediate();
    } catch (error) {
      this.#writer.rollback();
      throw error;
    }
    this.#writer.commit();
  }
}
