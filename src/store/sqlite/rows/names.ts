import { BusError } from '../../../protocol/errors.js';
import type { Database, Statement } from '../driver/driver.js';
import { hashOfText } from '../encoding/text-hash.js';

/** Names that a cache holds; beyond it the cache is emptied and names are looked up again. */
const NAMES_CACHED_MAX = 65_536;

/**
 * Looks up texts by id: topics, or types and sources. For one connection. It may cache, since a committed row never
 * changes its name.
 */
export class NameReader {
  readonly #byId = new Map<number, string>();
  readonly #select: Statement<[number]>;
  readonly #table: string;

  constructor(database: Database, table: 'names' | 'topics') {
    this.#table = table;
    this.#select = database.prepare<[number]>(`SELECT name FROM ${table} WHERE id = ?`).pluck();
  }

  name(id: number): string {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const name = this.#select.get(id);
    if (typeof name !== 'string') {
      throw new BusError(
        'STORE_CORRUPT',
        `a row refers to ${id} in ${this.#table}, which does not exist`,
      );
    }
    if (this.#byId.size >= NAMES_CACHED_MAX) this.#byId.clear();
    this.#byId.set(id, name);
    return name;
  }

  forget(): void {
    this.#byId.clear();
  }
}

/** A type or source as a row and the index by field refer to it. */
export interface StoredName {
  readonly id: number;
  readonly hash: number;
}

/** Looks up the ids of types and sources, and assigns new ones in the batch that needs them. The writer's alone. */
export class NameWriter {
  readonly #known = new Map<string, StoredName>();
  readonly #select: Statement<[string]>;
  readonly #nameOf: Statement<[number]>;
  readonly #insert: Statement<[string]>;
  readonly #file: string;
  #addedInBatch = false;

  constructor(database: Database) {
    this.#file = database.name;
    this.#select = database.prepare<[string]>('SELECT id FROM names WHERE name = ?').pluck();
    this.#nameOf = database.prepare<[number]>('SELECT name FROM names WHERE id = ?').pluck();
    this.#insert = database.prepare<[string]>('INSERT INTO names (name) VALUES (?)');
  }

  /** Must be called inside the batch's transaction. */
  of(name: string): StoredName {
    return this.#known.get(name) ?? this.#find(name);
  }

  commit(): void {
    this.#addedInBatch = false;
  }

  /**
   * Forgets all cached names if the batch has added any; they are looked up again when they are needed. Returns whether
   * it did.
   */
  rollback(): boolean {
    if (!this.#addedInBatch) return false;
    this.#known.clear();
    this.#addedInBatch = false;
    return true;
  }

  #find(name: string): StoredName {
    if (this.#known.size >= NAMES_CACHED_MAX) this.#known.clear();
    const stored = { id: this.#idOf(name), hash: hashOfText(name) };
    this.#known.set(name, stored);
    return stored;
  }

  #idOf(name: string): number {
    const found = this.#select.get(name);
    if (typeof found === 'number') {
      // The index over names gave the id, but readers go by the table, so the two must agree.
      if (this.#nameOf.get(found) !== name) throw this.#damaged(name, found);
      return found;
    }
    this.#addedInBatch = true;
    return Number(this.#insert.run(name).lastInsertRowid);
  }

  #damaged(name: string, id: number): BusError {
    const reason = `the table names is damaged: ${JSON.stringify(name)} is not number ${id}`;
    return new BusError('STORE_CORRUPT', `${this.#file}: ${reason}`, {
      details: { file: this.#file, reason },
    });
  }
}
