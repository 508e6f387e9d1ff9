import { BusError } from '../../protocol/errors.js';
import type { Manifest } from '../directory/manifest.js';
import { assertFrames, readyWal } from '../directory/ready-wal.js';
import type { StoredSchedule, WaitingPublish } from '../scheduled.js';
import { openForReading, shardFile } from '../sqlite/connection/schema.js';
import { countConsumers } from '../sqlite/consumers/state-table.js';
import type { Database } from '../sqlite/driver/driver.js';
import { examineLog, type HistoryLoss } from '../sqlite/log-state.js';
import type { EventRow } from '../sqlite/rows/event-row.js';
import { NameReader } from '../sqlite/rows/names.js';
import type { PrunedId } from '../sqlite/rows/pruned-ids.js';
import { RecordBuffer } from '../sqlite/rows/record-buffer.js';
import { RowDecoder } from '../sqlite/rows/row-decoder.js';
import { RowReader } from '../sqlite/rows/row-reader.js';
import { readSchedules, scheduleProblems } from '../sqlite/scheduled/schedule-table.js';
import { waitingOf, waitingProblems, waitingRows } from '../sqlite/scheduled/waiting-rows.js';
import {
  hasPayloadFiles,
  hasSchedules,
  MetaTable,
  PRUNED_RECORDED_AT,
  readMeta,
} from '../sqlite/tables/meta-table.js';
import { type EmptiedTopic, readPrunedIds } from './pruned-start.js';

/** Reads one log of a directory that is being copied, in order, after the same checks as an opening for writing. */
const ROWS_PER_RANGE = 256;
const BUFFER_BYTES = 64 * 1024;

export class ReshardSource {
  readonly head: number;
  /** Set if the log has lost events that readers saw. */
  readonly loss: HistoryLoss | undefined;
  readonly #database: Database;
  readonly #rows: RowReader;
  readonly #topics: NameReader;
  readonly #records: RecordBuffer;
  #ahead: EventRow[] = [];
  #at = 0;
  #read = 0;

  /**
   * Opens a log. The caller holds the directory's lock.
   * @returns `undefined` if the log was never made, because the directory's first opening was interrupted
   * @throws BusError `STORE_CORRUPT`, `STORE_FAILED`
   */
  static open(dir: string, manifest: Manifest, shard: number): ReshardSource | undefined {
    const { isUnmade = false, loss } = examineLog(dir, manifest, shard);
    return isUnmade ? undefined : new ReshardSource(shardFile(dir, shard), shard, loss);
  }

  private constructor(file: string, shard: number, loss: HistoryLoss | undefined) {
    this.loss = loss;
    const frames = readyWal(file);
    const database = openForReading(file, shard);
    this.#database = database;
    try {
      assertFrames(database, frames);
      this.#rows = new RowReader(database);
      this.#topics = new NameReader(database, 'topics');
      const names = new NameReader(database, 'names');
      const decoder = new RowDecoder(database, shard, names, (id) => this.#topics.name(id));
      this.#records = new RecordBuffer(decoder, BUFFER_BYTES);
      const head = database.prepare('SELECT max(sequence) FROM events').pluck().get();
      this.head = typeof head === 'number' ? head : 0;
      this.#fetch();
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Recorded time of the next event; `undefined` at the end. */
  get nextAt(): number | undefined {
    return this.#ahead[this.#at]?.[1];
  }

  /** The number of durable consumers whose state or dead events the log keeps. */
  get consumers(): number {
    return countConsumers(this.#database);
  }

  /** The size of the smallest payload that lies in a file; `undefined` if none does. */
  get smallestClaimed(): number | undefined {
    if (!hasPayloadFiles(new MetaTable(this.#database).all())) return undefined;
    const least = this.#database.prepare<[], number | null>(
      'SELECT min(length) FROM payload_files WHERE refs > 0',
    );
    return least.pluck().get() ?? undefined;
  }

  /** Recorded time of the last pruned event; 0 if none is pruned. */
  get prunedAt(): number {
    return readMeta(this.#database, PRUNED_RECORDED_AT);
  }

  /** Ids of pruned events that must still be known, in the order in which the events were recorded. */
  prunedIds(): Iterator<PrunedId> {
    return readPrunedIds(this.#database);
  }

  /** The topics of which no event is left. */
  emptiedTopics(): IterableIterator<EmptiedTopic> {
    // A row without a last sequence is of a topic whose events are not counted yet.
    const select = this.#database.prepare<[], EmptiedTopic>(
      `SELECT name, last_at AS lastAt FROM topics WHERE events = 0 AND last_sequence > 0 ORDER BY id`,
    );
    return select.iterate();
  }

  /** Publishes that wait for their time, in the order of their acceptance. @throws BusError `STORE_CORRUPT` */
  *waiting(): Generator<WaitingPublish> {
    if (!this.#hasSchedules) return;
    for (const reason of waitingProblems(this.#database)) throw this.#damaged(reason);
    for (const row of waitingRows(this.#database)) yield waitingOf(row);
  }

  /** @throws BusError `STORE_CORRUPT` */
  schedules(): StoredSchedule[] {
    if (!this.#hasSchedules) return [];
    for (const reason of scheduleProblems(this.#database)) throw this.#damaged(reason);
    return readSchedules(this.#database);
  }

  get #hasSchedules(): boolean {
    return hasSchedules(new MetaTable(this.#database).all());
  }

  #damaged(reason: string): BusError {
    const { name: file } = this.#database;
    return new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
  }

  /** The next event. Its bytes are a copy, since a batch refers to them until it is committed. */
  take(): { topic: string; recordedAt: number; bytes: Buffer } {
    const row = this.#ahead[this.#at++]!;
    this.#records.clear();
    const length = this.#records.add(row);
    const bytes = Buffer.from(this.#records.bytes.subarray(0, length));
    if (this.#at === this.#ahead.length) this.#fetch();
    return { topic: this.#topics.name(row[2]), recordedAt: row[1], bytes };
  }

  close(): void {
    this.#database.close();
  }

  #fetch(): void {
    this.#ahead = [];
    this.#at = 0;
    this.#rows.range(this.#read, this.head, false, (row) => this.#ahead.push(row) < ROWS_PER_RANGE);
    this.#read = this.#ahead[this.#ahead.length - 1]?.[0] ?? this.head;
  }
}
