import type { Database, Statement } from './driver.js';
import type { EventRow } from './row-decoder.js';
import { ROW_COLUMNS } from './row-decoder.js';

/** Rows fetched at once; bounds what large payloads can occupy. */
const ROWS_PER_FETCH = 64;
/** The first fetch is small, for the many reads that want one event. */
const ROWS_FIRST_FETCH = 8;

/** Reads rows of `events` over a range of sequences, a bounded number at a time. */
export class RowReader {
  readonly #forward: Statement<[number, number, number], EventRow>;
  readonly #backward: Statement<[number, number, number], EventRow>;
  readonly #one: Statement<[number], EventRow>;

  constructor(database: Database) {
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
      for (const row of rows) if (!visit(row)) return;
      if (rows.length < fetch) return;
      const last = rows[rows.length - 1]![0];
      if (reverse) high = last - 1;
      else low = last;
      fetch = ROWS_PER_FETCH;
    }
  }
}

function rawRows(database: Database, sql: string): Statement<[number, number, number], EventRow> {
  return database.prepare<[number, number, number], EventRow>(sql).raw();
}
