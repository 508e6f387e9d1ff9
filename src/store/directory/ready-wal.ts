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
 * Makes a write-ahead log one that may be trusted, before SQLite sees the file, which would drop what lies behind a
 * damaged frame: it is searched for damage, cut behind its last whole commit, written again and flushed. Whoever takes
 * events from a log that nobody has open, to go on with it or to copy it, begins here.
 * @returns its frames; `undefined` where there is none
 * @throws BusError `STORE_CORRUPT`, or what the file system says
 */
export function readyWal(databaseFile: string): number | undefined {
  const mark = readMark(markFile(databaseFile));
  const scan = assertWalIsSound(databaseFile, mark, readUnflushedLimit(databaseFile));
  cutWal(databaseFile, scan);
  rewriteWal(databaseFile);
  return scan?.committedFrames;
}

/**
 * While any reader has the file open, SQLite believes the index of the WAL in shared memory and does not look at the
 * frames. They may be gone since: a failed flush may have dropped them.
 */
export function assertFrames(database: Database, soundFrames: number | undefined): void {
  if (soundFrames === undefined) return;
  const frames = walCheckpoint(database, 'NOOP').get()?.[1] ?? 0;
  if (frames <= soundFrames) return;
  const file = `${database.name}-wal`;
  const message = `${file}: of ${frames} frames that were committed ${soundFrames} are left`;
  throw new BusError('STORE_FAILED', message, { details: { file, frames, soundFrames } });
}
