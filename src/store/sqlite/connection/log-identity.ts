import type { Database } from '../driver/driver.js';
import { isFull } from '../driver/store-errors.js';
import { MetaTable } from '../tables/meta-table.js';

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
 * Takes a log into use: it says whose it is and that it is open, in the file itself and not only in the write-ahead log. No
 * commit may follow before: it could be lost without a trace.
 */
export function takeIntoUse(database: Database, identity: LogIdentity): void {
  const meta = new MetaTable(database);
  if (meta.get(META_OPEN) !== 1 || !isOwn(database, identity)) {
    const { directory, epoch } = identity;
    const numbers = { [META_DIRECTORY]: directory, [META_EPOCH]: epoch, [META_OPEN]: 1 };
    database.transaction(() => meta.set(numbers)).immediate();
  }
  try {
    database.pragma('wal_checkpoint(PASSIVE)');
  } catch (error) {
    // It is flushed in the write-ahead log; any later checkpoint brings it into the file.
    if (!isFull(error, database.name)) throw error;
  }
}

/** Whether the log says that it is of this directory and this history. */
export function isOwn(database: Database, { directory, epoch }: LogIdentity): boolean {
  const numbers = new MetaTable(database).all();
  return numbers[META_DIRECTORY] === directory && numbers[META_EPOCH] === epoch;
}

/** All that was committed is flushed with the caller's transaction, and in the file once the log is closed. */
export function writeClosed(database: Database): void {
  new MetaTable(database).set({ [META_OPEN]: 0 });
}
