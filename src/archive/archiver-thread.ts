/**
 * The entry of the thread that archives. It looks at short intervals whether the retention of a shard waits, and makes
 * segments. What fails is tried again, later and later; meanwhile retention waits.
 */
import { setTimeout as afterMs } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { ArchiveWords } from '../link/archive-words.js';
import { BusError } from '../protocol/errors.js';
import {
  ARCHIVE_POLL_MS,
  ARCHIVE_RETENTION_MS,
  ARCHIVE_RETRY_MS,
  ARCHIVE_RETRY_MS_MAX,
} from '../protocol/limits/archive.js';
import { messageOf } from '../protocol/thrown.js';
import type { HistoryModule, StoreHistory } from '../store/log-store.js';
import type { ArchiverData, ArchiverReport } from './archiver-mail.js';
import { claimArchive } from './root.js';
import { ShardArchiver } from './shard-archiver.js';
import { openTarget } from './targets/open-target.js';

const { words: buffers, rules, isKnown, ...data } = workerData as ArchiverData;
const words = buffers.map((buffer) => new ArchiveWords(buffer));
const stop = new AbortController();
parentPort!.once('message', () => stop.abort());

let history: StoreHistory | undefined;
let retryMs = ARCHIVE_RETRY_MS;
let lastFailure: string | undefined;
/** The archive was there, since this thread began. */
let wasAttached = false;
let retainedAt = Number.NEGATIVE_INFINITY;

function tell(report: ArchiverReport): void {
  parentPort!.postMessage(report);
}

/** Tells of each failure once, and not of every attempt that fails for the same reason. */
function fail(error: unknown): void {
  const failure =
    error instanceof BusError ? error : new BusError('ARCHIVE_FAILED', messageOf(error));
  const since = Date.now();
  for (const one of words) if (one.failingSince === 0) one.failingSince = since;
  if (failure.code + failure.message === lastFailure) return;
  lastFailure = failure.code + failure.message;
  tell({ report: 'failed', error: failure.toJSON() });
}

function succeed(): void {
  retryMs = ARCHIVE_RETRY_MS;
  for (const one of words) one.failingSince = 0;
  lastFailure = undefined;
}

async function attach(): Promise<ShardArchiver[]> {
  const { log, lineage, place } = data;
  const target = await openTarget(place);
  await claimArchive(target, lineage, isKnown || wasAttached);
  const assertThere = (): Promise<void> => claimArchive(target, lineage, true);
  const { openHistory } = (await import(log.module)) as HistoryModule;
  history ??= await openHistory(log.options);
  const opened = history;
  const archivers = words.map(
    (one, shard) =>
      new ShardArchiver({
        target,
        lineage,
        shard,
        history: opened,
        words: one,
        rules,
        assertThere,
      }),
  );
  for (const archiver of archivers) await archiver.start();
  return archivers;
}

/** @returns true if more is due at once */
async function archive(archivers: readonly ShardArchiver[]): Promise<boolean> {
  let more = false;
  for (const archiver of archivers) {
    if (stop.signal.aborted) return false;
    more = (await archiver.step(performance.now())) || more;
  }
  if (performance.now() - retainedAt >= ARCHIVE_RETENTION_MS) {
    for (const archiver of archivers) await archiver.retain(Date.now());
    retainedAt = performance.now();
  }
  return more;
}

async function run(): Promise<void> {
  let archivers: ShardArchiver[] | undefined;
  while (!stop.signal.aborted) {
    let waitMs = ARCHIVE_POLL_MS;
    try {
      if (archivers === undefined) {
        archivers = await attach();
        wasAttached = true;
        tell({ report: 'attached' });
      }
      if (await archive(archivers)) waitMs = 0;
      succeed();
    } catch (error) {
      if (stop.signal.aborted) break;
      fail(error);
      waitMs = retryMs;
      retryMs = Math.min(retryMs * 2, ARCHIVE_RETRY_MS_MAX);
    }
    await afterMs(waitMs, undefined, { signal: stop.signal }).catch(() => {});
  }
}

await run();
// The connections close before those of the shards: only the last one can remove a write-ahead log.
await history?.close();
// Requests that are under way are given up: what they leave half-way does not count.
process.exit();
