import type { Database, Statement } from '../sqlite/driver/driver.js';
import type { EventRow } from '../sqlite/rows/event-row.js';
import { expiryProblems } from '../sqlite/rows/expiry-table.js';
import { hasExpiries, MetaTable } from '../sqlite/tables/meta-table.js';

/** Compares the table of expiries with the events that expire. Nothing is kept in memory for each. */
export class ExpiryVerifier {
  readonly #database: Database;
  /** Undefined in a log of an earlier format, in which no event expires. */
  readonly #entry: Statement<[number, number], number> | undefined;
  #found = 0;

  constructor(database: Database) {
    this.#database = database;
    if (!hasExpiries(new MetaTable(database).all())) return;
    this.#entry = database
      .prepare<[number, number], number>(
        'SELECT count(*) FROM expiries WHERE expires_at = ? AND sequence = ?',
      )
      .pluck();
  }

  /** Yields what is wrong with the table by itself. */
  *problems(): Generator<string> {
    if (this.#entry !== undefined) yield* expiryProblems(this.#database);
  }

  /** What is wrong with the entry of an event, or `undefined`. */
  note([sequence, , , , , , , , , , , , , expiresAt]: EventRow): string | undefined {
    if (expiresAt === null || this.#entry === undefined) return undefined;
    if (this.#entry.get(expiresAt, sequence) === 0) return 'the table expiries does not have it';
    this.#found++;
    return undefined;
  }

  /** What is wrong once all events are noted, or `undefined`. */
  end(): string | undefined {
    if (this.#entry === undefined) return undefined;
    const rows = this.#database.prepare('SELECT count(*) FROM expiries').pluck().get();
    if (rows === this.#found) return undefined;
    return `the table expiries has ${rows} rows for ${this.#found} events that expire`;
  }
}
