import type { MetaTable } from './meta-table.js';

/**
 * The number of rows of a table, in memory and in `meta`. Changes count from when they are made; the one who commits the
 * transaction says whether they stay. The thread that owns the log.
 */
export class RowCount {
  readonly #meta: MetaTable;
  readonly #key: string;
  #committed: number;
  /** The change since the transaction began. */
  #added = 0;

  /** @param key the number's name in `meta` */
  constructor(meta: MetaTable, key: string) {
    this.#meta = meta;
    this.#key = key;
    this.#committed = meta.get(key);
  }

  /** With the changes of the open transaction. */
  get value(): number {
    return this.#committed + this.#added;
  }

  /** Counts rows that were inserted; a negative number counts rows that were deleted. */
  add(rows: number): void {
    this.#added += rows;
  }

  /** Writes the number, in the transaction. */
  finish(): void {
    if (this.#added !== 0) this.#meta.set({ [this.#key]: this.value });
  }

  commit(): void {
    this.#committed += this.#added;
    this.#added = 0;
  }

  /** The transaction is undone, or about to be. */
  rollback(): void {
    this.#added = 0;
  }
}
