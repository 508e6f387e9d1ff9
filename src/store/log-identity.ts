import { type Database, isSqliteError } from './driver.js';

/**
 * Whose a log file is, kept in its `meta`, so that one that was swapped, put back or copied in is told from the one
 * that belongs there. Numbers, as everything in `meta` is; 48 bits of the ids that the manifest has as text.
 */
export interface LogIdentity {
  /** Of the directory: its logs were made together. */
  readonly directory: number;
  /** Of the history that is being written. */
  readonly epoch: number;
  /** The directory is just being made, or raised to this format: the file need not be there yet, or say whose it is. */
  readonly isNew: boolean;
}

const HEX_DIGITS = 12;

export function numberOfId(id: string): number {
  const number = Number.parseInt(id.slice(0, HEX_DIGITS), 16);
  return Number.isNaN(number) ? 0 : number;
}

export const META_DIRECTORY = 'directory';
export const META_EPOCH = 'epoch';
/** 1 from the opening of a log until it is closed: without a write-ahead log beside it, commits are gone. */
export const META_OPEN = 'open';

/**
 * Takes a log into use: it says whose it is and that it is open, in the file itself and not only in the write-ahead log. On a
 * full disk it need not, as long as it says whose it is.
 */
export function takeIntoUse(database: Database, identity: LogIdentity): void {
  const read = database.prepare<[string], number>('SELECT value FROM meta WHERE key = ?').pluck();
  const isOwn =
    read.get(META_DIRECTORY) === identity.directory && read.get(META_EPOCH) === identity.epoch;
  if (isOwn && read.get(META_OPEN) === 1) return;
  try {
    database.transaction(() => writeIdentity(database, identity)).immediate();
    database.pragma('wal_checkpoint(PASSIVE)');
  } catch (error) {
    if (!isOwn || !isSqliteError(error) || error.code !== 'SQLITE_FULL') throw error;
  }
}

function writeIdentity(database: Database, { directory, epoch }: LogIdentity): void {
  const set = database.prepare<[string, number]>(
    'INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)',
  );
  set.run(META_DIRECTORY, directory);
  set.run(META_EPOCH, epoch);
  set.run(META_OPEN, 1);
}

/** All that was committed is flushed with the caller's transaction, and in the file once the log is closed. */
export function writeClosed(database: Database): void {
  database.prepare('UPDATE meta SET value = 0 WHERE key = ?').run(META_OPEN);
}
