import { BusError } from '../../protocol/errors.js';
import { EVENT_FLAG_SYNCED, EventRecordView } from '../../record/event-record.js';
import type { ShardExpiry } from '../expiry.js';
import type { Page, PageRequest } from '../page.js';
import type {
  CommittedBatch,
  PayloadFileTotals,
  ReadRequest,
  RingPosition,
  ShardLog,
  ShardPages,
  TopicSummary,
  TopicTotals,
} from '../shard-log.js';
import type { StoredRecord } from '../stored-record.js';
import { writeClosed } from './connection/log-identity.js';
import type { WriteConnection } from './connection/write-connection.js';
import { ConsecutiveBatch } from './consecutive-batch.js';
import type { DeadTable } from './consumers/dead-table.js';
import type { StateTable } from './consumers/state-table.js';
import type { DedupeWindow } from './dedupe/dedupe-window.js';
import type { EventInserter } from './event-inserter.js';
import type { IndexKeeper } from './index/index-keeper.js';
import type { TopicTable } from './index/topic-table.js';
import { LogHealth } from './log-health.js';
import { openParts } from './log-parts.js';
import type { OpenBatch } from './open-batch.js';
import type { LogPayloads } from './payloads/log-payloads.js';
import type { PageReader } from './reading/page-reader.js';
import type { Retention } from './retention/retention.js';
import type { RingPositionTable } from './ring-positions.js';
import type { EventReader } from './rows/event-reader.js';
import type { SqliteConsumers } from './sqlite-consumers.js';
import type { SqliteShardLogOptions } from './sqlite-log-options.js';
import type { SqlitePruning } from './sqlite-pruning.js';
import type { SqliteScheduled } from './sqlite-scheduled.js';
import { BATCH_EVENTS_MAX, INDEX_ROWS_PER_EVENT } from './tables/tables.js';
import type { Upkeep } from './upkeep.js';

/**
 * The log of one shard in one SQLite file, or in memory. One thread owns it.
 *
 * A failure inside a batch is kept until `commit`, which throws it; `append` itself never throws an error of the store.
 * After `STORE_FULL` the log goes on. After any other failure it refuses everything until it is opened again, because
 * after a failed flush the file system's answers cannot be trusted.
 */
export class SqliteShardLog implements ShardLog, ShardPages {
  /** The head that was once committed, if the file's head is lower now: history went backwards. */
  readonly wentBackwardsFrom: number | undefined;
  readonly isShared = false;
  /** The `FilePlace` of the file, as the first thread found it. */
  forSuccessor: unknown;
  readonly ringPositions: RingPositionTable;
  readonly pruning: SqlitePruning;
  readonly pages: ShardPages = this;
  readonly expiry: ShardExpiry;
  readonly consumers: SqliteConsumers;
  readonly scheduled: SqliteScheduled;
  appendedTopic = '';

  readonly #health: LogHealth;
  readonly #connection: WriteConnection;
  readonly #events: EventInserter;
  readonly #topics: TopicTable;
  readonly #index: IndexKeeper;
  readonly #retention: Retention;
  readonly #upkeep: Upkeep;
  readonly #pages: PageReader;
  readonly #dedupe: DedupeWindow;
  readonly #reader: EventReader;
  readonly #states: StateTable;
  readonly #dead: DeadTable;
  readonly #payloads: LogPayloads;
  readonly #view = new EventRecordView();

  #head: number;
  #lastRecordedAt: number;
  readonly #batch: OpenBatch;
  readonly #committed = new ConsecutiveBatch();

  /** @throws BusError `STORE_CORRUPT`, `STORE_FAILED`, `STORE_FULL` */
  constructor(options: SqliteShardLogOptions) {
    this.#health = new LogHealth(options.file);
    const parts = openParts(options, this.#health, {
      head: () => this.#head,
      undo: () => this.#undo(),
    });
    this.#connection = parts.connection;
    this.#events = parts.events;
    this.#topics = parts.topics;
    this.#index = parts.index;
    this.#retention = parts.retention;
    this.#upkeep = parts.upkeep;
    this.#pages = parts.pages;
    this.#dedupe = parts.dedupe;
    this.#reader = parts.reader;
    this.#states = parts.states;
    this.#dead = parts.dead;
    this.#payloads = parts.payloads;
    this.#batch = parts.batch;
    this.ringPositions = parts.ringPositions;
    this.pruning = parts.pruning;
    this.expiry = parts.expiry;
    this.consumers = parts.consumers;
    this.scheduled = parts.scheduled;
    this.wentBackwardsFrom = parts.wentBackwardsFrom;
    this.#head = parts.head;
    this.#lastRecordedAt = parts.lastRecordedAt;
  }

  get head(): number {
    return this.#head;
  }

  get syncedHead(): number {
    return this.#connection.syncedHead;
  }

  get lastRecordedAt(): number {
    return this.#lastRecordedAt;
  }

  get walBytes(): number {
    return this.#connection.walBytes;
  }

  get payloadFiles(): PayloadFileTotals {
    return this.#payloads.table;
  }

  get unindexedEvents(): number {
    return this.#upkeep.unindexedEvents;
  }

  append(bytes: Buffer, offset: number, recordedAt: number): number {
    const view = this.#view.wrap(bytes, offset);
    const { flags } = view;
    const batch = this.#batch;
    if (!batch.isOpen) batch.open((flags & EVENT_FLAG_SYNCED) !== 0);
    if (batch.next - this.#head > BATCH_EVENTS_MAX) {
      throw new BusError('LIMIT_EXCEEDED', `a batch is at most ${BATCH_EVENTS_MAX} events`);
    }
    const sequence = batch.next++;
    const index = sequence - this.#head - 1;
    if (batch.failure !== undefined) return index;
    try {
      const time = Math.max(recordedAt, batch.recordedAt);
      batch.recordedAt = time;
      this.appendedTopic = this.#events.add(view, flags, sequence, time);
    } catch (error) {
      batch.fail(error, 'appending to');
    }
    return index;
  }

  commit(synced: boolean, positions: readonly RingPosition[]): CommittedBatch {
    const batch = this.#batch;
    this.#committed.first = this.#head + 1;
    if (!batch.isOpen) {
      if (positions.length === 0) {
        if (synced) this.#orEnd('flushing', () => this.#connection.flush(this.#head));
        return this.#committed;
      }
      batch.open(synced);
    }
    batch.run('committing to', () => this.#finish(positions));
    const { failure } = batch;
    if (failure !== undefined) {
      batch.end(this.#head, this.#lastRecordedAt);
      throw failure;
    }
    this.#accept(synced);
    return this.#committed;
  }

  /** Discards the open batch. Its sequences, which nobody has seen, are assigned again. */
  rollback(): void {
    if (!this.#batch.isOpen) return;
    this.#batch.undo();
    this.#batch.end(this.#head, this.#lastRecordedAt);
  }

  findDuplicate(bytes: Buffer, offset: number): number {
    return this.#dedupe.find(this.#view.wrap(bytes, offset));
  }

  get dedupeWindowMs(): number {
    return this.#dedupe.windowMs;
  }

  get dedupeReachMs(): number {
    return this.#dedupe.reachMs;
  }

  read(request: ReadRequest, visit: (record: StoredRecord) => boolean | undefined): number {
    return this.#health.guard('reading', () => this.#reader.read(request, this.#head, visit));
  }

  scanTopics(after: number, limit: number, visit: (topic: TopicTotals) => void): number {
    return this.#topics.scan(after, limit, visit);
  }

  topic(name: string): TopicSummary | undefined {
    const entry = this.#topics.find(name);
    return entry && this.#health.guard('reading', () => this.#index.summary(entry, this.#head));
  }

  hasTopic(name: string): boolean {
    return this.#topics.find(name) !== undefined;
  }

  lastSequenceOf(topic: string): number {
    return this.#topics.find(topic)?.lastSequence ?? 0;
  }

  get forgottenThrough(): number {
    return this.#topics.forgottenThrough;
  }

  get prunedThrough(): number {
    return this.#retention.prunedThrough;
  }

  get prunedEvents(): number {
    return this.#retention.prunedEvents;
  }

  /** Reads a page in the log's own thread, where no reader can open the file (`:memory:`). Call it outside a batch. */
  page(request: PageRequest): Page {
    return this.#health.guard('reading', () => this.#pages.page(request));
  }

  /** The last sequence recorded before a time in ms since 1970. Call it outside a batch. */
  positionAt(timeMs: number): number {
    return this.#health.guard('reading', () => this.#pages.positionAt(timeMs));
  }

  maintain(): boolean {
    if (this.#batch.isOpen || this.#health.broken !== undefined) return false;
    this.#orEnd('looking for', () => this.#connection.assertInPlace());
    const removed = this.#removePayloads();
    return this.#health.guard('maintaining', () => this.#upkeep.step(this.#head)) || removed;
  }

  /** Writes the totals, so that the next opening need not add them up. */
  close(): void {
    if (!this.#connection.database.open) return;
    this.#payloads.upkeep.close();
    let isFinished = false;
    try {
      this.rollback();
      isFinished = this.#health.broken === undefined && this.#finishTotals();
    } finally {
      // A log that is not marked as closed keeps its WAL: without one, its commits would count as lost.
      if (isFinished) this.#connection.close();
      else this.#connection.abandon();
    }
  }

  /** Writes the batch and commits it. */
  #finish(positions: readonly RingPosition[]): void {
    if (this.#batch.next - 1 > this.#head) this.#finishEvents();
    this.ringPositions.write(positions);
    this.#states.finish();
    this.#dead.finish();
    this.scheduled.finish();
    this.#payloads.claimed.finish();
    this.#payloads.claimed.committing();
    this.#connection.commit();
  }

  /** Inserts the buffered rows, and writes the batch's share of the index. */
  #finishEvents(): void {
    this.#events.flush();
    this.#topics.writeCount();
    if (!this.#index.isDue(this.#head)) return;
    const events = this.#batch.next - this.#head - 1;
    this.#index.step(events * INDEX_ROWS_PER_EVENT, this.#head);
  }

  /** Makes the committed batch visible. */
  #accept(synced: boolean): void {
    const batch = this.#batch;
    const before = this.#head;
    this.#head = batch.next - 1;
    this.#lastRecordedAt = batch.recordedAt;
    batch.end(this.#head, this.#lastRecordedAt);
    // A batch without events leaves the dedupe window to the recovery of links, which may still need it.
    if (this.#head > before) this.#events.commit(before, this.#head);
    this.#states.end();
    this.#dead.commit();
    this.scheduled.commit();
    this.#payloads.claimed.commit();
    this.#flush(synced);
    if (this.#connection.isCheckpointOverdue) this.#checkpoint();
  }

  /** Removes the batch from every structure in memory. */
  #undo(): void {
    this.#events.rollback();
    this.#states.end();
    this.#dead.rollback();
    this.scheduled.rollback();
    this.#payloads.claimed.rollback();
  }

  /** Every commit is flushed first: otherwise a power cut could bring back an event without its payload's file. */
  #removePayloads(): boolean {
    if (!this.#upkeep.removesPayloads) return false;
    this.#orEnd('flushing', () => this.#connection.flushAll(this.#head));
    this.#health.guard('removing payload files of', () => this.#upkeep.removePayloads(this.#head));
    return true;
  }

  /** The batch is stored already, so a checkpoint that finds no room is left to `maintain`. */
  #checkpoint(): void {
    try {
      this.#health.guard('checkpointing', () => this.#connection.checkpoint());
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'STORE_FULL') throw error;
      this.#upkeep.noteShortage();
    }
  }

  /**
   * Flushes the commit and checks the files. If that fails, the batch is stored but not safe, nor known to be there, so
   * even a full disk ends the log.
   */
  #flush(synced: boolean): void {
    this.#orEnd('flushing', () => {
      this.#connection.ensureFlushed(synced, this.#head);
      this.#connection.noteCommit(this.#head);
      this.#connection.assertInPlace();
    });
  }

  /** Runs work of which any failure ends the log, even want of room. */
  #orEnd(doing: string, work: () => void): void {
    if (this.#health.broken !== undefined) throw this.#health.broken;
    try {
      work();
    } catch (error) {
      throw this.#health.end(error, doing);
    }
  }

  #writeTotals(): void {
    this.#index.writeTotals(this.#head);
    this.#retention.writePositions();
    writeClosed(this.#connection.database);
  }

  /** Writes the totals; false if there is no room for them. The next opening then adds them up. */
  #finishTotals(): boolean {
    try {
      this.#connection.setFull(true);
      this.#connection.database.transaction(() => this.#writeTotals()).immediate();
      this.#connection.noteCommit(this.#head);
      return true;
    } catch (error) {
      const failure = this.#health.judge(error, 'closing');
      if (failure.code !== 'STORE_FULL') throw failure;
      return false;
    }
  }
}
