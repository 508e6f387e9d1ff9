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
import { Reserve } from './reserve.js';
import {
  BUSY_TIMEOUT_MS,
  openForReading,
  openForWriting,
  PAGE_BYTES,
  setSynchronous,
} from './schema.js';

/**
 * The one writing and checkpointing connection of a log file: transactions, how they are flushed, the write-ahead log and
 * the high-water mark beside it. What was committed is told to `noteCommit`, and only then to anybody else.
 */
/** Frames, of one page each, in the WAL before it is copied into the file; see docs/adr/0002. */
const CHECKPOINT_FRAMES = 256;
/** A shard that never calls `maintain` gets its checkpoints in `commit`, from this many times as much on. */
const CHECKPOINT_OVERDUE = 4;

const WAL_FRAME_BYTES = PAGE_BYTES + 24;
/** A log that has grown to so many frames waits for a moment without readers, to start anew. */
const RESTART_FRAMES = 1024;
/** After a try that met a reader it grows by so much before the next one, and by twice as much after each further try. */
const RESTART_RETRY_FRAMES = RESTART_FRAMES / 8;
/** That long: several times what a reader takes for a page, and far less than it takes for a backup. */
const RESTART_WAIT_MS = 100;
/** Where there was no room for the reserve, it is tried again this often. */
const RESERVE_INTERVAL_MS = 1000;
/** SQLite makes the size that the file has of it. */
const PAGES_AS_THEY_ARE = 1;
/** Traffic that goes to and fro between the two durabilities does not reserve and take back all the time. */
const SYNCED_BATCHES_TO_CLEAR = 64;

export class WriteConnection {
  readonly database: Database;
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
  /** The log says in its file that it is open. */
  #isTaken = false;
  #mark: MarkWriter | undefined;
  #unflushed: UnflushedLimit | undefined;
  #syncedBatches = 0;
  #flusher: WalFlusher | undefined;
  #reserve: Reserve | undefined;
  #inPlace: InPlace | undefined;
  /** When the reserve is tried again; 0 while it is whole, and the file may grow up to `#pagesMax`. */
  #reserveAt = 0;
  readonly #pagesMax: number;
  #checkpointFrames = CHECKPOINT_FRAMES;
  /** Frames in the WAL that are not in the file. */
  #walFrames = 0;
  /** Those of them that the last checkpoint could not take, since a reader still needed older ones. */
  #framesHeld = 0;
  #restartFrames = RESTART_FRAMES;
  #retryFrames = RESTART_RETRY_FRAMES;
  /** Whether the connection is in `synchronous=FULL`. */
  #isFull = true;
  #wasSynced = true;
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
    const soundFrames = file === ':memory:' ? undefined : readyWal(file);
    const database = openForWriting(file, shard, {
      ...(identity === undefined ? {} : { identity }),
      check: (opened) => assertFrames(opened, soundFrames),
    });
    this.database = database;
    this.#identity = database.memory ? undefined : identity;
    this.#takeIfThereIsRoom();
    const pagesMax = maxBytes === undefined ? '' : ` = ${Math.ceil(maxBytes / PAGE_BYTES)}`;
    this.#pagesMax = Number(database.pragma(`max_page_count${pagesMax}`, { simple: true }));
    this.#begin = database.prepare('BEGIN IMMEDIATE');
    this.#commit = database.prepare('COMMIT');
    this.#rollback = database.prepare('ROLLBACK');
    this.#walState = walCheckpoint(database, 'NOOP');
    this.#copyWal = walCheckpoint(database, 'PASSIVE');
    this.#restart = walCheckpoint(database, 'RESTART');
  }

  /** Without room, a log that is this history's can be opened to be read and pruned. */
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

  /** Nothing may be committed before. Outside a transaction. @throws what SQLite says, want of room above all */
  ensureTaken(): void {
    if (this.#isTaken) return;
    if (this.#identity !== undefined) takeIntoUse(this.database, this.#identity);
    this.#isTaken = true;
  }

  /** The last sequence that is known to survive power loss. */
  get syncedHead(): number {
    return this.#syncedHead;
  }

  /** What the next checkpoint copies into the file. */
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
   * Holds the head that was found against the mark, and keeps the mark from now on.
   * @returns the head that was once committed, if the file has less now
   */
  startMark(head: number): number | undefined {
    this.#syncedHead = head;
    if (this.database.memory) return undefined;
    this.#flusher = new WalFlusher(this.#file);
    this.#reserve = new Reserve(this.#file);
    this.#inPlace = new InPlace([this.#file, `${this.#file}-wal`]);
    // The reserve has to cover them.
    const covered = Math.floor(this.#reserve.bytesMax / WAL_FRAME_BYTES);
    this.#checkpointFrames = Math.max(1, Math.min(CHECKPOINT_FRAMES, covered));
    this.#unflushed = new UnflushedLimit(this.#file, this.#epoch);
    // All that is in the log was flushed when its WAL was written again.
    this.#unflushed.clear();
    const mark = readMark(markFile(this.#file));
    // That of an earlier epoch, or of format 1, was judged when this one began.
    const isOfEpoch = mark !== undefined && mark.epoch === this.#epoch;
    const lostHead = isOfEpoch && head < mark.head ? mark.head : 0;
    this.#mark = new MarkWriter(markFile(this.#file), {
      syncedHead: isOfEpoch ? Math.min(mark.syncedHead, head) : 0,
      epoch: this.#epoch,
      lostHead,
    });
    // Takes its place on disk now, so that no commit has to ask for it on a full one.
    this.noteCommit(head);
    return lostHead > 0 ? lostHead : undefined;
  }

  /**
   * The mode cannot change inside a transaction, so the batch's first record decides; NORMAL only after a batch
   * that needed no more, so that mixed traffic does not switch all the time.
   */
  begin(synced: boolean, head: number): void {
    this.ensureTaken();
    const mayWait = !synced && !this.#wasSynced && this.#mayStayUnflushed(head);
    this.setFull(!mayWait);
    this.#begin.run();
  }

  /** Whether the next batch may be shown before it is flushed, and a power cut would be told of it. */
  #mayStayUnflushed(head: number): boolean {
    const unflushed = this.#unflushed;
    if (unflushed === undefined || unflushed.covers(head + BATCH_EVENTS_MAX)) return true;
    try {
      unflushed.extend(head);
      return true;
    } catch (error) {
      // No room for the file: then every batch is flushed.
      if (isNoRoom(error)) return false;
      throw error;
    }
  }

  commit(): void {
    this.#commit.run();
  }

  /** SQLite may have rolled back by itself. */
  rollback(): void {
    if (this.database.inTransaction) this.#rollback.run();
  }

  /**
   * Flushes what was just committed, if `synced` and not flushed yet: a commit in FULL flushes the whole WAL, and with
   * it the commits made in NORMAL before.
   */
  ensureFlushed(synced: boolean, head: number): void {
    this.#wasSynced = synced;
    if (this.#isFull) this.#syncedHead = head;
    else if (synced) this.flush(head);
    this.#syncedBatches = synced ? this.#syncedBatches + 1 : 0;
    if (this.#syncedBatches === SYNCED_BATCHES_TO_CLEAR) this.#unflushed?.clear();
  }

  /**
   * Flushes what was committed up to `head`: the WAL has all of it that no checkpoint has flushed into the file. SQLite
   * by itself flushes nothing for a transaction that has changed nothing, in FULL either.
   */
  flush(head: number): void {
    if (this.#syncedHead >= head) return;
    this.#flusher?.flush();
    this.#syncedHead = head;
  }

  noteCommit(head: number): void {
    if (this.#mark === undefined) return;
    const [, frames, copied] = this.#walState.get() ?? [0, 0, 0];
    this.#walFrames = frames - copied;
    this.#mark.write(head, this.#syncedHead === head, frames);
  }

  /** What is committed may be told as long as its files are where they were. @throws BusError `STORE_FAILED` */
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
   * Waits until no reader needs the WAL: under readers that overlap there is no such moment by itself. New ones are let in
   * and read the file alone, those that are under way end with their page. One that reads for long, as a backup does, is
   * not waited for, nor is one that is kept from going on: the WAL then grows before the next try, by more each time, so that a
   * backup costs few waits.
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
   * Keeps the reserve as large as the WAL. Where there is no room for it, the WAL is copied into the file while that
   * can still grow, and from then on it may not: what is published goes where removed events were, or is refused. So
   * the WAL can always start anew, and a removal finds room in it.
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
      this.#limitPages(this.#pagesMax);
      return;
    }
    this.#stopGrowth(now);
    if (this.#walFrames > 0) this.checkpoint();
  }

  /** There was no room for something: gives the reserve to the checkpoint that makes room in the WAL. */
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
    this.#limitPages(PAGES_AS_THEY_ARE);
  }

  #limitPages(pages: number): void {
    this.database.pragma(`max_page_count = ${pages}`);
  }

  setFull(full: boolean): void {
    if (full === this.#isFull) return;
    setSynchronous(this.database, full);
    this.#isFull = full;
  }

  /** After a commit that was flushed, and with it all before. */
  close(): void {
    this.#unflushed?.clear();
    this.#closeFiles();
    this.database.close();
  }

  /**
   * Closes after a failure, and leaves the files as a process does that dies. SQLite copies the WAL into the file and removes
   * it when the last connection closes: frames would be taken for good that are not on the disk, and a log that says that
   * it is open would have none. While another one is open it leaves both as they are. That one may only read,
   * so it cannot do it either.
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
