import { BusError } from '../../protocol/errors.js';
import type { Database, Statement } from '../sqlite/driver/driver.js';
import { markFile, readMark } from './mark.js';
import { readUnflushedLimit } from './unflushed-limit.js';
import { rewriteWal } from './wal-file.js';
import { assertWalIsSound, cutWal } from './wal-scan.js';

export type WalState = [busy: number, frames: number, copied: number];

export function walCheckpoint(
  database: Database,
  mode: 'NOOP' | 'PASSIVE' | 'RESTART',
): Statement<[], WalState> {
  return database.prepare<[], WalState>(`PRAGMA wal_checkpoint(${mode})`).raw();
}

/**
 * Prepares a write-ahead log so that its content can be trusted: checks it for damage, cuts it behind the last whole
 * commit, rewrites it and flushes it. Must run before SQLite opens the file, because SQLite silently drops everything
 * behind a damaged frame. Call it first for every log that nobody has open and that is to be continued or copied.
 * @returns the number of committed frames; `undefined` if there is no write-ahead log
 * @throws BusError `STORE_CORRUPT`, or the file system's error
 */
export function readyWal(databaseFile: string): number | undefined {
  const mark = readMark(markFile(databaseFile));
  const scan = assertWalIsSound(databaseFile, mark, readUnflushedLimit(databaseFile));
  cutWal(databaseFile, scan);
  rewriteWal(databaseFile);
  return scan?.committedFrames;
}

/**
 * Checks that SQLite counts no more WAL frames than were found sound. While any reader has the file open, SQLite trusts
 * the WAL index in shared memory without reading the frames, although a failed flush may have dropped some of them.
 * @throws BusError `STORE_FAILED`
 */
export function assertFrames(database: Database, soundFrames: number | undefined): void {
  if (soundFrames === undefined) return;
  const frames = walCheckpoint(database, 'NOOP').get()?.[1] ?? 0;
  if (frames <= soundFrames) return;
  const file = `${database.name}-wal`;
  const message = `${file}: only ${soundFrames} of ${frames} committed frames are left`;
  throw new BusError('STORE_FAILED', message, { details: { file, frames, soundFrames } });
}
