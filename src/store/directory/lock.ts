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
import { assertPlainFiles } from './plain-files.js';

/**
 * Lets only one bus use a directory. The holder keeps a transaction open on `lock.db`, an empty database. SQLite's lock
 * on it ends with the process, however the process dies, also across containers that share a volume, and no write can
 * tear the file. `lock.json` names the holder; the lock works without it.
 *
 * The system drops a process's lock on a file when the process closes any descriptor of that file, which copying the
 * directory does. A process that gets the lock therefore also checks whether the process named in `lock.json` still has
 * `lock.db` open. This check can only refuse: it admits nobody whom SQLite's lock keeps out.
 */
export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  readonly startedAt: string;
  /** The PID namespace that `pid` belongs to; each container has its own. Known on Linux only. */
  readonly namespace?: string | undefined;
}

/** How long to wait for a holder that is about to end. */
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
    assertPlainFiles(dir);
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
      // `lock.json` only names the holder; closing the database ends the lock.
    } finally {
      this.#database.close();
    }
  }
}

/** Opens and locks `lock.db`. If the file is not a database, it is emptied first, since it holds no data. */
function open(file: string): Database {
  try {
    return openAndLock(file);
  } catch (error) {
    const isDamaged = isSqliteError(error) && /^SQLITE_(NOTADB|CORRUPT)/.test(error.code);
    if (!isDamaged) throw error;
    // Truncating keeps the file itself, and so the locks that others hold on it.
    truncateSync(file, 0);
    return openAndLock(file);
  }
}

function openAndLock(file: string): Database {
  ownDatabaseFile(file);
  const database = openDatabase(file, { timeout: HOLDER_WAIT_MS });
  try {
    // Without a journal file, a directory on a full disk can be locked too.
    database.pragma('journal_mode = MEMORY');
    database.exec('BEGIN IMMEDIATE');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Whether another process still has the lock file open, and so should hold the lock, although the system reports it as
 * free. Only Linux can tell. A PID from another container means a different process here, or none. In that case any
 * visible process counts: inside a container only its own processes, outside every process. SQLite itself knows the
 * locks of this process.
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
    // The process has ended or belongs to another user.
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
    // The lock works without `lock.json`, which may not fit on a full disk.
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
