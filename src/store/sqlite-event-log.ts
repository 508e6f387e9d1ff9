import type Database from 'better-sqlite3';
import { BusError } from '../protocol/errors.js';
import { DEDUPE_IDS_MAX, DEDUPE_WINDOW_MS } from '../protocol/limits.js';
import { matchesPattern } from '../protocol/topic.js';
import {
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SYNCED,
  EventRecordView,
} from '../record/event-record.js';
import { DedupeWindow } from './dedupe-window.js';
import type {
  EventLog,
  ReadRequest,
  RingPosition,
  StoredRecord,
  TopicSummary,
} from './event-log.js';
import { IndexKeeper } from './index-keeper.js';
import type { Mark } from './mark.js';
import { MarkWriter, markFile, readMark } from './mark.js';
import { NameReader, NameWriter } from './names.js';
import { type Page, PageReader, type PageRequest } from './page.js';
import { RecordBuffer } from './record-buffer.js';
import { loadState } from './recovery.js';
import { Retention, type RetentionRule } from './retention.js';
import { RowDecoder } from './row-decoder.js';
import { RowReader } from './row-reader.js';
import { ROW_OVERHEAD_BYTES } from './row-size.js';
import { RowWriter } from './row-writer.js';
import {
  INDEX_BLOCK_EVENTS,
  openForWriting,
  PAGE_BYTES,
  ROW_FLAG_SUPPLIED_ID,
  readMeta,
  setSynchronous,
} from './schema.js';
import { storeError } from './store-errors.js';
import { TopicIndexWriter } from './topic-index.js';
import { TopicTable } from './topic-table.js';
import { assertWalIsSound } from './wal-scan.js';

export interface SqliteEventLogOptions {
  /** The file, see `shardFile`; `:memory:` keeps nothing. */
  readonly file: string;
  readonly shard: number;
  readonly dedupeWindowMs?: number;
  readonly dedupeIdsMax?: number;
  /** The file grows no further than this; past it, `STORE_FULL`. Default: as far as the disk. */
  readonly maxShardBytes?: number;
  readonly retention?: readonly RetentionRule[];
  /** What a pattern of a retention rule means; default: the meaning everywhere. */
  readonly matches?: (pattern: string, topic: string) => boolean;
  /** ms since 1970; for tests. */
  readonly now?: () => number;
}

/** Frames, of one page each, in the WAL before it is copied into the file; see docs/adr/0002. */
const CHECKPOINT_FRAMES = 1024;
/** A shard that never calls `maintain` gets its checkpoints in `commit`, from this many times as much on. */
const CHECKPOINT_OVERDUE = 4;
/**
 * A batch is at most half an index block, and writes four index rows per event while a block waits: so that
 * block, of at most one row per event, is on disk before the one after the next is begun.
 */
const BATCH_EVENTS_MAX = INDEX_BLOCK_EVENTS / 2;
const INDEX_ROWS_PER_EVENT = 4;
const READ_BUFFER_BYTES = 64 * 1024;

type WalState = [busy: number, frames: number, copied: number];

interface MutableRecord {
  sequence: number;
  recordedAt: number;
  bytes: Buffer;
  offset: number;
  length: number;
}

/**
 * The log of one shard in one SQLite file, or in memory. One thread owns it.
 *
 * A failure inside a batch is kept until `commit`, which throws it: `append` itself never fails on the store's
 * account. After `STORE_FULL` the log goes on; after any other failure it refuses everything until it is
 * opened again, because after a failed flush nothing that the file system says can be trusted.
 */
export class SqliteEventLog implements EventLog {
  /** The head that was once committed here, where the file has less now: history went backwards. */
  readonly wentBackwardsFrom: number | undefined;

  readonly #file: string;
  readonly #database: Database.Database;
  readonly #now: () => number;
  readonly #begin: Database.Statement<[]>;
  readonly #commit: Database.Statement<[]>;
  readonly #rollback: Database.Statement<[]>;
  readonly #position: Database.Statement<[string, number, number]>;
  readonly #walState: Database.Statement<[], WalState>;
  readonly #copyWal: Database.Statement<[], WalState>;
  readonly #rows: RowWriter;
  readonly #names: NameWriter;
  readonly #topics: TopicTable;
  readonly #index: IndexKeeper;
  readonly #retention: Retention;
  readonly #pages: PageReader;
  readonly #dedupe: DedupeWindow;
  readonly #mark: MarkWriter | undefined;
  readonly #reader: RowReader;
  readonly #nameReader: NameReader;
  readonly #records: RecordBuffer;
  readonly #view = new EventRecordView();
  readonly #record: MutableRecord;

  #head: number;
  #prunedThrough: number;
  #lastRecordedAt: number;
  #next: number;
  #batchRecordedAt: number;
  #walFrames = 0;
  /** Frames that the last checkpoint could not take, since a reader still needed older ones. */
  #framesHeld = 0;
  #isBatchOpen = false;
  /** Whether the connection is in `synchronous=FULL`. */
  #isFull = true;
  #wasSynced = true;
  /** What went wrong in the open batch. */
  #failure: BusError | undefined;
  /** What makes the log unusable. */
  #broken: BusError | undefined;

  /** @throws BusError `STORE_CORRUPT`, `STORE_FAILED`, `STORE_FULL` */
  constructor(options: SqliteEventLogOptions) {
    const { file, shard } = options;
    const isMemory = file === ':memory:';
    this.#file = file;
    this.#now = options.now ?? Date.now;
    const mark = isMemory ? undefined : readMark(markFile(file));
    if (!isMemory) assertWalIsSound(file, mark);
    const database = openForWriting(file, shard);
    this.#database = database;
    try {
      if (options.maxShardBytes !== undefined) {
        database.pragma(`max_page_count = ${Math.ceil(options.maxShardBytes / PAGE_BYTES)}`);
      }
      this.#begin = database.prepare('BEGIN IMMEDIATE');
      this.#commit = database.prepare('COMMIT');
      this.#rollback = database.prepare('ROLLBACK');
      this.#position = database.prepare(
        'INSERT OR REPLACE INTO ring_positions (endpoint, position, first_sequence) VALUES (?, ?, ?)',
      );
      this.#walState = walCheckpoint(database, 'NOOP');
      this.#copyWal = walCheckpoint(database, 'PASSIVE');
      this.#rows = new RowWriter(database);
      this.#names = new NameWriter(database);
      this.#nameReader = new NameReader(database, 'names');
      const { retention = [], matches = matchesPattern } = options;
      const rulesOf = (topic: string): readonly number[] =>
        retention.flatMap(({ pattern = '*' }, rule) => (matches(pattern, topic) ? [rule] : []));
      this.#topics =
        retention.length === 0
          ? new TopicTable(database)
          : new TopicTable(database, retention.length, rulesOf);
      this.#retention = new Retention(database, this.#topics, retention);
      this.#dedupe = new DedupeWindow(
        options.dedupeWindowMs ?? DEDUPE_WINDOW_MS,
        options.dedupeIdsMax ?? DEDUPE_IDS_MAX,
      );
      const index = new TopicIndexWriter(database, readMeta(database, 'index_blocks'));
      const totalsBlocks = readMeta(database, 'totals_blocks');
      this.#index = new IndexKeeper(database, index, this.#topics, totalsBlocks);
      const since = this.#now() - (options.dedupeWindowMs ?? DEDUPE_WINDOW_MS);
      const loaded = loadState(database, this.#topics, index, this.#dedupe, since);
      this.#head = loaded.head;
      this.#lastRecordedAt = loaded.lastRecordedAt;
      this.#next = this.#head + 1;
      this.#prunedThrough = readMeta(database, 'pruned_through');
      this.#batchRecordedAt = this.#lastRecordedAt;
      this.#reader = new RowReader(database);
      this.#pages = new PageReader(database, file, shard);
      const topicName = (id: number): string => this.#topics.byId(id).name;
      const decoder = new RowDecoder(file, shard, this.#nameReader, topicName);
      this.#records = new RecordBuffer(decoder, READ_BUFFER_BYTES);
      const { bytes } = this.#records;
      this.#record = { sequence: 0, recordedAt: 0, bytes, offset: 0, length: 0 };
      this.wentBackwardsFrom = lostHead(mark, this.#head);
      this.#mark = isMemory
        ? undefined
        : new MarkWriter(markFile(file), Math.min(mark?.syncedHead ?? 0, this.#head));
    } catch (error) {
      database.close();
      throw storeError(error, file, 'opening');
    }
  }

  get head(): number {
    return this.#head;
  }

  get lastRecordedAt(): number {
    return this.#lastRecordedAt;
  }

  append(bytes: Buffer, offset: number, topic: string, recordedAt: number): number {
    const view = this.#view.wrap(bytes, offset);
    const { flags } = view;
    if (!this.#isBatchOpen) this.#open((flags & EVENT_FLAG_SYNCED) !== 0);
    if (this.#next - this.#head > BATCH_EVENTS_MAX) {
      throw new BusError('LIMIT_EXCEEDED', `a batch is at most ${BATCH_EVENTS_MAX} events`);
    }
    const sequence = this.#next++;
    if (this.#failure !== undefined) return sequence;
    try {
      this.#add(view, flags, sequence, topic, recordedAt);
    } catch (error) {
      this.#fail(error, 'appending to');
    }
    return sequence;
  }

  commit(synced: boolean, positions: readonly RingPosition[]): void {
    if (!this.#isBatchOpen) {
      if (positions.length === 0) return;
      this.#open(synced);
    }
    if (this.#failure === undefined) this.#finish(positions);
    const failure = this.#failure;
    if (failure !== undefined) {
      this.#reset();
      throw failure;
    }
    this.#accept(synced);
  }

  rollback(): void {
    if (!this.#isBatchOpen) return;
    this.#undo();
    this.#reset();
  }

  ringPositions(): RingPosition[] {
    return this.#database
      .prepare<[], RingPosition>(
        'SELECT endpoint, position, first_sequence AS firstSequence FROM ring_positions',
      )
      .all();
  }

  clearRingPositions(): void {
    this.#guard('writing', () => this.#database.prepare('DELETE FROM ring_positions').run());
  }

  findDuplicate(id: string): number {
    return this.#dedupe.find(id, Math.max(this.#now(), this.#lastRecordedAt));
  }

  read(request: ReadRequest, visit: (record: StoredRecord) => boolean | undefined): number {
    const { after, limit } = request;
    const until = Math.min(request.until ?? this.#head, this.#head);
    const limitBytes = request.limitBytes ?? Number.POSITIVE_INFINITY;
    const records = this.#records;
    const record = this.#record;
    let count = 0;
    records.clear();
    if (limit <= 0) return 0;
    this.#guard('reading', () => {
      this.#reader.range(after, until, false, (row) => {
        record.length = records.add(row);
        record.sequence = row[0];
        record.recordedAt = row[1];
        record.bytes = records.bytes;
        record.offset = records.offset;
        count++;
        return visit(record) !== false && count < limit && records.length < limitBytes;
      });
    });
    return count;
  }

  *topics(): Generator<TopicSummary> {
    for (const entry of this.#topics.entries()) yield this.#index.summary(entry, this.#head);
  }

  topic(name: string): TopicSummary | undefined {
    const entry = this.#topics.find(name);
    return entry === undefined ? undefined : this.#index.summary(entry, this.#head);
  }

  get prunedThrough(): number {
    return this.#prunedThrough;
  }

  pruneStep(now: number): boolean {
    if (this.#isBatchOpen || this.#broken !== undefined) return false;
    const more = this.#guard('pruning', () => this.#retention.step(now, this.#head));
    this.#prunedThrough = readMeta(this.#database, 'pruned_through');
    this.#noteCommit();
    return more;
  }

  /** A page for the log's own thread, where no reader can look into the file: `:memory:`. Outside a batch only. */
  page(request: PageRequest): Page {
    return this.#guard('reading', () => this.#pages.page(request));
  }

  /** The last sequence recorded before a time in ms since 1970. Outside a batch only. */
  positionAt(timeMs: number): number {
    return this.#guard('reading', () => this.#pages.positionAt(timeMs));
  }

  maintain(): boolean {
    if (this.#isBatchOpen || this.#broken !== undefined) return false;
    if (this.#index.isDue(this.#head)) {
      this.#guard('indexing', () => this.#index.maintain(this.#head));
      this.#noteCommit();
      return true;
    }
    if (this.#walFrames - this.#framesHeld >= CHECKPOINT_FRAMES) this.#checkpoint();
    return false;
  }

  close(): void {
    if (!this.#database.open) return;
    try {
      this.rollback();
      if (this.#broken === undefined) {
        this.#setFull(true);
        this.#database.transaction(() => this.#index.writeTotals(this.#head)).immediate();
        this.#mark?.write(this.#head, true, 0);
      }
    } finally {
      this.#database.close();
      this.#mark?.close();
    }
  }

  #open(synced: boolean): void {
    this.#isBatchOpen = true;
    this.#failure = this.#broken;
    if (this.#failure !== undefined) return;
    try {
      // The mode cannot change inside a transaction, so the batch's first record decides; NORMAL only
      // after a batch that needed no more, so that mixed traffic does not switch all the time.
      this.#setFull(synced || this.#wasSynced);
      this.#begin.run();
    } catch (error) {
      this.#fail(error, 'beginning a batch in');
    }
  }

  #add(
    view: EventRecordView,
    flags: number,
    sequence: number,
    topic: string,
    recordedAt: number,
  ): void {
    const time = Math.max(recordedAt, this.#batchRecordedAt);
    this.#batchRecordedAt = time;
    const entry = this.#topics.findOrAdd(topic);
    const type = this.#names.id(view.type);
    const source = this.#names.id(view.source);
    const { id, payloadStart, correlationId, causationId, attributesText, timestamp } = view;
    const payload = view.bytes.subarray(payloadStart, payloadStart + view.payloadLength);
    const checksum = view.checksum();
    const isSupplied = (flags & EVENT_FLAG_SUPPLIED_ID) !== 0;
    const bytes = ROW_OVERHEAD_BYTES + payload.length;
    if (
      !isSupplied &&
      timestamp === time &&
      correlationId === undefined &&
      causationId === undefined &&
      attributesText === undefined
    ) {
      this.#rows.addSlim(sequence, time, entry.id, type, source, checksum, id, payload);
    } else {
      this.#rows.addFull(
        sequence,
        time,
        entry.id,
        type,
        source,
        checksum,
        id,
        payload,
        isSupplied ? ROW_FLAG_SUPPLIED_ID : 0,
        timestamp === time ? null : timestamp,
        correlationId ?? null,
        causationId ?? null,
        attributesText ?? null,
      );
    }
    if (isSupplied) this.#dedupe.add(id, sequence, time);
    this.#topics.count(entry, sequence, time, bytes);
    this.#index.note(sequence, entry.id, bytes, isSupplied);
  }

  /** Runs what is buffered, and the batch's share of the index, and commits. */
  #finish(positions: readonly RingPosition[]): void {
    try {
      this.#rows.flush();
      for (const { endpoint, position, firstSequence } of positions) {
        this.#position.run(endpoint, position, firstSequence);
      }
      if (this.#index.isDue(this.#head)) {
        const events = this.#next - this.#head - 1;
        this.#index.step(events * INDEX_ROWS_PER_EVENT, this.#head, this.#next - 1);
      }
      this.#commit.run();
    } catch (error) {
      this.#fail(error, 'committing to');
    }
  }

  /** The batch is in the file: makes it visible here. */
  #accept(synced: boolean): void {
    this.#isBatchOpen = false;
    this.#head = this.#next - 1;
    this.#lastRecordedAt = this.#batchRecordedAt;
    this.#topics.commit();
    this.#names.commit();
    this.#index.commit();
    this.#dedupe.commit(this.#lastRecordedAt);
    this.#wasSynced = synced;
    if (synced && !this.#isFull) this.#flushCommitted();
    this.#noteCommit();
    const overdue = CHECKPOINT_OVERDUE * CHECKPOINT_FRAMES;
    if (this.#walFrames - this.#framesHeld > overdue) this.#checkpoint();
  }

  #noteCommit(): void {
    if (this.#mark === undefined) return;
    this.#walFrames = this.#walState.get()?.[1] ?? 0;
    this.#mark.write(this.#head, this.#isFull, this.#walFrames);
  }

  /**
   * A commit in FULL flushes the whole WAL, and with it the commits made in NORMAL before. If it fails, what was
   * committed is stored but perhaps not safe, so even a full disk ends this log.
   */
  #flushCommitted(): void {
    try {
      this.#setFull(true);
      this.#database
        .prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('flushed', ?)")
        .run(this.#head);
    } catch (error) {
      this.#broken = new BusError('STORE_FAILED', `flushing ${this.#file}`, { cause: error });
      throw this.#broken;
    }
  }

  /** Copies the WAL into the file; the next commit then starts the WAL anew, unless a reader needs it. */
  #checkpoint(): void {
    this.#guard('checkpointing', () => {
      const [, frames, copied] = this.#copyWal.get()!;
      this.#framesHeld = copied === frames ? 0 : frames;
      if (copied === frames) this.#walFrames = 0;
    });
  }

  #setFull(full: boolean): void {
    if (full === this.#isFull) return;
    setSynchronous(this.#database, full);
    this.#isFull = full;
  }

  #guard<T>(doing: string, work: () => T): T {
    if (this.#broken !== undefined) throw this.#broken;
    try {
      return work();
    } catch (error) {
      const failure = storeError(error, this.#file, doing);
      if (failure.code !== 'STORE_FULL') this.#broken = failure;
      throw failure;
    }
  }

  /** Keeps the failure for `commit` and takes the batch back. */
  #fail(error: unknown, doing: string): void {
    const failure = storeError(error, this.#file, doing);
    this.#failure = failure;
    if (failure.code !== 'STORE_FULL') this.#broken = failure;
    this.#undo();
  }

  /** Takes the batch out of SQLite and of every structure here; SQLite may have rolled back by itself. */
  #undo(): void {
    this.#rows.discard();
    this.#topics.rollback();
    if (this.#names.rollback()) this.#nameReader.forget();
    this.#index.rollback();
    this.#dedupe.rollback();
    try {
      if (this.#database.inTransaction) this.#rollback.run();
    } catch (error) {
      this.#broken ??= storeError(error, this.#file, 'rolling back');
    }
  }

  #reset(): void {
    this.#isBatchOpen = false;
    this.#failure = undefined;
    this.#next = this.#head + 1;
    this.#batchRecordedAt = this.#lastRecordedAt;
  }
}

function lostHead(mark: Mark | undefined, head: number): number | undefined {
  return mark !== undefined && head < mark.head ? mark.head : undefined;
}

function walCheckpoint(
  database: Database.Database,
  mode: 'NOOP' | 'PASSIVE',
): Database.Statement<[], WalState> {
  return database.prepare<[], WalState>(`PRAGMA wal_checkpoint(${mode})`).raw();
}
