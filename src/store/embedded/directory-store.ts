import { type CursorPositions, cutToHeads, type ResolvedCursor } from '../cursor-positions.js';
import { endNew, ensureDirectory, openManifest, resolveCursor } from '../directory/directory.js';
import { ALERTS_FILE, ARCHIVE_FILE, CONSUMERS_FILE, KeptFile } from '../directory/kept-file.js';
import { DirectoryLock } from '../directory/lock.js';
import { type Manifest, writeManifest } from '../directory/manifest.js';
import type { Lineage } from '../lineage.js';
import type {
  BackupRequest,
  HistoryAddress,
  LogStore,
  OpenStore,
  RunningBackup,
  ShardBy,
  StoreRequest,
} from '../log-store.js';
import { shardFile } from '../sqlite/connection/schema.js';
import { RECENT_VALUES_BYTES } from '../sqlite/fields/recent-values.js';
import { continueHistory } from '../sqlite/history.js';
import { identityOf } from '../sqlite/log-state.js';
import type { SqliteShardOptions } from '../sqlite/open-shard-log.js';
import type { SqliteHistoryOptions } from '../sqlite/reading/open-history.js';
import { Backup } from '../upkeep/backup.js';
import { SQLITE_HISTORY, SQLITE_SHARD_LOG } from './sqlite-modules.js';

/** The default store, a directory: one SQLite file per shard, a manifest, a lock. */
export class DirectoryStore implements LogStore {
  readonly name = 'in a directory';
  readonly #dir: string;

  /** `dir` is an absolute path. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  open(request: StoreRequest): OpenStore {
    const dir = this.#dir;
    ensureDirectory(dir);
    const lock = DirectoryLock.acquire(dir);
    try {
      const found = openManifest(dir, request);
      // The history is judged before anything is written to the logs, so that a process that dies in between leaves
      // them as they were.
      const manifest = continueHistory(dir, found);
      return new OpenDirectory(dir, lock, manifest);
    } catch (error) {
      lock.release();
      throw error;
    }
  }
}

class OpenDirectory implements OpenStore {
  readonly shards: number;
  readonly shardBy: ShardBy | undefined;
  readonly epoch: string;
  readonly shardLog = SQLITE_SHARD_LOG;
  readonly payloadFiles = true;
  readonly history: HistoryAddress;
  readonly alerts: KeptFile;
  readonly consumers: KeptFile;
  readonly archivePlace: KeptFile;
  readonly #dir: string;
  readonly #lock: DirectoryLock;
  /** By shard: memory that its log's thread and the readers share. */
  readonly #recentValues: readonly SharedArrayBuffer[];
  /** How many copies of the directory are being made. */
  readonly #payloadHolds = new Int32Array(new SharedArrayBuffer(4));
  #manifest: Manifest;

  constructor(dir: string, lock: DirectoryLock, manifest: Manifest) {
    this.#dir = dir;
    this.#lock = lock;
    this.#manifest = manifest;
    this.shards = manifest.shards;
    this.shardBy = manifest.shardBy;
    this.epoch = manifest.epoch;
    this.#recentValues = Array.from(
      { length: manifest.shards },
      () => new SharedArrayBuffer(RECENT_VALUES_BYTES),
    );
    const options: SqliteHistoryOptions = { dir, recentValues: this.#recentValues };
    this.alerts = new KeptFile(dir, ALERTS_FILE);
    this.consumers = new KeptFile(dir, CONSUMERS_FILE);
    this.archivePlace = new KeptFile(dir, ARCHIVE_FILE);
    this.history = { module: SQLITE_HISTORY, options };
  }

  get lineage(): Lineage {
    const { id, shards, epoch, earlier } = this.#manifest;
    return {
      directory: id!,
      shards,
      epoch,
      earlier: earlier.map((one) => ({ epoch: one.epoch, heads: one.heads })),
    };
  }

  shardOptions(shard: number): SqliteShardOptions {
    return {
      file: shardFile(this.#dir, shard),
      identity: identityOf(this.#manifest),
      recentValues: this.#recentValues[shard]!,
      payloadHolds: this.#payloadHolds,
    };
  }

  ready(): void {
    if (this.#manifest.isNew === true) this.#manifest = endNew(this.#dir, this.#manifest);
  }

  resolveCursor(cursor: CursorPositions, heads: readonly number[]): ResolvedCursor {
    return cutToHeads(resolveCursor(this.#manifest, cursor), heads);
  }

  backup({ to, sharedHeads, onProgress }: BackupRequest): RunningBackup {
    return new Backup({
      from: this.#dir,
      to,
      manifest: this.#manifest,
      sharedHeads,
      payloadHolds: this.#payloadHolds,
      onProgress,
    });
  }

  close(heads: readonly number[]): void {
    this.#keepHeads(heads);
    this.#lock.release();
  }

  /**
   * Keeps the heads in the manifest, so that the next opening notices a log that was put back from an older copy with
   * all its files.
   */
  #keepHeads(shown: readonly number[]): void {
    if (this.#manifest.isNew === true) return;
    const { heads: known } = this.#manifest;
    const heads = shown.map((head, shard) => Math.max(head, known?.[shard] ?? 0));
    if (heads.every((head, shard) => head === known?.[shard])) return;
    try {
      writeManifest(this.#dir, { ...this.#manifest, heads });
    } catch {
      // If the disk is full or the directory is gone, the older heads stay.
    }
  }
}
