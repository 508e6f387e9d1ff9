import { BusError } from '../protocol/errors.js';
import type { Database, Statement } from './driver.js';
import type { EventRow } from './row-decoder.js';
import { ROW_COLUMNS } from './row-decoder.js';

/** Rows fetched at once; bounds what large payloads can occupy. */
const ROWS_PER_FETCH = 64;
/** The first fetch is small, for the many reads that want one event. */
const ROWS_FIRST_FETCH = 8;

/** Reads rows of `events` over a range of sequences, a bounded number at a time. */
export class RowReader {
  readonly #file: string;
  readonly #forward: Statement<[number, number, number], EventRow>;
  readonly #backward: Statement<[number, number, number], EventRow>;
  readonly #one: Statement<[number], EventRow>;

  constructor(database: Database) {
    this.#file = database.name;
    const range = `SELECT ${ROW_COLUMNS} FROM events WHERE sequence > ? AND sequence <= ?`;
    this.#forward = rawRows(database, `${range} ORDER BY sequence LIMIT ?`);
    this.#backward = rawRows(database, `${range} ORDER BY sequence DESC LIMIT ?`);
    this.#one = database
      .prepare<[number], EventRow>(`SELECT ${ROW_COLUMNS} FROM events WHERE sequence = ?`)
      .raw();
  }

  one(sequence: number): EventRow | undefined {
    return this.#one.get(sequence);
  }

  /** Visits the rows in `(after, until]`, oldest first or newest first, until `visit` returns false. */
  range(after: number, until: number, reverse: boolean, visit: (row: EventRow) => boolean): void {
    const select = reverse ? this.#backward : this.#forward;
    let low = after;
    let high = until;
    let fetch = ROWS_FIRST_FETCH;
    while (low < high) {
      const rows = select.all(low, high, fetch);
      for (const row of rows) {
        this.#assertNext(row[0], low, high);
        if (reverse) high = row[0] - 1;
        else low = row[0];
        if (!visit(row)) return;
      }
      if (rows.length < fetch) return;
      fetch = ROWS_PER_FETCH;
    }
  }

  /** A page of the file that holds another one's content gives rows out of order, and the same ones again and again. */
  #assertNext(sequence: number, low: number, high: number): void {
    if (sequence > low && sequence <= high) return;
    const reason = `event ${sequence} lies where one after ${low} and up to ${high} belongs`;
    throw new BusError('STORE_CORRUPT', `${this.#file}: ${reason}`, {
      details: { file: this.#file, sequence, reason },
    });
  }
}

function rawRows(database: Database, sql: string): Statement<[number, number, number], EventRow> {
  return database.prepare<[number, number, number], EventRow>(sql).raw();
}
