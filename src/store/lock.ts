import { hostname } from 'node:os';
import { join } from 'node:path';
import { BusError } from '../protocol/errors.js';
import { type Database, isSqliteError, openDatabase } from './driver.js';
import { storeError } from './store-errors.js';

/**
 * One bus per directory. The holder keeps a write transaction open on `lock.db`, which the operating system
 * ends with the process however that dies, so a lock is never stale. The transaction writes nothing, and until one does
 * SQLite lets others read the row that says who holds it.
 */
interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly startedAt: string;
}

const CREATE =
  'CREATE TABLE IF NOT EXISTS owner (one INTEGER PRIMARY KEY, pid INTEGER, host TEXT, started_at TEXT)';
const TAKE = 'INSERT OR REPLACE INTO owner (one, pid, host, started_at) VALUES (1, ?, ?, ?)';
const SELECT = 'SELECT pid, host, started_at AS startedAt FROM owner WHERE one = 1';
/** A holder that is just writing its row is waited for as long as this. */
const OWNER_WAIT_MS = 250;

export class DirectoryLock {
  readonly #database: Database;

  /** @throws BusError `STORE_LOCKED`, naming the holder. */
  static acquire(dir: string): DirectoryLock {
    const file = join(dir, 'lock.db');
    let database: Database | undefined;
    try {
      database = openDatabase(file, { timeout: OWNER_WAIT_MS });
      // No file beside it, so that a full disk can be opened too; nothing in it must survive the process.
      database.pragma('journal_mode = MEMORY');
      database.pragma('synchronous = OFF');
      take(database);
      return new DirectoryLock(database);
    } catch (error) {
      const refusal = isBusy(error)
        ? lockedError(dir, database)
        : storeError(error, file, 'locking');
      database?.close();
      throw refusal;
    }
  }

  private constructor(database: Database) {
    this.#database = database;
  }

  release(): void {
    if (!this.#database.open) return;
    try {
      this.#database.exec('ROLLBACK; DELETE FROM owner');
    } catch {
      // On a full disk the row stays. It says who held the lock; the lock itself ends here.
    } finally {
      this.#database.close();
    }
  }
}

/** The row is committed so that others see it; the lock itself is the transaction begun after it. */
function take(database: Database): void {
  database.exec('BEGIN IMMEDIATE');
  database.exec(CREATE);
  const startedAt = new Date(Date.now() - process.uptime() * 1000).toISOString();
  database.prepare(TAKE).run(process.pid, hostname(), startedAt);
  database.exec('COMMIT');
  database.exec('BEGIN IMMEDIATE');
}

function isBusy(error: unknown): boolean {
  return isSqliteError(error) && error.code.startsWith('SQLITE_BUSY');
}

function lockedError(dir: string, database: Database | undefined): BusError {
  const owner = readOwner(database);
  const by = owner
    ? `process ${owner.pid} on ${owner.host}, started ${owner.startedAt}`
    : 'another process';
  return new BusError('STORE_LOCKED', `${dir} is in use by ${by}`, {
    details: { dir, ...(owner ?? {}) },
  });
}

function readOwner(database: Database | undefined): Owner | undefined {
  try {
    return database?.prepare<[], Owner>(SELECT).get();
  } catch {
    return undefined;
  }
}
