import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BusError } from '../../protocol/errors.js';
import { readKept } from '../../protocol/kept-object.js';
import { CONSUMERS_FILE_BYTES_MAX } from '../../protocol/limits/consumers.js';
import { messageOf } from '../../protocol/thrown.js';
import { readConsumerList } from '../consumer-list.js';
import {
  ALERTS_FILE,
  ARCHIVE_FILE,
  CONSUMERS_FILE,
  KeptFile,
  type KeptName,
} from '../directory/kept-file.js';
import { DirectoryLock } from '../directory/lock.js';
import { type Manifest, readManifest } from '../directory/manifest.js';
import { markFile, readMark } from '../directory/mark.js';
import { readUnflushedLimit } from '../directory/unflushed-limit.js';
import { isDamaged, scanWal } from '../directory/wal-scan.js';
import { openForReading, shardFile } from '../sqlite/connection/schema.js';
import type { Database } from '../sqlite/driver/driver.js';
import { examineLog } from '../sqlite/log-state.js';
import { verifyOrphans } from './payload-verifier.js';
import { RowVerifier } from './row-verifier.js';
import type { VerifyFinding } from './verify-finding.js';

/** Problems that SQLite's `integrity_check` lists per file at most. */
const INTEGRITY_PROBLEMS_MAX = 100;

/**
 * Checks a whole directory: the manifest, write-ahead logs, SQLite's own structures, every row's checksum, that
 * sequences and recorded times ascend and that only pruned events are missing, the topic index, the totals, the marks,
 * payloads in files, the list of consumers, and the other files beside the logs. Changes nothing. Of a directory in use, write-ahead logs and marks are
 * not checked.
 */
export function* verifyDirectory(dir: string): Generator<VerifyFinding> {
  const file = join(dir, 'manifest.json');
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory() === false) {
    yield { severity: 'error', file: dir, message: 'it is a file, not a directory' };
    return;
  }
  let manifest: Manifest | undefined;
  try {
    manifest = readManifest(dir);
    if (manifest === undefined) {
      yield noManifest(dir, file);
      return;
    }
  } catch (error) {
    yield { severity: 'error', file, message: messageOf(error) };
    return;
  }
  const lock = lockUnlessHeld(dir);
  if (lock === undefined) {
    const message = 'the directory is in use: write-ahead logs and marks are not checked';
    yield { severity: 'note', file: dir, message };
  }
  try {
    const { shards } = manifest;
    yield* verifyKept(dir, CONSUMERS_FILE, (text) => void readConsumerList(text, shards));
    for (const name of [ALERTS_FILE, ARCHIVE_FILE] as const) yield* verifyKept(dir, name, readAny);
    yield* surplusLogs(dir, manifest.shards);
    for (let shard = 0; shard < manifest.shards; shard++) {
      yield* verifyShard(dir, manifest, shard, lock !== undefined);
    }
  } finally {
    lock?.release();
  }
}

/**
 * A process that ends while it opens a new directory leaves at most a lock: nothing was stored, and the next bus begins
 * there. Any other directory without a manifest is the wrong one, or has lost its manifest.
 */
function noManifest(dir: string, file: string): VerifyFinding {
  if (!existsSync(dir))
    return { severity: 'error', file: dir, message: 'there is no such directory' };
  const names = readdirSync(dir);
  const isNew = names.length > 0 && names.every((name) => name.startsWith('lock.'));
  if (!isNew) return { severity: 'error', file, message: 'there is no manifest' };
  const message = 'it holds a lock and no log: its first opening did not end';
  return { severity: 'note', file: dir, message };
}

/** A file beside the logs is checked as a bus reads it. */
function* verifyKept(
  dir: string,
  name: KeptName,
  read: (text: KeptFile) => void,
): Generator<VerifyFinding> {
  const text = new KeptFile(dir, name);
  try {
    read(text);
  } catch (error) {
    const reason = error instanceof BusError ? error.details?.reason : undefined;
    const message = typeof reason === 'string' ? reason : messageOf(error);
    yield { severity: 'error', file: text.file, message };
  }
}

/** Only those who write these files know what else has to be in them. */
function readAny(text: KeptFile): void {
  readKept(text, { format: 1, lengthMax: CONSUMERS_FILE_BYTES_MAX }, () => undefined);
}

function* surplusLogs(dir: string, shards: number): Generator<VerifyFinding> {
  for (const name of readdirSync(dir)) {
    const shard = /^shard-(\d+)\.db$/.exec(name)?.[1];
    if (shard === undefined || Number(shard) < shards) continue;
    const message = `the manifest has ${shards} shards, and this file belongs to none of them`;
    yield { severity: 'error', file: join(dir, name), shard: Number(shard), message };
  }
}

function* verifyShard(
  dir: string,
  manifest: Manifest,
  shard: number,
  isExclusive: boolean,
): Generator<VerifyFinding> {
  const file = shardFile(dir, shard);
  if (isExclusive) {
    yield* verifyWal(file, shard);
    if (yield* verifyState(dir, manifest, shard)) return;
  }
  // Unless the directory is in use, `verifyState` has reported a missing file.
  if (!existsSync(file)) return;
  let database: Database;
  try {
    database = openForReading(file, shard);
  } catch (error) {
    yield { severity: 'error', file, shard, message: messageOf(error) };
    return;
  }
  try {
    yield* verifyStructure(database, file, shard);
    database.exec('BEGIN');
    const rows = new RowVerifier(database, file, shard);
    yield* rows.verify();
    if (isExclusive) yield* verifyOrphans(database, file, shard);
  } catch (error) {
    yield { severity: 'error', file, shard, message: messageOf(error) };
  } finally {
    database.close();
  }
}

/**
 * Checks that the log exists, belongs to this directory, and is as long as it is known to have been.
 * @returns true if the log was never made, because the first opening of its directory was interrupted
 */
function* verifyState(
  dir: string,
  manifest: Manifest,
  shard: number,
): Generator<VerifyFinding, boolean> {
  const file = shardFile(dir, shard);
  try {
    const { head, isUnmade = false, loss } = examineLog(dir, manifest, shard);
    if (loss === undefined) return isUnmade;
    const message = `it ends at ${head}: ${loss.reason}`;
    yield { severity: 'error', file, shard, sequence: head + 1, message };
  } catch (error) {
    yield { severity: 'error', file, shard, message: messageOf(error) };
  }
  return false;
}

/** Notes harmless frames behind a break; `verifyState` reports damage. */
function* verifyWal(file: string, shard: number): Generator<VerifyFinding> {
  const scan = scanWal(file);
  if (scan?.broken === undefined || scan.broken.framesBehind === 0) return;
  if (isDamaged(scan, readMark(markFile(file)), readUnflushedLimit(file))) return;
  const { frame, framesBehind } = scan.broken;
  const message = `frame ${frame} is invalid; ${framesBehind} frames behind it were never committed`;
  yield { severity: 'note', file: scan.file, shard, message };
}

function* verifyStructure(
  database: Database,
  file: string,
  shard: number,
): Generator<VerifyFinding> {
  const found = database.pragma(`integrity_check(${INTEGRITY_PROBLEMS_MAX})`);
  if (!Array.isArray(found)) return;
  for (const row of found) {
    const message = String(Object.values(row)[0]);
    if (message !== 'ok') yield { severity: 'error', file, shard, message };
  }
}

function lockUnlessHeld(dir: string): DirectoryLock | undefined {
  try {
    return DirectoryLock.acquire(dir);
  } catch (error) {
    if (error instanceof BusError && error.code === 'STORE_LOCKED') return undefined;
    throw error;
  }
}
