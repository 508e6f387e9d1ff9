import { existsSync } from 'node:fs';
import { BusError } from '../../protocol/errors.js';
import { FINDINGS_REPORTED_MAX } from '../../protocol/limits/store.js';
import { newEpoch } from '../directory/directory.js';
import { copyOwnFile } from '../directory/files.js';
import { copyKept } from '../directory/kept-file.js';
import { DirectoryLock } from '../directory/lock.js';
import { readManifest } from '../directory/manifest.js';
import { markFile } from '../directory/mark.js';
import { openForReading, readHead, shardFile } from '../sqlite/connection/schema.js';
import { storeError } from '../sqlite/driver/store-errors.js';
import { copyPayloads } from './copy-payloads.js';
import { CopyTarget } from './copy-target.js';
import { verifyDirectory } from './verify.js';
import type { VerifyFinding } from './verify-finding.js';

/**
 * Makes a directory from a backup: checks the backup, copies it, and begins a new epoch at the copy's heads. So a
 * cursor of a later history is cut back to the end of the backup, with a `rolled-back` gap for the events beyond it,
 * and a sequence that is assigned again is never taken for the event that had it before. The manifest is written last.
 *
 * The backup may also be any copy of a directory that was made while no bus had it open.
 */
export interface RestoreResult {
  readonly dir: string;
  readonly epoch: string;
  /** The epoch of the backup, whose cursors stay valid. */
  readonly from: string;
  /** Per shard, the last sequence. */
  readonly heads: readonly number[];
}

/**
 * @throws BusError `OPTION_INVALID` if there is no backup or the target holds anything, `STORE_CORRUPT` with
 * `details.findings` if the backup is damaged, `STORE_LOCKED` if a bus has it open, `STORE_FULL`, `STORE_FAILED`
 */
export function restore(backup: string, to: string): RestoreResult {
  const manifest = readManifest(backup);
  if (manifest === undefined) {
    throw new BusError('OPTION_INVALID', `${backup} has no manifest.json: it is not a backup`);
  }
  CopyTarget.assertUsable(to);
  assertSound(backup);
  const lock = DirectoryLock.acquire(backup);
  let target: CopyTarget | undefined;
  try {
    target = CopyTarget.begin(to);
    const heads: number[] = [];
    for (let shard = 0; shard < manifest.shards; shard++) {
      heads.push(copyShard(shardFile(backup, shard), shardFile(to, shard), shard));
    }
    copyKept(backup, to);
    const reason = `restored from a backup of ${manifest.backup?.takenAt ?? 'an unknown time'}`;
    const { epoch } = newEpoch(to, manifest, reason, heads);
    target.end(true);
    return { dir: to, epoch, from: manifest.epoch, heads };
  } catch (error) {
    throw storeError(error, to, 'restoring to');
  } finally {
    target?.end(false);
    lock.release();
  }
}

function assertSound(backup: string): void {
  const findings: VerifyFinding[] = [];
  let errors = 0;
  for (const finding of verifyDirectory(backup)) {
    if (finding.severity !== 'error') continue;
    if (errors++ < FINDINGS_REPORTED_MAX) findings.push(finding);
  }
  if (errors === 0) return;
  const { file, message } = findings[0]!;
  throw new BusError(
    'STORE_CORRUPT',
    `${backup} has ${errors} ${errors === 1 ? 'error' : 'errors'}; the first: ${file}: ${message}`,
    {
      details: { errors, findings },
    },
  );
}

/** @returns the head of the copy */
function copyShard(source: string, target: string, shard: number): number {
  // A shard that has never stored anything has no file.
  if (!existsSync(source)) return 0;
  for (const file of ['', '-wal']) {
    if (!existsSync(source + file)) continue;
    copyOwnFile(source + file, target + file);
  }
  const mark = markFile(source);
  if (existsSync(mark)) copyOwnFile(mark, markFile(target));
  const copying = copyPayloads(source, target, shard);
  while (copying.next().done !== true);
  const database = openForReading(target, shard);
  try {
    return readHead(database);
  } finally {
    database.close();
  }
}
