import type { Database, Statement } from '../driver/driver.js';
import { checksumOf } from '../rows/checksums.js';
import { FIELD_INDEX_TABLE } from '../tables/tables.js';
import { FIELDS, FieldRows, PARTS, ROWS_PER_BLOCK, rowIdOf } from './field-rows.js';

/** A row as it is read. */
export type StoredFieldRow = [postings: Buffer, checksum: number];

export const SELECT_FIELD_ROW = 'SELECT postings, checksum FROM field_index WHERE id = ?';

/** Whether the row was written under this id and is undamaged. */
export function isSoundRow(id: number, [postings, checksum]: StoredFieldRow): boolean {
  return Buffer.isBuffer(postings) && checksum === checksumOf(postings, [id]);
}

/** Whether the log has the table. A log of an earlier version gets it when its first row is written. */
export function hasFieldTable(database: Database): boolean {
  const found = database.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'field_index'");
  return found.pluck().get() === 1;
}

/** Writes rows of `field_index`, in the caller's transactions. */
export class FieldTable {
  readonly #database: Database;
  readonly #rows = new FieldRows();
  #insert: Statement<[number, Buffer, number]> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Writes the rows of one field of a block. `values` has those of the block's events, by slot. */
  write(block: number, field: number, values: Uint32Array): void {
    // The transaction that has made the table may have been rolled back.
    this.#database.exec(FIELD_INDEX_TABLE);
    this.#insert ??= this.#database.prepare(
      'INSERT OR REPLACE INTO field_index (id, postings, checksum) VALUES (?, ?, ?)',
    );
    const insert = this.#insert;
    this.#rows.make(values, (part, row) => {
      const id = rowIdOf(block, field, part);
      insert.run(id, row, checksumOf(row, [id]));
    });
  }

  /** Whether the block has the row that is written last. */
  has(block: number): boolean {
    if (!hasFieldTable(this.#database)) return false;
    const found = this.#database.prepare<[number]>('SELECT 1 FROM field_index WHERE id = ?');
    return found.get(rowIdOf(block, FIELDS - 1, PARTS - 1)) !== undefined;
  }
}

/** Deletes the rows of the blocks `from` to `below - 1`, in the caller's transaction. */
export function deleteFieldRows(database: Database, from: number, below: number): void {
  if (!hasFieldTable(database)) return;
  database
    .prepare<[number, number]>('DELETE FROM field_index WHERE id >= ? AND id < ?')
    .run(from * ROWS_PER_BLOCK, below * ROWS_PER_BLOCK);
}
