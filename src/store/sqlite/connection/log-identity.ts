import type { Database } from '../driver/driver.js';
import { isFull } from '../driver/store-errors.js';
import { MetaTable } from '../tables/meta-table.js';

/**
 * The directory and history that a log file belongs to. The log keeps both in `meta`, so that a file that was swapped,
 * put back or copied in is recognised. `meta` holds numbers only, so each is 48 bits of an id that the manifest holds
 * as text.
 */
export interface LogIdentity {
  /** The directory's id, which all its logs carry. */
  readonly directory: number;
  /** The current epoch. */
  readonly epoch: number;
  /**
   * True while the directory is being made or upgraded to this format: the file may be missing, or carry no identity
   * yet.
   */
  readonly isNew: boolean;
}

const HEX_DIGITS = 12;

export function numberOfId(id: string): number {
  const number = Number.parseInt(id.slice(0, HEX_DIGITS), 16);
  return Number.isNaN(number) ? 0 : number;
}

export const META_DIRECTORY = 'directory';
export const META_EPOCH = 'epoch';
/** 1 while the log is open. A log that is marked as open and has no write-ahead log has lost commits. */
export const META_OPEN = 'open';

/**
 * Takes a log into use: writes its identity and the mark that it is open into the file itself, not only into the
 * write-ahead log. This must precede the first commit, which could otherwise be lost without a trace.
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
    // The mark is flushed in the write-ahead log; a later checkpoint copies it into the file.
    if (!isFull(error, database.name)) throw error;
  }
}

/** Whether the log carries this identity. */
export function isOwn(database: Database, { directory, epoch }: LogIdentity): boolean {
  const numbers = new MetaTable(database).all();
  return numbers[META_DIRECTORY] === directory && numbers[META_EPOCH] === epoch;
}

/**
 * Marks the log as closed, in the caller's transaction. That transaction flushes all earlier commits, and closing the
 * database copies them into the file.
 */
export function writeClosed(database: Database): void {
  new MetaTable(database).set({ [META_OPEN]: 0 });
}
