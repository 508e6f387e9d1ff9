import { InPlace } from '../../directory/in-place.js';
import { MarkWriter, markFile, readMark } from '../../directory/mark.js';
import { assertFrames, readyWal, type WalState, walCheckpoint } from '../../directory/ready-wal.js';
import { UnflushedLimit } from '../../directory/unflushed-limit.js';
import { WalFlusher } from '../../directory/wal-file.js';
import type { Database, Statement } from '../driver/driver.js';
import { isNoRoom } from '../driver/room.js';
import { isFull, storeError } from '../driver/store-errors.js';
import { BATCH_EVENTS_MAX } from '../tables/tables.js';
import { isOwn, type LogIdentity, takeIntoUse } from './log-identity.js';
import { PageLimit } from './page-limit.js';
import { Reserve } from './reserve.js';
import {
  BUSY_TIMEOUT_MS,
  openForReading,
  openForWriting,
  PAGE_BYTES,
  setSynchronous,
} from './schema.js';

/**
 * The only connection that writes and checkpoints a log file. It runs transactions, flushes them, and keeps the
 * write-ahead log and the high-water mark beside it. `noteCommit` must learn of each commit before anybody else does.
 */
/** A checkpoint is due once the WAL has this many frames of one page each; see docs/adr/0002. */
const CHECKPOINT_FRAMES = 256;
/**
 * From this many times as many frames on, `commit` makes the checkpoint, since a busy shard may never call `maintain`.
 */
const CHECKPOINT_OVERDUE = 4;

const WAL_FRAME_BYTES = PAGE_BYTES + 24;
/** From this many frames on, a checkpoint waits for a moment without readers, so that the WAL can start anew. */
const RESTART_FRAMES = 1024;
/**
 * How many frames the WAL grows after a wait that met a reader before the next wait; doubled after each further one.
 */
const RESTART_RETRY_FRAMES = RESTART_FRAMES / 8;
/** How long such a wait lasts: several times what a reader takes for a page, and far less than a backup takes. */
const RESTART_WAIT_MS = 100;
/** How often a reserve that found no room is tried again. */
const RESERVE_INTERVAL_MS = 1000;
/**
 * After this many synced batches in a row the unflushed limit is reset: not at once, so that mixed traffic does not set
 * and reset it all the time.
 */
const SYNCED_BATCHES_TO_CLEAR = 64;

export class WriteConnection {
  readonly database: Database;
  readonly pageLimit: PageLimit;
  readonly #file: string;
  readonly #shard: number;
  readonly #begin: Statement<[]>;
  readonly #commit: Statement<[]>;
  readonly #rollback: Statement<[]>;
  readonly #walState: Statement<[], WalState>;
  readonly #copyWal: Statement<[], WalState>;
  readonly #restart: Statement<[], WalState>;
  readonly #epoch: number;
  readonly #identity: LogIdentity | undefined;
  /** Whether `takeIntoUse` is done. */
  #isTaken = false;
  #mark: MarkWriter | undefined;
  #unflushed: UnflushedLimit | undefined;
  #syncedBatches = 0;
  #flusher: WalFlusher | undefined;
  #reserve: Reserve | undefined;
  #inPlace: InPlace | undefined;
  /**
   * When the reserve is tried again (`performance.now()`); 0 while it is whole and the file may grow.
   */
  #reserveAt = 0;
  #checkpointFrames = CHECKPOINT_FRAMES;
  /** Frames in the WAL that are not in the file. */
  #walFrames = 0;
  /** How many of these frames the last checkpoint could not copy, since a reader still needed older ones. */
  #framesHeld = 0;
  #restartFrames = RESTART_FRAMES;
  #retryFrames = RESTART_RETRY_FRAMES;
  /** Whether the connection is in `synchronous=FULL`. */
  #isFull = true;
  #wasSynced = true;
  /** Whether the commits of all batches are known to survive power loss. A batch need not move the head. */
  #isFlushed = true;
  /** Frames in the WAL when the batch began, if earlier commits are not flushed. */
  #framesBefore = 0;
  #syncedHead = 0;

  /** @throws BusError `STORE_CORRUPT`, `STORE_FAILED`, `STORE_FULL` */
  constructor(
    file: string,
    shard: number,
    maxBytes: number | undefined,
    identity: LogIdentity | undefined,
  ) {
    this.#file = file;
    this.#epoch = identity?.epoch ?? 0;
    this.#shard = shard;
    const soundFrames = file === ':memory:' ? undefined : readiedFrames(file);
    const database = openForWriting(file, shard, {
      ...(identity === undefined ? {} : { identity }),
      check: (opened) => assertFrames(opened, soundFrames),
    });
    this.database = database;
    this.#identity = database.memory ? undefined : identity;
    this.#takeIfThereIsRoom();
    this.pageLimit = new PageLimit(database, maxBytes, PAGE_BYTES);
    this.#begin = database.prepare('BEGIN IMMEDIATE');
    this.#commit = database.prepare('COMMIT');
    this.#rollback = database.prepare('ROLLBACK');
    this.#walState = walCheckpoint(database, 'NOOP');
    this.#copyWal = walCheckpoint(database, 'PASSIVE');
    this.#restart = walCheckpoint(database, 'RESTART');
  }

  /** Takes the log into use. On a full disk, a log of this history is opened without that, to be read and pruned. */
  #takeIfThereIsRoom(): void {
    try {
      this.ensureTaken();
    } catch (error) {
      const identity = this.#identity!;
      if (isFull(error, this.#file) && isOwn(this.database, identity)) return;
      this.abandon();
      throw storeError(error, this.#file, 'opening');
    }
  }

  /**
   * Takes the log into use, before the first commit. Call it outside a transaction.
   * @throws SQLite's error, above all for want of room
   */
  ensureTaken(): void {
    if (this.#isTaken) return;
    if (this.#identity !== undefined) takeIntoUse(this.database, this.#identity);
    this.#isTaken = true;
  }

  /** The last sequence that is known to survive power loss. */
  get syncedHead(): number {
    return this.#syncedHead;
  }

  /** Bytes that the next checkpoint copies into the file. */
  get walBytes(): number {
    return this.#walFrames * WAL_FRAME_BYTES;
  }

  get isCheckpointDue(): boolean {
    return this.#walFrames - this.#framesHeld >= this.#checkpointFrames;
  }

  get isCheckpointOverdue(): boolean {
    return this.#walFrames - this.#framesHeld > CHECKPOINT_OVERDUE * this.#checkpointFrames;
  }

  /**
   * Compares the head that was found with the mark, and keeps the mark from now on.
   * @returns the head that was once committed, if the file's head is lower now
   */
  startMark(head: number): number | undefined {
    this.#syncedHead = head;
    if (this.database.memory) return undefined;
    this.#flusher = new WalFlusher(this.#file);
    this.#reserve = new Reserve(this.#file);
    this.#inPlace = new InPlace([this.#file, `${this.#file}-wal`]);
    // A checkpoint must be due before the WAL outgrows the reserve.
    const covered = Math.floor(this.#reserve.bytesMax / WAL_FRAME_BYTES);
    this.#checkpointFrames = Math.max(1, Math.min(CHECKPOINT_FRAMES, covered));
    this.#unflushed = new UnflushedLimit(this.#file, this.#epoch);
    // The opening has rewritten and flushed the WAL, so everything in the log is flushed.
    this.#unflushed.clear();
    const mark = readMark(markFile(this.#file));
    // A mark of an earlier epoch, or of format 1, was judged when this epoch began.
    const isOfEpoch = mark !== undefined && mark.epoch === this.#epoch;
    const lostHead = isOfEpoch && head < mark.head ? mark.head : 0;
    this.#mark = new MarkWriter(markFile(this.#file), {
      syncedHead: isOfEpoch ? Math.min(mark.syncedHead, head) : 0,
      epoch: this.#epoch,
      lostHead,
    });
    // The mark takes its place on disk now, so that no commit on a full disk needs room for it.
    this.noteCommit(head);
    // A mark of this epoch must be on the disk before its first commit: none, or another epoch's, says nothing of it.
    if (!isOfEpoch) this.#mark.flush();
    return lostHead > 0 ? lostHead : undefined;
  }

  /**
   * Begins a transaction. Its `synchronous` mode cannot change later, so the batch's first record decides. The mode is
   * NORMAL only if the batch before was not synced either, so that mixed traffic does not switch all the time.
   */
  begin(synced: boolean, head: number): void {
    this.ensureTaken();
    const mayWait = !synced && !this.#wasSynced && this.#mayStayUnflushed(head);
    this.setFull(!mayWait);
    if (this.#isFull && !this.#isFlushed) this.#framesBefore = this.#frames;
    this.#begin.run();
  }

  /**
   * Whether readers may see the next batch before it is flushed: only within the unflushed limit, which reveals the
   * loss after a power cut.
   */
  #mayStayUnflushed(head: number): boolean {
    const unflushed = this.#unflushed;
    if (unflushed === undefined || unflushed.covers(head + BATCH_EVENTS_MAX)) return true;
    try {
      unflushed.extend(head);
      return true;
    } catch (error) {
      // Without room for the limit's file every batch is flushed.
      if (isNoRoom(error)) return false;
      throw error;
    }
  }

  /**
   * A commit in FULL flushes itself and all commits before it, but only if it changes anything: SQLite writes nothing
   * for a row that stays as it is. Where the WAL began anew it may seem unchanged; it is then flushed once more.
   */
  commit(): void {
    this.#commit.run();
    if (!this.#isFull) this.#isFlushed = false;
    else if (!this.#isFlushed) this.#isFlushed = this.#frames !== this.#framesBefore;
  }

  get #frames(): number {
    return this.#walState.get()?.[1] ?? 0;
  }

  /** Rolls back, unless SQLite has done so by itself. */
  rollback(): void {
    if (this.database.inTransaction) this.#rollback.run();
  }

  /** Flushes the last commit, and all commits before it, if it is `synced` and not flushed yet. */
  ensureFlushed(synced: boolean, head: number): void {
    this.#wasSynced = synced;
    if (synced || this.#isFlushed) this.flush(head);
    this.#syncedBatches = synced ? this.#syncedBatches + 1 : 0;
    if (this.#syncedBatches === SYNCED_BATCHES_TO_CLEAR) this.#unflushed?.clear();
  }

  /** Flushes every commit by flushing the WAL; a checkpoint has flushed the rest into the file. */
  flush(head: number): void {
    if (!this.#isFlushed) this.#flusher?.flush();
    this.#isFlushed = true;
    this.#syncedHead = head;
  }

  /** Flushes every commit, also those of transactions that `commit` knows nothing of. */
  flushAll(head: number): void {
    this.#isFlushed = false;
    this.flush(head);
  }

  noteCommit(head: number): void {
    if (this.#mark === undefined) return;
    const [, frames, copied] = this.#walState.get() ?? [0, 0, 0];
    this.#walFrames = frames - copied;
    this.#mark.write(head, this.#syncedHead === head, frames);
  }

  /**
   * Call it before a commit is acknowledged: writes to files that were removed or replaced are lost.
   * @throws BusError `STORE_FAILED`
   */
  assertInPlace(): void {
    this.#inPlace?.assert();
  }

  /** Copies the WAL into the file; the next commit then starts the WAL anew, unless a reader needs it. */
  checkpoint(): void {
    const [, frames, copied] = this.#copyWal.get() ?? [0, 0, 0];
    this.#walFrames = frames - copied;
    if (frames >= this.#restartFrames) this.#restartWal(frames);
    this.#framesHeld = this.#walFrames;
  }

  /**
   * Waits until no reader needs the WAL, because overlapping readers leave no such moment by themselves. New readers
   * are let in and read the file alone; current ones end with their page. A reader that takes longer than the wait,
   * such as a backup or a stalled one, is not waited for: the WAL grows before the next wait, by more each time, so
   * that a backup costs few waits.
   */
  #restartWal(before: number): void {
    this.database.pragma(`busy_timeout = ${RESTART_WAIT_MS}`);
    try {
      const [isBusy, frames, copied] = this.#restart.get() ?? [1, 0, 0];
      this.#walFrames = Math.max(0, frames - copied);
      const hasMetReader = isBusy === 1;
      this.#restartFrames = hasMetReader ? before + this.#retryFrames : RESTART_FRAMES;
      this.#retryFrames = hasMetReader ? this.#retryFrames * 2 : RESTART_RETRY_FRAMES;
    } finally {
      this.database.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`);
    }
  }

  /**
   * Keeps the reserve as large as the WAL. If the disk has no room for that, the file stops growing and the WAL is
   * copied into it: from then on events take the pages of removed ones, or are refused. So the WAL can always start
   * anew, and a removal finds room in it.
   */
  keepReserve(): void {
    const reserve = this.#reserve;
    if (reserve === undefined) return;
    const needed = Math.min(this.walBytes, reserve.bytesMax);
    if (this.#reserveAt === 0 && reserve.bytes >= needed) return;
    const now = performance.now();
    if (now < this.#reserveAt) return;
    if (reserve.cover(needed)) {
      this.#reserveAt = 0;
      this.pageLimit.allowGrowth();
      return;
    }
    this.#stopGrowth(now);
    if (this.#walFrames > 0) this.checkpoint();
  }

  /** Makes room in the WAL after a write has found none: gives the reserve to a checkpoint. */
  makeRoom(): void {
    const reserve = this.#reserve;
    const hasReserve = reserve !== undefined && (this.#reserveAt === 0 || reserve.bytes > 0);
    if (hasReserve && reserve.isNeededFor(this.walBytes)) {
      this.#stopGrowth(performance.now());
      reserve.release();
    }
    if (this.#walFrames > 0) this.checkpoint();
  }

  #stopGrowth(now: number): void {
    this.#reserveAt = now + RESERVE_INTERVAL_MS;
    this.pageLimit.stopGrowth();
  }

  setFull(full: boolean): void {
    if (full === this.#isFull) return;
    setSynchronous(this.database, full);
    this.#isFull = full;
  }

  /** Closes after a flushed commit, which has flushed all commits before it. */
  close(): void {
    this.#unflushed?.clear();
    this.#closeFiles();
    this.database.close();
  }

  /**
   * Closes after a failure, and leaves the files as a dying process does. Closing the last connection would make SQLite
   * copy the WAL into the file and remove it: frames that are not on the disk would count for good, and a log that is
   * marked as open would have no WAL. Another connection, open meanwhile, prevents that; it may only read, so it cannot
   * copy the WAL either when it closes last.
   */
  abandon(): void {
    this.#closeFiles();
    const other = this.#openAnother();
    this.database.close();
    other?.close();
  }

  #openAnother(): Database | undefined {
    if (this.database.memory) return undefined;
    try {
      return openForReading(this.#file, this.#shard);
    } catch {
      return undefined;
    }
  }

  #closeFiles(): void {
    this.#flusher?.close();
    this.#flusher = undefined;
    this.#reserve?.close();
    this.#reserve = undefined;
    this.#mark?.close();
    this.#mark = undefined;
    this.#unflushed?.close();
    this.#unflushed = undefined;
  }
}

/** @throws BusError `STORE_CORRUPT`, `STORE_FAILED`, `STORE_FULL` */
function readiedFrames(file: string): number | undefined {
  try {
    return readyWal(file);
  } catch (error) {
    throw storeError(error, file, 'opening');
  }
}
