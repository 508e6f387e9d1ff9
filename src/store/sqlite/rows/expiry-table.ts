import type { Database, Statement } from '../driver/driver.js';
import { EXPIRIES_COUNT, MetaTable } from '../tables/meta-table.js';
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
  readonly #meta: MetaTable;
  readonly #insert: Statement<ExpiryRow>;
  readonly #delete: Statement<[number, number]>;
  readonly #first: Statement<[number], [number, number]>;
  readonly #due: Statement<[number], ExpiryRow>;
  /** The sequences of entries that cannot be dealt with. */
  readonly #passedOver = new Set<number>();
  #count: number;
  /** The change in the number of rows since the transaction began. */
  #added = 0;
  #firstAt = 0;
  #isStale = true;

  constructor(database: Database) {
    this.#meta = new MetaTable(database);
    this.#insert = database.prepare('INSERT INTO expiries VALUES (?, ?, ?)');
    this.#delete = database.prepare('DELETE FROM expiries WHERE expires_at = ? AND sequence = ?');
    const order = 'ORDER BY expires_at, sequence';
    this.#first = database
      .prepare<[number], [number, number]>(
        `SELECT expires_at, sequence FROM expiries ${order} LIMIT ?`,
      )
      .raw();
    this.#due = database
      .prepare<[number], ExpiryRow>(`SELECT * FROM expiries WHERE expires_at <= ? ${order}`)
      .raw();
    this.#count = this.#meta.get(EXPIRIES_COUNT);
  }

  /** When the first event expires, ms since 1970; `Infinity` if none does. Call it outside a batch. */
  get first(): number {
    if (this.#isStale) {
      const firsts = this.#first.all(this.#passedOver.size + 1);
      const first = firsts.find(([, sequence]) => !this.#passedOver.has(sequence));
      this.#firstAt = first?.[0] ?? Number.POSITIVE_INFINITY;
      this.#isStale = false;
    }
    return this.#firstAt;
  }

  add(expiresAt: number, sequence: number): void {
    this.#insert.run(expiresAt, sequence, expiryChecksum(expiresAt, sequence));
    this.#added++;
    this.#isStale = true;
  }

  /** The event is removed. */
  remove(expiresAt: number, sequence: number): void {
    this.#added -= this.#delete.run(expiresAt, sequence).changes;
    this.#isStale = true;
  }

  /** Entries whose time has come, the first ones first. */
  *due(now: number): Generator<ExpiryEntry, undefined> {
    for (const row of this.#due.iterate(now)) {
      const [expiresAt, sequence] = row;
      if (this.#passedOver.has(sequence)) continue;
      yield { expiresAt, sequence, isSound: isSound(row) };
    }
  }

  /** The entry cannot be dealt with: it stays, and is not due any more. */
  passOver(sequence: number): void {
    this.#passedOver.add(sequence);
    this.#isStale = true;
  }

  /** Writes the number of rows, in the transaction. */
  finish(): void {
    if (this.#added !== 0) this.#meta.set({ [EXPIRIES_COUNT]: this.#count + this.#added });
  }

  commit(): void {
    this.#count += this.#added;
    this.#added = 0;
  }

  /** The transaction is undone, or about to be. */
  rollback(): void {
    if (this.#added !== 0) this.#isStale = true;
    this.#added = 0;
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
