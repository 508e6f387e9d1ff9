import type { Database } from '../driver/driver.js';
import { storeError } from '../driver/store-errors.js';
import type { EventRow } from '../rows/event-row.js';
import type { NameReader } from '../rows/names.js';
import { RecordBuffer } from '../rows/record-buffer.js';
import type { RowDecoder } from '../rows/row-decoder.js';
import { RowReader } from '../rows/row-reader.js';
import { INDEX_BLOCK_EVENTS, SPARSE_BLOCK_EVENTS } from '../tables/tables.js';
import { CORRELATION, FIELDS, NO_VALUE, SOURCE, TYPE, valueOfText } from './field-rows.js';
import type { FieldWriter } from './field-writer.js';

/** Rows of `events` that one step reads. Each is checked against its checksum, which takes most of the time. */
const ROWS_PER_STEP = 512;
/** Blocks that one step finds to have their rows already. */
const BLOCKS_PER_STEP = 64;
const BUFFER_BYTES = 64 * 1024;
const NAMES_CACHED_MAX = 65_536;

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
  readonly #rows: RowReader;
  readonly #records: RecordBuffer;
  readonly #names: NameReader;
  /** Values of types and sources by the id of their name. */
  readonly #valuesOfNames = new Map<number, number>();
  /** By field: the values of the block that is being read. Made with the first block. */
  #values: Uint32Array[] = [];
  #block = -1;
  /** The last sequence that was read, and the number of events found. */
  #at = 0;
  #found = 0;

  constructor(database: Database, writer: FieldWriter, decoder: RowDecoder, names: NameReader) {
    this.#database = database;
    this.#writer = writer;
    this.#rows = new RowReader(database);
    this.#records = new RecordBuffer(decoder, BUFFER_BYTES);
    this.#names = names;
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
    const isEnd = this.#read(block);
    if (isEnd) this.#end(block);
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
  #read(block: number): boolean {
    const start = block * INDEX_BLOCK_EVENTS;
    const last = start + INDEX_BLOCK_EVENTS - 1;
    const until = Math.min(last, this.#at + ROWS_PER_STEP);
    try {
      this.#rows.range(this.#at, until, false, (row) => {
        this.#note(row, row[0] - start);
        return true;
      });
    } catch (error) {
      const failure = storeError(error, this.#database.name, 'indexing');
      if (failure.code !== 'STORE_CORRUPT') throw error;
      this.#found = 0;
      return true;
    }
    this.#at = until;
    return until === last;
  }

  #note(row: EventRow, slot: number): void {
    this.#records.clear();
    this.#records.check(row);
    const [, , , type, source] = row;
    const correlationId = row[10];
    this.#found++;
    this.#values[TYPE]![slot] = this.#valueOfName(type);
    this.#values[SOURCE]![slot] = this.#valueOfName(source);
    if (correlationId !== null) this.#values[CORRELATION]![slot] = valueOfText(correlationId);
  }

  #valueOfName(id: number): number {
    const known = this.#valuesOfNames.get(id);
    if (known !== undefined) return known;
    const value = valueOfText(this.#names.name(id));
    if (this.#valuesOfNames.size >= NAMES_CACHED_MAX) this.#valuesOfNames.clear();
    this.#valuesOfNames.set(id, value);
    return value;
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
