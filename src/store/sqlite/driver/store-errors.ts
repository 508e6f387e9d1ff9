import { dirname } from 'node:path';
import { BusError } from '../../../protocol/errors.js';
import { codeOf, isError, messageOf } from '../../../protocol/thrown.js';
import { isSqliteError } from './driver.js';
import { isNoRoom, isOutOfRoom } from './room.js';

/** `SQLITE_IOERR_SHMSIZE`: no room for the index of the write-ahead log, which every opening makes. */
const FULL_CODES = new Set(['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE']);
/** SQLite's code both for a quota that is used up and for a disk that fails. */
const WRITE_FAILED = 'SQLITE_IOERR_WRITE';

/**
 * Turns an error of SQLite or the file system into a `BusError`. After `STORE_FULL` the log goes on once there is room;
 * after any other code it must be closed and opened again.
 */
export function storeError(error: unknown, file: string, doing: string): BusError {
  if (error instanceof BusError) return error;
  const code = codeOf(error);
  const details = { file, sqlite: code };
  const message = `${doing} ${file}: ${messageOf(error)}`;
  if (isFull(error, file)) {
    return new BusError('STORE_FULL', message, { details, cause: error });
  }
  if (isDamagedPage(error)) {
    return new BusError('STORE_CORRUPT', message, { details, cause: error });
  }
  return new BusError('STORE_FAILED', message, { details, cause: error });
}

/** Whether SQLite has found a page of the file damaged. */
export function isDamagedPage(error: unknown): boolean {
  const code = codeOf(error);
  return code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB';
}

/** Whether an operation failed only for want of room, and may be repeated once there is some. */
export function isFull(error: unknown, file: string): boolean {
  const code = codeOf(error);
  if (FULL_CODES.has(code) || isNoRoom(error)) return true;
  return code === WRITE_FAILED && isOutOfRoom(dirname(file));
}

/** Whether the error comes from SQLite or the file system, and not from our own code. */
export function isStoreFault(error: unknown): boolean {
  return isSqliteError(error) || (isError(error) && 'syscall' in error);
}
