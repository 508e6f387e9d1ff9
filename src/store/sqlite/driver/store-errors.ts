import { dirname } from 'node:path';
import { BusError } from '../../../protocol/errors.js';
import { codeOf, isError, messageOf } from '../../../protocol/thrown.js';
import { isSqliteError } from './driver.js';
import { isNoRoom, isOutOfRoom } from './room.js';

/** The last: no room for the index of the write-ahead log, which opening has to make. */
const FULL_CODES = new Set(['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE']);
/** SQLite says this of a quota that is used up, and of a disk that fails. */
const WRITE_FAILED = 'SQLITE_IOERR_WRITE';

/**
 * Turns what SQLite and the file system say into the one error class. `STORE_FULL` passes by itself once
 * there is room; every other code means that the log must be closed and opened again.
 */
export function storeError(error: unknown, file: string, doing: string): BusError {
  if (error instanceof BusError) return error;
  const code = codeOf(error);
  const details = { file, sqlite: code };
  const message = `${doing} ${file}: ${messageOf(error)}`;
  if (isFull(error, file)) {
    return new BusError('STORE_FULL', message, { details, cause: error });
  }
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return new BusError('STORE_CORRUPT', message, { details, cause: error });
  }
  return new BusError('STORE_FAILED', message, { details, cause: error });
}

/** Whether it failed for want of room alone, and may be done again once there is some. */
export function isFull(error: unknown, file: string): boolean {
  const code = codeOf(error);
  if (FULL_CODES.has(code) || isNoRoom(error)) return true;
  return code === WRITE_FAILED && isOutOfRoom(dirname(file));
}

/** Whether SQLite or the file system failed, rather than something of ours. */
export function isStoreFault(error: unknown): boolean {
  return isSqliteError(error) || (isError(error) && 'syscall' in error);
}
