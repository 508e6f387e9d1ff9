import { BusError } from '../../../protocol/errors.js';
import type { Database, Statement } from '../driver/driver.js';
import { CHECKED_FROM, MetaTable } from '../tables/meta-table.js';
import { HEAD_IS_WRONG_SQL } from './checksums.js';
import { type EventRow, rowColumns } from './event-row.js';
import { PrunedSequences } from './pruned-sequences.js';

/**
 * Rows that are fetched at once. The first is of one row, for the many reads that want one event; each next one grows as
 * long as payloads like those of the last would not have more than so many characters.
 */
const ROWS_FIRST_FETCH = 1;
const ROWS_PER_FETCH = 64;
const FETCH_GROWTH = 8;
const FETCH_CHARACTERS = 1024 * 1024;

/**
 * Reads rows of `events` over a range of sequences, a bounded number at a time. Sequences are assigned without holes,
 * so a missing row must be known to have been pruned.
 */
export class RowReader {
  readonly #file: string;
  readonly #onHole: (from: number, to: number) => void;
  readonly pruned: PrunedSequences;
  readonly #checkedFrom: number;
  readonly #forward: Statement<[number, number, number], EventRow>;
  readonly #backward: Statement<[number, number, number], EventRow>;
  readonly #one: Statement<[number], EventRow>;
  readonly #topicOf: Statement<[number, number], number>;

  /** `onHole` is called with sequences that have no row. By default it throws unless they were pruned. */
  constructor(database: Database, onHole?: (from: number, to: number) => void) {
    this.#file = database.name;
    this.pruned = new PrunedSequences(database);
    this.#onHole = onHole ?? ((from, to) => this.pruned.assertPruned(from, to));
    const numbers = new MetaTable(database).all();
    const columns = rowColumns(numbers);
    this.#checkedFrom = numbers[CHECKED_FROM] ?? Number.MAX_SAFE_INTEGER;
    this.#topicOf = database
      .prepare<[number, number], number>(
        `SELECT topic FROM events WHERE sequence = ? AND sequence >= ? AND NOT (${HEAD_IS_WRONG_SQL})`,
      )
      .pluck();
    const range = `SELECT ${columns} FROM events WHERE sequence > ? AND sequence <= ?`;
    this.#forward = rawRows(database, `${range} ORDER BY sequence LIMIT ?`);
    this.#backward = rawRows(database, `${range} ORDER BY sequence DESC LIMIT ?`);
    this.#one = database
      .prepare<[number], EventRow>(`SELECT ${columns} FROM events WHERE sequence = ?`)
      .raw();
  }

  /**
   * The row of a sequence; `undefined` if it was pruned. Call it within the snapshot of the last `pruned.refresh`.
   * @throws BusError `STORE_CORRUPT`
   */
  one(sequence: number): EventRow | undefined {
    const row = this.#one.get(sequence);
    if (row === undefined) this.#onHole(sequence, sequence);
    return row;
  }

  /**
   * The topic of a sequence, by the head of its row alone, which has a check of its own; `undefined` if there is no such
   * row, its head is damaged, or it was written before heads had checks.
   */
  topicOf(sequence: number): number | undefined {
    return this.#topicOf.get(sequence, this.#checkedFrom);
  }

  /**
   * Visits the rows in `(after, until]`, oldest first or newest first, until `visit` returns false.
   * @throws BusError `STORE_CORRUPT` where rows are out of order, or missing and not pruned
   */
  range(after: number, until: number, reverse: boolean, visit: (row: EventRow) => boolean): void {
    const select = reverse ? this.#backward : this.#forward;
    let low = after;
    let high = until;
    let fetch = ROWS_FIRST_FETCH;
    this.pruned.refresh();
    while (low < high) {
      const rows = select.all(low, high, fetch);
      let characters = 0;
      for (const row of rows) {
        const [sequence] = row;
        // NULL where the row is damaged.
        characters += (row[7] as string | null)?.length ?? 0;
        this.#assertNext(sequence, low, high);
        if (reverse) {
          if (sequence !== high) this.#onHole(sequence + 1, high);
          high = sequence - 1;
        } else {
          if (sequence !== low + 1) this.#onHole(low + 1, sequence - 1);
          low = sequence;
        }
        if (!visit(row)) return;
      }
      if (rows.length < fetch) break;
      const fitting = Math.ceil((FETCH_CHARACTERS * fetch) / Math.max(1, characters));
      fetch = Math.min(fetch * FETCH_GROWTH, fitting, ROWS_PER_FETCH);
    }
    if (low < high) this.#onHole(low + 1, high);
  }

  /**
   * Refuses rows out of order. A page of the file that holds another page's content gives such rows, and would give the
   * same ones again and again.
   */
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
