/**
 * The thread of one backup. It copies shard after shard in steps, and can be told to abort between two steps. A read
 * transaction stays open over a shard's steps, so that all of them see the log at one moment. The shard goes on writing
 * to its WAL, which is copied into its file once the transaction has ended.
 */
import { statSync } from 'node:fs';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { encodeCursor } from '../../protocol/cursor.js';
import { BusError } from '../../protocol/errors.js';
import { BACKUP_PAGES_PER_STEP } from '../../protocol/limits/store.js';
import type { BackupResult } from '../../protocol/operations.js';
import type { BackupProgress } from '../backup.js';
import { ownFile, syncFile } from '../directory/files.js';
import { copyKept } from '../directory/kept-file.js';
import { writeManifest } from '../directory/manifest.js';
import { openForReading, readHead, shardFile } from '../sqlite/connection/schema.js';
import type { BackupStep } from '../sqlite/driver/driver.js';
import { storeError } from '../sqlite/driver/store-errors.js';
import { BACKUP_ABORT, type BackupReport, type BackupThreadData } from './backup.js';
import { copyPayloads } from './copy-payloads.js';

/** A flush that takes longer than this has failed. */
const SHOWN_WAIT_MS = 30_000;
const SHOWN_POLL_MS = 5;

if (parentPort === null) throw new Error('backup-thread.js is the entry of a worker thread');
const parent = parentPort;
const data = workerData as BackupThreadData;
let isAborted = false;

parent.on('message', (message: unknown) => {
  if (message === BACKUP_ABORT) isAborted = true;
});

try {
  report({ report: 'done', result: await copyDirectory(data) });
} catch (error) {
  report({ report: 'failed', error: storeError(error, data.to, 'backing up to').toJSON() });
}
parent.close();

async function copyDirectory(data: BackupThreadData): Promise<BackupResult> {
  const { from, to, manifest, sharedHeads } = data;
  const { shards, epoch } = manifest;
  const heads: number[] = [];
  let bytes = 0;
  for (let shard = 0; shard < shards; shard++) {
    const target = shardFile(to, shard);
    heads.push(await copyShard(shardFile(from, shard), target, shard, shards));
    syncFile(target);
    goOnUnlessAborted();
    bytes += statSync(target).size;
    for (const copied of copyPayloads(shardFile(from, shard), target, shard)) {
      bytes += copied;
      // A request to abort arrives between two turns of the event loop.
      await turn();
      goOnUnlessAborted();
    }
  }
  for (const [shard, shared] of sharedHeads.entries()) {
    if (shared !== undefined) await untilShown(shared, heads[shard]!, shard);
  }
  copyKept(from, to);
  const takenAt = new Date().toISOString();
  const cursor = encodeCursor({ epoch, positions: heads });
  writeManifest(to, { ...manifest, backup: { takenAt, heads, cursor } });
  return { dir: to, epoch, takenAt, heads, cursor, bytes };
}

/**
 * Waits until the shard has told the head that was copied, because a copy must not hold an event that the shard may yet
 * lose: see `sharedHeads`.
 */
async function untilShown(shared: Float64Array, head: number, shard: number): Promise<void> {
  const overdueAt = performance.now() + SHOWN_WAIT_MS;
  while (shared[0]! < head) {
    goOnUnlessAborted();
    if (performance.now() > overdueAt) {
      throw new BusError(
        'STORE_FAILED',
        `shard ${shard} has not flushed the events that were copied`,
      );
    }
    await sleep(SHOWN_POLL_MS);
  }
}

/** @returns the head of the copy */
async function copyShard(
  source: string,
  target: string,
  shard: number,
  shards: number,
): Promise<number> {
  const database = openForReading(source, shard);
  try {
    // The first read, not BEGIN, fixes the moment that the transaction sees.
    database.exec('BEGIN');
    const head = readHead(database);
    ownFile(target);
    await database.backup(target, { progress: (info) => step(info, shard, shards) });
    return head;
  } finally {
    database.close();
  }
}

function step(info: BackupStep, shard: number, shards: number): number {
  goOnUnlessAborted();
  const { totalPages, remainingPages } = info;
  const progress: BackupProgress = { shard, shards, pages: totalPages, pagesLeft: remainingPages };
  report({ report: 'progress', progress });
  return BACKUP_PAGES_PER_STEP;
}

function goOnUnlessAborted(): void {
  if (isAborted) throw new BusError('ABORTED', 'the backup was aborted');
}

function report(message: BackupReport): void {
  parent.postMessage(message);
}
