import { passedBetween, type RecordedStep } from '../../recorded-step.js';
import type { Database, Statement } from '../driver/driver.js';
import type { BlockIndex } from '../index/block-index.js';
import type { TopicTable } from '../index/topic-table.js';
import { recordedAtSql } from '../rows/checksums.js';
import { damagedEvent } from '../rows/damaged-event.js';
import { assertPrunedIds } from '../rows/pruned-ids.js';
import { RecordBuffer } from '../rows/record-buffer.js';
import type { RowDecoder } from '../rows/row-decoder.js';
import type { RowReader } from '../rows/row-reader.js';
import { CHECKED_FROM, MetaTable } from '../tables/meta-table.js';
import { BATCH_EVENTS_MAX, INDEX_BLOCK_EVENTS } from '../tables/tables.js';
import type { DedupeWindow } from './dedupe-window.js';

/**
 * Fills the dedupe window when a log is opened, in the order of sequences: from the rows of `events`, and from
 * `pruned_ids` for pruned events. The index lists supplied ids under a topic of their own, so no other rows are
 * visited.
 */
export type SuppliedId = [id: string | null, source: string | null];

/**
 * Of a row of `events`: the id if the publisher supplied it, and the source if the id is unique within it only; else
 * NULL.
 */
export const SUPPLIED_ID_SQL =
  'CASE WHEN flags & 1 THEN id END, ' +
  'CASE WHEN flags & 2 THEN (SELECT name FROM names WHERE names.id = events.source) END';

type PrunedRow = [
  sequence: number,
  recordedAt: number,
  topic: string,
  id: string,
  source: string | null,
];
type EventId = [recordedAt: number, topic: number, ...named: SuppliedId];

const PRUNED_PER_PAGE = 1024;
const BUFFER_BYTES = 4096;

export interface LoadedFrom {
  readonly lastRecordedAt: number;
  /** ms since 1970. */
  readonly now: number;
  readonly steps: readonly RecordedStep[];
  readonly rows: RowReader;
  readonly decoder: RowDecoder;
}

export class DedupeLoader {
  readonly #database: Database;
  readonly #topics: TopicTable;
  readonly #dedupe: DedupeWindow;
  readonly #now: number;
  readonly #lastRecordedAt: number;
  readonly #steps: readonly RecordedStep[];
  readonly #rows: RowReader;
  readonly #records: RecordBuffer;
  readonly #selectPruned: Statement<[number], PrunedRow>;
  /** A page of `pruned_ids`, and how many of its rows are loaded. */
  #pruned: PrunedRow[];
  #prunedAt = 0;

  constructor(
    database: Database,
    topics: TopicTable,
    dedupe: DedupeWindow,
    { lastRecordedAt, now, steps, rows, decoder }: LoadedFrom,
  ) {
    this.#database = database;
    this.#topics = topics;
    this.#dedupe = dedupe;
    this.#now = now;
    this.#lastRecordedAt = lastRecordedAt;
    this.#steps = steps;
    this.#rows = rows;
    this.#records = new RecordBuffer(decoder, BUFFER_BYTES);
    assertPrunedIds(database);
    this.#selectPruned = database
      .prepare<[number], PrunedRow>(
        `SELECT sequence, recorded_at, topic, id, source FROM pruned_ids
         WHERE sequence > ? ORDER BY sequence LIMIT ${PRUNED_PER_PAGE}`,
      )
      .raw();
    this.#pruned = this.#selectPruned.all(0);
  }

  /** Loads the ids in complete index blocks. */
  loadBlocks(index: BlockIndex, writtenBlocks: number): void {
    const idOf = this.#database
      .prepare<[number], EventId>(
        `SELECT recorded_at, topic, ${SUPPLIED_ID_SQL} FROM events WHERE sequence = ?`,
      )
      .raw();
    for (const block of this.#blocks(index, writtenBlocks)) {
      for (const sequence of index.suppliedIds(block)) {
        const row = idOf.get(sequence);
        if (row === undefined) {
          this.#rows.pruned.assertPruned(sequence, sequence);
          continue;
        }
        const [recordedAt, topic, id, source] = row;
        if (id === null) throw damagedEvent(this.#database.name, sequence);
        this.add(sequence, recordedAt, this.#topics.byId(topic).name, id, source);
      }
    }
  }

  add(
    sequence: number,
    recordedAt: number,
    topic: string,
    id: string,
    source: string | null,
  ): void {
    this.#loadPruned(sequence);
    if (this.#ageOf(recordedAt) <= this.#dedupe.windowMs) this.#check(sequence);
    this.#load(sequence, recordedAt, topic, id, source);
  }

  end(): void {
    this.#loadPruned(Number.POSITIVE_INFINITY);
    this.#dedupe.loaded();
  }

  /** Checks the row, because a repeat of an event with a damaged id would be stored again. */
  #check(sequence: number): void {
    const row = this.#rows.one(sequence);
    if (row !== undefined) this.#records.check(row);
  }

  /** Loads the ids of pruned events below a sequence. */
  #loadPruned(below: number): void {
    for (;;) {
      const next = this.#pruned[this.#prunedAt];
      if (next === undefined || next[0] >= below) return;
      this.#load(...next);
      if (++this.#prunedAt < this.#pruned.length) continue;
      this.#pruned = this.#selectPruned.all(next[0]);
      this.#prunedAt = 0;
    }
  }

  #load(
    sequence: number,
    recordedAt: number,
    topic: string,
    id: string,
    source: string | null,
  ): void {
    if (!this.#isInWindow(recordedAt)) return;
    // An event from the future was recorded while the clock was wrong.
    const ageMs = Math.max(0, this.#ageOf(recordedAt));
    const named = { topic, id, source: source ?? undefined };
    this.#dedupe.load(named, sequence, ageMs, BATCH_EVENTS_MAX);
  }

  /**
   * Whether an event recorded then was in the window when the last event was recorded, and not now: repeats in the last
   * batch are judged again by the window of that time.
   */
  #isInWindow(recordedAt: number): boolean {
    return passedBetween(recordedAt, this.#lastRecordedAt, this.#steps) <= this.#dedupe.windowMs;
  }

  #ageOf(recordedAt: number): number {
    return passedBetween(recordedAt, this.#now, this.#steps);
  }

  /** The complete blocks that the window can reach, ascending. */
  #blocks(index: BlockIndex, writtenBlocks: number): number[] {
    const checkedFrom = new MetaTable(this.#database).get(CHECKED_FROM);
    const timeOf = this.#database
      .prepare<[number], number | null>(
        `SELECT ${recordedAtSql(checkedFrom)} FROM events WHERE sequence >= ? ORDER BY sequence LIMIT 1`,
      )
      .pluck();
    const blocks: number[] = [];
    let left = this.#dedupe.idsMax + BATCH_EVENTS_MAX;
    for (let block = writtenBlocks - 1; block >= 0 && left > 0; block--) {
      blocks.push(block);
      left -= index.suppliedIds(block).length;
      const startedAt = timeOf.get(block * INDEX_BLOCK_EVENTS);
      // A damaged time decides nothing.
      if (typeof startedAt === 'number' && !this.#isInWindow(startedAt)) break;
    }
    return blocks.reverse();
  }
}
