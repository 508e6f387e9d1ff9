import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { BusError } from '../protocol/errors.js';
import { type Database, isSqliteError, openDatabase } from './driver.js';
import { ownDatabaseFile, ownFile } from './files.js';
import { storeError } from './store-errors.js';

/**
 * One bus per directory. The holder keeps a transaction open on `lock.db`, a database that stays empty: SQLite's lock on
 * it ends with the process however that dies, also across containers that share a volume, and nothing in the
 * file can be torn. `lock.json` says who the holder is; nothing depends on it being there.
 *
 * The system drops a process's lock on a file when the process closes any descriptor of it, as copying the directory
 * does. So who is given the lock also looks whether the process named in `lock.json` still has the file open.
 */
export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  readonly startedAt: string;
}

/** A holder that is just ending is waited for as long as this. */
const HOLDER_WAIT_MS = 250;
const HOLDER_LOOK_MS = 10;

export class DirectoryLock {
  readonly #database: Database;
  readonly #ownerFile: string;

  /** @throws BusError `STORE_LOCKED`, naming the holder. */
  static acquire(dir: string): DirectoryLock {
    const file = resolve(dir, 'lock.db');
    const ownerFile = resolve(dir, 'lock.json');
    let database: Database | undefined;
    try {
      database = open(file);
      if (isHeldElsewhere(file, readOwner(ownerFile)?.pid)) throw lockedError(dir, ownerFile);
      writeOwner(ownerFile);
      return new DirectoryLock(database, ownerFile);
    } catch (error) {
      database?.close();
      throw isBusy(error) ? lockedError(dir, ownerFile) : storeError(error, file, 'locking');
    }
  }

  private constructor(database: Database, ownerFile: string) {
    this.#database = database;
    this.#ownerFile = ownerFile;
  }

  release(): void {
    if (!this.#database.open) return;
    try {
      rmSync(this.#ownerFile, { force: true });
    } catch {
      // It says who held the lock; the lock itself ends here.
    } finally {
      this.#database.close();
    }
  }
}

/** The database with the lock on it. One with something else in it than a database is emptied: nothing is kept there. */
function open(file: string): Database {
  try {
    return openAndLock(file);
  } catch (error) {
    const isDamaged = isSqliteError(error) && /^SQLITE_(NOTADB|CORRUPT)/.test(error.code);
    if (!isDamaged) throw error;
    // The file stays the same one, and so do the locks of others on it.
    truncateSync(file, 0);
    return openAndLock(file);
  }
}

function openAndLock(file: string): Database {
  ownDatabaseFile(file);
  const database = openDatabase(file, { timeout: HOLDER_WAIT_MS });
  try {
    // No file beside it, so that a directory on a full disk can be opened too.
    database.pragma('journal_mode = MEMORY');
    database.exec('BEGIN IMMEDIATE');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Whether the process has the file open, and with it the lock, though the system says that it is free. Its own locks SQLite knows
 * by itself. Only Linux tells; a process of another container cannot be seen.
 */
function isHeldElsewhere(file: string, pid: number | undefined): boolean {
  if (pid === undefined || pid === process.pid) return false;
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; hasOpen(pid, file); waited += HOLDER_LOOK_MS) {
    if (waited >= HOLDER_WAIT_MS) return true;
    Atomics.wait(pause, 0, 0, HOLDER_LOOK_MS);
  }
  return false;
}

function hasOpen(pid: number, file: string): boolean {
  const descriptors = `/proc/${pid}/fd`;
  try {
    const { dev, ino } = statSync(file);
    return readdirSync(descriptors).some((name) => {
      const one = statSync(`${descriptors}/${name}`, { throwIfNoEntry: false });
      return one?.ino === ino && one.dev === dev;
    });
  } catch {
    // It is gone, or another user's.
    return false;
  }
}

function isBusy(error: unknown): boolean {
  return isSqliteError(error) && error.code.startsWith('SQLITE_BUSY');
}

function lockedError(dir: string, ownerFile: string): BusError {
  const owner = readOwner(ownerFile);
  const by = owner
    ? `process ${owner.pid} on ${owner.host}, started ${owner.startedAt}`
    : 'another process';
  return new BusError('STORE_LOCKED', `${dir} is in use by ${by}`, {
    details: { dir, ...(owner ?? {}) },
  });
}

function writeOwner(file: string): void {
  const startedAt = new Date(Date.now() - process.uptime() * 1000).toISOString();
  const owner: LockOwner = { pid: process.pid, host: hostname(), startedAt };
  try {
    ownFile(file);
    writeFileSync(file, `${JSON.stringify(owner)}\n`);
  } catch {
    // On a full disk a directory can be opened too.
  }
}

function readOwner(file: string): LockOwner | undefined {
  try {
    const { pid, host, startedAt } = JSON.parse(readFileSync(file, 'utf8')) as Partial<LockOwner>;
    if (!Number.isSafeInteger(pid) || typeof host !== 'string') return undefined;
    return { pid: pid!, host, startedAt: String(startedAt) };
  } catch {
    return undefined;
  }
}
