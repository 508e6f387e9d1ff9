import type { Database, Statement } from '../driver/driver.js';
import { FirstTime } from '../tables/first-time.js';
import { EXPIRIES_COUNT, MetaTable } from '../tables/meta-table.js';
import { RowCount } from '../tables/row-count.js';
import { checksumOf } from './checksums.js';

/** A row of `expiries`. */
type ExpiryRow = [expiresAt: number, sequence: number, checksum: number];

const NOTHING = Buffer.alloc(0);

/** An entry of the table, sound or not. */
export interface ExpiryEntry {
  readonly expiresAt: number;
  readonly sequence: number;
  readonly isSound: boolean;
}

/**
 * The table `expiries`: when events expire. A row is written in the transaction of its event and deleted with it, for
 * whatever reason the event goes. In memory are the number of rows and the first time alone.
 */
export class ExpiryTable {
  readonly #insert: Statement<ExpiryRow>;
  readonly #delete: Statement<[number, number]>;
  readonly #due: Statement<[number], ExpiryRow>;
  readonly #first: FirstTime;
  readonly #count: RowCount;

  constructor(database: Database) {
    this.#insert = database.prepare('INSERT INTO expiries VALUES (?, ?, ?)');
    this.#delete = database.prepare('DELETE FROM expiries WHERE expires_at = ? AND sequence = ?');
    const order = 'expires_at, sequence';
    const due = `SELECT * FROM expiries WHERE expires_at <= ? ORDER BY ${order}`;
    this.#due = database.prepare<[number], ExpiryRow>(due).raw();
    this.#first = new FirstTime(database, 'expiries', order);
    this.#count = new RowCount(new MetaTable(database), EXPIRIES_COUNT);
  }

  /** When the first event expires, ms since 1970; `Infinity` if none does. Call it outside a batch. */
  get first(): number {
    return this.#first.value;
  }

  add(expiresAt: number, sequence: number): void {
    this.#insert.run(expiresAt, sequence, expiryChecksum(expiresAt, sequence));
    this.#count.add(1);
    this.#first.changed();
  }

  /** The event is removed. */
  remove(expiresAt: number, sequence: number): void {
    this.#count.add(-this.#delete.run(expiresAt, sequence).changes);
    this.#first.changed();
  }

  /** Entries whose time has come, the first ones first. */
  *due(now: number): Generator<ExpiryEntry, undefined> {
    for (const row of this.#due.iterate(now)) {
      const [expiresAt, sequence] = row;
      if (this.#first.isPassedOver(sequence)) continue;
      yield { expiresAt, sequence, isSound: isSound(row) };
    }
  }

  /** The entry cannot be dealt with: it stays, and is not due any more. */
  passOver(sequence: number): void {
    this.#first.passOver(sequence);
  }

  /** Writes the number of rows, in the transaction. */
  finish(): void {
    this.#count.finish();
  }

  commit(): void {
    this.#count.commit();
  }

  /** The transaction is undone, or about to be. */
  rollback(): void {
    this.#count.rollback();
    this.#first.changed();
  }
}

/** Yields a text for each fault of the table: a damaged row, or a wrong number of rows. */
export function* expiryProblems(database: Database): Generator<string> {
  const expected = new MetaTable(database).get(EXPIRIES_COUNT);
  const rows = database.prepare<[], ExpiryRow>('SELECT * FROM expiries').raw();
  let count = 0;
  for (const row of rows.iterate()) {
    count++;
    if (!isSound(row)) yield expiryDamage(row[1]);
  }
  if (count === expected) return;
  yield `the table expiries is damaged: it has ${count} rows, not ${expected}`;
}

export function expiryDamage(sequence: number): string {
  return `the row of event ${sequence} in expiries is damaged`;
}

/** A damaged row may have a value of any type in any column. */
function isSound([expiresAt, sequence, checksum]: ExpiryRow): boolean {
  return checksum === expiryChecksum(expiresAt, sequence);
}

function expiryChecksum(expiresAt: number, sequence: number): number {
  return checksumOf(NOTHING, [expiresAt, sequence]);
}
