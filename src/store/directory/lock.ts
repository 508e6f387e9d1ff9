import {
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { BusError } from '../../protocol/errors.js';
import { type Database, isSqliteError, openDatabase } from '../sqlite/driver/driver.js';
import { storeError } from '../sqlite/driver/store-errors.js';
import { ownDatabaseFile, ownFile } from './files.js';

/**
 * One bus per directory. The holder keeps a transaction open on `lock.db`, a database that stays empty: SQLite's lock on
 * it ends with the process however that dies, also across containers that share a volume, and nothing in the
 * file can be torn. `lock.json` says who the holder is; nothing depends on it being there.
 *
 * The system drops a process's lock on a file when the process closes any descriptor of it, as copying the directory
 * does. So who is given the lock also looks whether the process named in `lock.json` still has the file open. That can
 * only refuse: nobody gets in whom SQLite's lock keeps out.
 */
export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  readonly startedAt: string;
  /** In which the system counts `pid`, on Linux: another container has another. */
  readonly namespace?: string | undefined;
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
      if (isHeldElsewhere(file, readOwner(ownerFile))) throw lockedError(dir, ownerFile);
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
 * Whether the holder has the file open, and with it the lock, though the system says that it is free. Its own locks SQLite knows
 * by itself. Only Linux tells. The number of a process of another container means another one here, or none: then it is
 * any process that can be seen, which from a container are its own, and from the machine all.
 */
function isHeldElsewhere(file: string, owner: LockOwner | undefined): boolean {
  if (owner === undefined) return false;
  const isSeenAs = owner.namespace === undefined || owner.namespace === pidNamespace();
  const suspects = isSeenAs ? [owner.pid] : visibleProcesses();
  const others = suspects.filter((pid) => pid !== process.pid);
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; others.some((pid) => hasOpen(pid, file)); waited += HOLDER_LOOK_MS) {
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

function pidNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return undefined;
  }
}

function visibleProcesses(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

function isBusy(error: unknown): boolean {
  return isSqliteError(error) && error.code.startsWith('SQLITE_BUSY');
}

const LOCKED_CURE = 'one process has a directory open, and others ask its server';

function lockedError(dir: string, ownerFile: string): BusError {
  const owner = readOwner(ownerFile);
  if (owner === undefined) {
    const message = `${dir} is in use by another process; ${LOCKED_CURE}`;
    return new BusError('STORE_LOCKED', message, { details: { dir } });
  }
  const { pid, host, startedAt, namespace } = owner;
  const isOther = namespace !== undefined && namespace !== pidNamespace();
  const where = isOther ? `${host}, in another container` : host;
  const holder = `process ${pid} on ${where}, started ${startedAt}`;
  const message = `${dir} is in use by ${holder}; ${LOCKED_CURE}`;
  return new BusError('STORE_LOCKED', message, { details: { dir, pid, host, startedAt } });
}

function writeOwner(file: string): void {
  const startedAt = new Date(Date.now() - process.uptime() * 1000).toISOString();
  const namespace = pidNamespace();
  const owner: LockOwner = { pid: process.pid, host: hostname(), startedAt, namespace };
  try {
    ownFile(file);
    writeFileSync(file, `${JSON.stringify(owner)}\n`);
  } catch {
    // On a full disk a directory can be opened too.
  }
}

function readOwner(file: string): LockOwner | undefined {
  try {
    const owner = JSON.parse(readFileSync(file, 'utf8')) as Partial<LockOwner>;
    const { pid, host, startedAt, namespace } = owner;
    if (!Number.isSafeInteger(pid) || typeof host !== 'string') return undefined;
    const isNamed = typeof namespace === 'string';
    return { pid: pid!, host, startedAt: String(startedAt), ...(isNamed ? { namespace } : {}) };
  } catch {
    return undefined;
  }
}
