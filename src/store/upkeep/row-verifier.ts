import { messageOf } from '../../protocol/thrown.js';
import { isMissingPayload } from '../directory/payload-files.js';
import { deadProblems } from '../sqlite/consumers/dead-rows.js';
import { stateProblems } from '../sqlite/consumers/state-table.js';
import type { Database } from '../sqlite/driver/driver.js';
import { decodePostings } from '../sqlite/encoding/postings.js';
import { hashOfText } from '../sqlite/encoding/text-hash.js';
import { BlockIndex } from '../sqlite/index/block-index.js';
import { decodeIdHashes, type IdHashesRow, SELECT_ID_HASHES } from '../sqlite/index/id-index.js';
import { topicProblems } from '../sqlite/index/topic-rows.js';
import type { EventRow } from '../sqlite/rows/event-row.js';
import { NameReader } from '../sqlite/rows/names.js';
import { prunedIdProblems } from '../sqlite/rows/pruned-ids.js';
import { RecordBuffer } from '../sqlite/rows/record-buffer.js';
import { RowDecoder } from '../sqlite/rows/row-decoder.js';
import { RowReader } from '../sqlite/rows/row-reader.js';
import { scheduleProblems } from '../sqlite/scheduled/schedule-table.js';
import { waitingProblems } from '../sqlite/scheduled/waiting-rows.js';
import {
  hasConsumers,
  hasSchedules,
  INDEX_BLOCKS,
  isChecked,
  MetaTable,
  PRUNED_EVENTS,
  PRUNED_THROUGH,
  readMeta,
} from '../sqlite/tables/meta-table.js';
import { blockOf, INDEX_BLOCK_EVENTS } from '../sqlite/tables/tables.js';
import { ExpiryVerifier } from './expiry-verifier.js';
import { FieldVerifier } from './field-verifier.js';
import { stillHas, verifyPayloads } from './payload-verifier.js';
import type { VerifyFinding } from './verify-finding.js';

interface TopicRow {
  readonly id: number;
  readonly name: string;
  readonly events: number;
  readonly through: number;
}

interface TopicState extends TopicRow {
  /** Rows found that the topic's row should count. */
  counted: number;
}

const ROWS_PER_RANGE = 4096;
const BUFFER_BYTES = 64 * 1024;
/** After a restart so many blocks may have no index by field for a moment. */
const FIELD_BACKLOG_USUAL = 2;

/** Checks every row of one log, in one snapshot, against its checksum, the index and the totals. */
export class RowVerifier {
  head = 0;

  readonly #database: Database;
  readonly #file: string;
  readonly #shard: number;
  readonly #rows: RowReader;
  readonly #records: RecordBuffer;
  readonly #index: BlockIndex;
  readonly #fields: FieldVerifier;
  readonly #expiries: ExpiryVerifier;
  readonly #topics = new Map<number, TopicState>();
  readonly #writtenBlocks: number;
  readonly #prunedThrough: number;
  /** Sequences of the current block by topic. */
  #blockRows = new Map<number, number[]>();
  /** Sequences of the current block, each with the hash of its id. */
  #blockIds: [sequence: number, hash: number][] = [];
  #block = 0;
  /** Ranges of sequences without a row that are not reported yet. */
  #holes: [from: number, to: number][] = [];
  #found = 0;
  #recordedAt = 0;

  constructor(database: Database, file: string, shard: number) {
    this.#database = database;
    this.#file = file;
    this.#shard = shard;
    this.#rows = new RowReader(database, (from, to) => this.#holes.push([from, to]));
    const topics = new NameReader(database, 'topics');
    const names = new NameReader(database, 'names');
    const decoder = new RowDecoder(database, shard, names, (id) => topics.name(id));
    this.#records = new RecordBuffer(decoder, BUFFER_BYTES);
    this.#index = new BlockIndex(database, this.#rows.pruned);
    this.#fields = new FieldVerifier(database, names, this.#rows.pruned);
    this.#expiries = new ExpiryVerifier(database);
    this.#writtenBlocks = readMeta(database, INDEX_BLOCKS);
    this.#prunedThrough = readMeta(database, PRUNED_THROUGH);
  }

  *verify(): Generator<VerifyFinding> {
    const topics = this.#database.prepare<[], TopicRow>('SELECT * FROM topics');
    for (const row of topics.iterate()) this.#topics.set(row.id, { ...row, counted: 0 });
    yield* this.#verifyTables();
    yield* this.#tellBacklog();
    this.#index.refresh();
    const last = this.#database.prepare('SELECT max(sequence) FROM events').pluck().get();
    const lastRow = typeof last === 'number' ? last : 0;
    this.head = Math.max(lastRow, this.#prunedThrough);
    let at = 0;
    this.#rows.pruned.refresh();
    while (at < lastRow) {
      const rows: EventRow[] = [];
      this.#rows.range(at, lastRow, false, (row) => rows.push(row) < ROWS_PER_RANGE);
      yield* this.#verifyHoles();
      if (rows.length === 0) break;
      for (const row of rows) {
        yield* this.#verifyRow(row);
        at = row[0];
      }
    }
    if (lastRow < this.head) this.#holes.push([lastRow + 1, this.head]);
    yield* this.#verifyHoles();
    yield* this.#endBlocks(blockOf(this.head) + 1);
    yield* this.#verifyCounts();
  }

  /** Checks the tables that an opening checks as a whole. */
  *#verifyTables(): Generator<VerifyFinding> {
    const database = this.#database;
    const numbers = new MetaTable(database).all();
    if (!isChecked(numbers)) return;
    for (const problem of topicProblems(database)) yield this.#error(undefined, problem);
    for (const problem of prunedIdProblems(database)) yield this.#error(undefined, problem);
    if (!hasConsumers(numbers)) return;
    for (const problem of stateProblems(database)) yield this.#error(undefined, problem);
    for (const problem of deadProblems(database)) yield this.#error(undefined, problem);
    if (!hasSchedules(numbers)) return;
    for (const problem of waitingProblems(database)) yield this.#error(undefined, problem);
    for (const problem of scheduleProblems(database)) yield this.#error(undefined, problem);
    yield* verifyPayloads(database, this.#file, this.#shard);
    for (const problem of this.#expiries.problems()) yield this.#error(undefined, problem);
  }

  *#tellBacklog(): Generator<VerifyFinding> {
    const left = this.#fields.left(this.#writtenBlocks);
    if (left <= FIELD_BACKLOG_USUAL) return;
    const message =
      `${left} of ${this.#writtenBlocks} blocks have no index by correlation id, source and type ` +
      'yet: a bus makes it while it has the directory open';
    yield { severity: 'note', file: this.#file, shard: this.#shard, message };
  }

  *#verifyHoles(): Generator<VerifyFinding> {
    for (const [from, to] of this.#holes.splice(0)) {
      const missing = this.#rows.pruned.firstKept(from, to);
      if (missing === undefined) continue;
      yield this.#error(missing, `events ${missing} to ${to} are missing, and were not all pruned`);
    }
  }

  *#verifyRow(row: EventRow): Generator<VerifyFinding> {
    const [sequence, recordedAt, topic] = row;
    if (blockOf(sequence) !== this.#block) yield* this.#endBlocks(blockOf(sequence));
    if (this.#rows.pruned.isPruned(sequence)) {
      yield this.#error(sequence, 'it was pruned, but there is a row');
    }
    if (recordedAt < this.#recordedAt) {
      yield this.#error(sequence, `recorded at ${recordedAt}, earlier than the event before it`);
    }
    try {
      this.#records.clear();
      this.#records.add(row);
      this.#fields.note(row);
    } catch (error) {
      this.#fields.noteDamage();
      if (!this.#wasRemoved(sequence, error)) yield this.#error(sequence, messageOf(error));
    }
    const fault = this.#expiries.note(row);
    if (fault !== undefined) yield this.#error(sequence, fault);
    this.#recordedAt = recordedAt;
    this.#found++;
    this.#blockIds.push([sequence, hashOfText(row[6])]);
    const sequences = this.#blockRows.get(topic);
    if (sequences === undefined) this.#blockRows.set(topic, [sequence]);
    else sequences.push(sequence);
    const state = this.#topics.get(topic);
    if (state !== undefined && sequence <= state.through) state.counted++;
  }

  /** An event in use may be pruned after the snapshot was taken, and its payload's file with it. */
  #wasRemoved(sequence: number, error: unknown): boolean {
    return isMissingPayload(error) && !stillHas(this.#file, this.#shard, sequence);
  }

  /** Compares the index of every block before `next` with the rows that were found in it. */
  *#endBlocks(next: number): Generator<VerifyFinding> {
    while (this.#block < next) {
      if (this.#block < this.#writtenBlocks) {
        yield* this.#verifyIndex(this.#block);
        yield* this.#verifyIds(this.#block);
        for (const { sequence, message } of this.#fields.verify(this.#block)) {
          yield this.#error(sequence, message);
        }
      }
      this.#blockRows = new Map();
      this.#blockIds = [];
      this.#fields.clear();
      // The blocks behind the last of the index are passed at once: a damaged row may claim to be in the 2^39th.
      this.#block = this.#block + 1 < this.#writtenBlocks ? this.#block + 1 : next;
    }
  }

  *#verifyIndex(block: number): Generator<VerifyFinding> {
    const { rows, isSound } = this.#index.rowsOf(block);
    if (!isSound) {
      const message = `the topic index of block ${block} is damaged: readers use the events instead`;
      yield this.#error(undefined, message);
    }
    for (const { topic, sequences } of rows) {
      const indexed: number[] = [];
      decodePostings(sequences, block * INDEX_BLOCK_EVENTS, indexed);
      yield* this.#compare(topic, indexed, this.#blockRows.get(topic) ?? []);
      this.#blockRows.delete(topic);
    }
    for (const [topic, sequences] of this.#blockRows) {
      yield* this.#compare(topic, [], sequences);
    }
  }

  *#verifyIds(block: number): Generator<VerifyFinding> {
    const row = this.#database.prepare<[number], IdHashesRow>(SELECT_ID_HASHES).raw().get(block);
    if (row === undefined) return;
    const start = block * INDEX_BLOCK_EVENTS;
    const hashes = decodeIdHashes(row);
    if (hashes === undefined) {
      yield this.#error(start, 'the index of ids from here on is damaged');
      return;
    }
    for (const [sequence, hash] of this.#blockIds) {
      if (hashes[sequence - start] === hash) continue;
      yield this.#error(sequence, 'the index of ids has the hash of another id for it');
    }
  }

  *#compare(
    topic: number,
    indexed: readonly number[],
    found: readonly number[],
  ): Generator<VerifyFinding> {
    const state = this.#topics.get(topic);
    const name = state?.name ?? `${topic}, which does not exist`;
    const rows = new Set(found);
    for (const sequence of indexed) {
      if (rows.delete(sequence) || this.#rows.pruned.isPruned(sequence)) continue;
      yield this.#error(sequence, `the index has it on topic ${name}, but there is no such row`);
    }
    for (const sequence of rows) {
      yield this.#error(sequence, `the index does not have it on topic ${name}`);
    }
  }

  *#verifyCounts(): Generator<VerifyFinding> {
    const pruned = readMeta(this.#database, PRUNED_EVENTS);
    const missing = this.head - this.#found;
    if (missing !== pruned) {
      const message = `of ${this.head} events ${missing} are gone, but only ${pruned} were pruned`;
      yield this.#error(undefined, message);
    }
    const fault = this.#expiries.end();
    if (fault !== undefined) yield this.#error(undefined, fault);
    for (const { name, events, counted, through } of this.#topics.values()) {
      if (events === counted) continue;
      const message = `topic ${name} has ${counted} events up to ${through}, its totals say ${events}`;
      yield this.#error(undefined, message);
    }
  }

  #error(sequence: number | undefined, message: string): VerifyFinding {
    const at = sequence === undefined ? {} : { sequence };
    return { severity: 'error', file: this.#file, shard: this.#shard, ...at, message };
  }
}
