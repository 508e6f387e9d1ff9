import { targetOf } from '../sink-life.js';

/**
 * Where a projection keeps its rows and its position: a store of the user's, or one of the SQLite bindings as it is.
 */

type Awaitable<T> = T | Promise<T>;

/**
 * Transactions of a database, for `project`. All of its functions may be asynchronous. Two transactions of one name must
 * never both be under way between `position` and their end, also before a position was ever stored: in Postgres
 * `position` begins with `SELECT pg_advisory_xact_lock(hashtext($1))`.
 */
export interface ProjectionStore<T = unknown> {
  /** Begins a transaction, which `apply` gets and writes by. */
  begin(): Awaitable<T>;
  /** The text that was committed last under this name, or `undefined`. Makes other transactions of the name wait. */
  position(transaction: T, name: string): Awaitable<string | undefined>;
  /** Stores the position under the name, in place of the former, and commits it together with all that was written. */
  commit(transaction: T, name: string, position: string): Awaitable<void>;
  /** Undoes the transaction. Called after any failure, of `position` and `commit` too. */
  rollback(transaction: T): Awaitable<void>;
}

/** A connection of `better-sqlite3`, or a `DatabaseSync` of `node:sqlite`. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
}

export interface SqliteStatement {
  get(...values: unknown[]): unknown;
  all(...values: unknown[]): unknown[];
  run(...values: unknown[]): unknown;
}

export function isSqlite(db: unknown): db is SqliteDatabase {
  const { exec, prepare } = (db ?? {}) as Partial<SqliteDatabase>;
  return typeof exec === 'function' && typeof prepare === 'function';
}

/** The file of a connection, as far as its binding says: `better-sqlite3`, and `node:sqlite` from Node 24 on. */
export function databaseName(db: object): string | undefined {
  const { name, location } = db as { readonly name?: unknown; readonly location?: unknown };
  const file = typeof location === 'function' ? callOrNothing(() => location.call(db)) : name;
  return typeof file === 'string' && file !== '' ? targetOf(file) : undefined;
}

/** A connection that is closed does not say it. */
function callOrNothing(call: () => unknown): unknown {
  try {
    return call();
  } catch {
    return undefined;
  }
}

export function isProjectionStore(db: unknown): db is ProjectionStore {
  const { begin, position, commit, rollback } = (db ?? {}) as Partial<ProjectionStore>;
  return [begin, position, commit, rollback].every((one) => typeof one === 'function');
}

/**
 * The store in the user's own connection. Every function is synchronous, so no other code of the thread comes between the
 * beginning and the end of a transaction. It flushes each commit, because the event's ack, which follows, is flushed.
 */
export class SqliteProjectionStore<D extends SqliteDatabase> implements ProjectionStore<D> {
  readonly #db: D;
  #isReady = false;

  constructor(db: D) {
    this.#db = db;
  }

  begin(): D {
    this.#prepare();
    this.#db.exec('BEGIN IMMEDIATE');
    return this.#db;
  }

  position(db: D, name: string): string | undefined {
    const row = db.prepare('SELECT position FROM millrace_projections WHERE name = ?').get(name);
    return (row as { position: string } | undefined)?.position;
  }

  commit(db: D, name: string, position: string): void {
    db.prepare(
      `INSERT INTO millrace_projections (name, position) VALUES (?, ?)
       ON CONFLICT (name) DO UPDATE SET position = excluded.position`,
    ).run(name, position);
    db.exec('COMMIT');
  }

  rollback(db: D): void {
    try {
      db.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself, as it does on a full disk.
    }
  }

  #prepare(): void {
    if (this.#isReady) return;
    this.#db.exec('PRAGMA synchronous = FULL');
    this.#db.exec(
      'CREATE TABLE IF NOT EXISTS millrace_projections (name TEXT PRIMARY KEY, position TEXT NOT NULL)',
    );
    this.#isReady = true;
  }
}
