import { BusError } from '../../../protocol/errors.js';
import type { PayloadReference } from '../../directory/payload-files.js';
import type { Database, Statement } from '../driver/driver.js';
import { MetaTable, PAYLOAD_FILES_COUNT } from '../tables/meta-table.js';
import {
  isSoundPayload,
  PAYLOAD_COLUMNS,
  type PayloadRow,
  payloadChecksum,
} from './payload-rows.js';

/**
 * What the table says of a file. `used`: it is there and events refer to it. `unused`: none does any more, and it may be
 * gone. `damaged`: its row cannot be trusted.
 */
export type PayloadState = 'none' | 'unused' | 'used' | 'damaged';

/** What changes in a transaction. */
interface Change {
  rows: number;
  bytes: number;
  unused: number;
}

const NO_CHANGE: Readonly<Change> = { rows: 0, bytes: 0, unused: 0 };

/** The table `payload_files`: how many events refer to each file. A file with none waits in it to be removed. */
export class PayloadTable {
  readonly #meta: MetaTable;
  readonly #one: Statement<[string], PayloadRow>;
  readonly #unused: Statement<[], PayloadRow>;
  readonly #insert: Statement<PayloadRow>;
  readonly #update: Statement<[refs: number, checksum: number, hash: string]>;
  readonly #delete: Statement<[string]>;
  #total: Readonly<Change>;
  /** The change since the transaction began. */
  #change: Change = { ...NO_CHANGE };

  /** @throws BusError `STORE_CORRUPT` if rows are missing */
  constructor(database: Database) {
    this.#meta = new MetaTable(database);
    this.#one = database
      .prepare<[string], PayloadRow>(`SELECT ${PAYLOAD_COLUMNS} FROM payload_files WHERE hash = ?`)
      .raw();
    this.#unused = database
      .prepare<[], PayloadRow>(`SELECT ${PAYLOAD_COLUMNS} FROM payload_files WHERE refs = 0`)
      .raw();
    this.#insert = database.prepare<PayloadRow>(
      `INSERT INTO payload_files (${PAYLOAD_COLUMNS}) VALUES (?, ?, ?, ?)`,
    );
    this.#update = database.prepare(
      'UPDATE payload_files SET refs = ?, checksum = ? WHERE hash = ?',
    );
    this.#delete = database.prepare('DELETE FROM payload_files WHERE hash = ? AND refs = 0');
    this.#total = totalOf(database);
    const expected = this.#meta.get(PAYLOAD_FILES_COUNT);
    if (this.#total.rows === expected) return;
    const { name: file } = database;
    const reason = `the table payload_files is damaged: it has ${this.#total.rows} rows, not ${expected}`;
    throw new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
  }

  /** Files that the table knows, with those that wait to be removed. */
  get count(): number {
    return this.#total.rows + this.#change.rows;
  }

  /** Bytes of these files. */
  get bytes(): number {
    return this.#total.bytes + this.#change.bytes;
  }

  /** Files that wait to be removed. */
  get unused(): number {
    return this.#total.unused + this.#change.unused;
  }

  stateOf({ hash, length }: PayloadReference): PayloadState {
    const row = this.#one.get(hash);
    if (row === undefined) return 'none';
    if (!isSoundPayload(row) || row[1] !== length) return 'damaged';
    return row[2] > 0 ? 'used' : 'unused';
  }

  /** One more event refers to the file, whose row is not damaged. Returns the state before. */
  take(reference: PayloadReference): Exclude<PayloadState, 'damaged'> {
    const { hash, length } = reference;
    const refs = this.#one.get(hash)?.[2];
    if (refs === undefined) {
      this.#insert.run(hash, length, 1, payloadChecksum(hash, length, 1));
      this.#change.rows++;
      this.#change.bytes += length;
      return 'none';
    }
    this.#set(reference, refs + 1);
    if (refs > 0) return 'used';
    this.#change.unused--;
    return 'unused';
  }

  /** One event fewer refers to the file; false if its row is damaged or missing, or says that none does. */
  release(reference: PayloadReference): boolean {
    if (this.stateOf(reference) !== 'used') return false;
    const refs = this.#one.get(reference.hash)![2] - 1;
    this.#set(reference, refs);
    if (refs === 0) this.#change.unused++;
    return true;
  }

  /** Some files to which no event refers. A damaged row may only seem to be of such a file. */
  someUnused(limit: number): string[] {
    const found: string[] = [];
    for (const row of this.#unused.iterate()) {
      if (isSoundPayload(row) && row[2] === 0 && found.push(row[0]) >= limit) break;
    }
    return found;
  }

  has(hash: string): boolean {
    return this.#one.get(hash) !== undefined;
  }

  /** Forgets a file that no event refers to. */
  forget(hash: string): void {
    const length = this.#one.get(hash)?.[1] ?? 0;
    const { changes } = this.#delete.run(hash);
    this.#change.rows -= changes;
    this.#change.unused -= changes;
    this.#change.bytes -= changes * length;
  }

  /** Writes the number of rows, in the transaction. */
  finish(): void {
    if (this.#change.rows !== 0) this.#meta.set({ [PAYLOAD_FILES_COUNT]: this.count });
  }

  commit(): void {
    const { count: rows, bytes, unused } = this;
    this.#total = { rows, bytes, unused };
    this.#change = { ...NO_CHANGE };
  }

  /** The transaction is undone, or about to be. */
  rollback(): void {
    this.#change = { ...NO_CHANGE };
  }

  #set({ hash, length }: PayloadReference, refs: number): void {
    this.#update.run(refs, payloadChecksum(hash, length, refs), hash);
  }
}

function totalOf(database: Database): Change {
  const [rows, bytes, unused] = database
    .prepare<[], [number, number, number]>(
      `SELECT count(*), coalesce(sum(length), 0), coalesce(sum(refs = 0), 0) FROM payload_files`,
    )
    .raw()
    .get()!;
  return { rows, bytes, unused };
}
