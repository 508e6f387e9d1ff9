import type { DeadTable } from '../consumers/dead-table.js';
import type { Database, Statement } from '../driver/driver.js';
import { deleteFieldRows } from '../fields/field-table.js';
import { IDS } from '../index/id-index.js';
import type { TopicEntry } from '../index/topic-entry.js';
import { TopicLists } from '../index/topic-lists.js';
import type { TopicTable } from '../index/topic-table.js';
import type { ExpiryTable } from '../rows/expiry-table.js';
import { PrunedIds } from '../rows/pruned-ids.js';
import { PrunedSequencesWriter } from '../rows/pruned-sequences.js';
import {
  MetaTable,
  PRUNED_BLOCKS,
  PRUNED_EVENTS,
  PRUNED_IDS_COUNT,
  PRUNED_RECORDED_AT,
  PRUNED_THROUGH,
} from '../tables/meta-table.js';
import { blockOf } from '../tables/tables.js';

/** An event to remove, as its row has it. The head check of the row must be right. */
export interface DoomedRow {
  readonly sequence: number;
  /** ms since 1970. */
  readonly recordedAt: number;
  /** The topic's id. */
  readonly topic: number;
  /** See `ROW_BYTES_SQL`. */
  readonly bytes: number;
  /** ms since 1970; null: it does not expire. */
  readonly expiresAt: number | null;
  /**
   * No older event of its topic is left, but for rows before it in the same removal: the topic's history now begins
   * behind it. False where that is not known: older events may be left then.
   */
  readonly isOldest: boolean;
  /** With `isOldest`: the topic's oldest event afterwards, where that is known. */
  readonly next?: { readonly sequence: number; readonly recordedAt: number } | undefined;
}

export interface RemovalOptions {
  /** The last committed sequence. */
  readonly head: number;
  /** Numbers to write to `meta` with the removal. */
  readonly numbers?: Readonly<Record<string, number>>;
  /**
   * True: readers that come too late are told of a gap, up to the last event without an older one. False: they pass over
   * what is removed, since nobody misses it. Default true.
   */
  readonly isLoss?: boolean;
}

/** The payloads of events that lie in files. Every call but the last two is in the removal's transaction. */
export interface ReleasedPayloads {
  readonly holds: boolean;
  /** Called before the rows `first` to `last` are deleted. */
  release(first: number, last: number): void;
  writeCount(): void;
  commit(): void;
  rollback(): void;
}

/** Tables that outlive the events that are removed. */
export interface Kept {
  readonly topics: TopicTable;
  readonly dead: DeadTable;
  readonly payloads: ReleasedPayloads;
  readonly expiries: ExpiryTable;
}

/**
 * Removes any set of events from the log, and nothing decides here which. One call is one transaction, so the caller
 * bounds the rows, and the blocks that they lie in. The rows must exist, in ascending order of their sequences; they
 * may lie anywhere in the log, and in their topics.
 *
 * With a row go its share of the totals, and of the index where a topic or a block has too little left. What is kept:
 * that the sequence was pruned, a publisher's own id while a repeat must be recognised, and the record of an event that
 * is dead for a consumer. A removal that fails has changed nothing, in the file and in memory.
 */
export class Removal {
  readonly #database: Database;
  readonly #topics: TopicTable;
  readonly #dead: DeadTable;
  readonly #payloads: ReleasedPayloads;
  readonly #expiries: ExpiryTable;
  readonly #delete: Statement<[number, number]>;
  readonly #deleteIndexRow: Statement<[number, number]>;
  readonly #deleteIndexBlocks: Statement<[number]>;
  readonly #meta: MetaTable;
  readonly #prunedIds: PrunedIds;
  readonly #pruned: PrunedSequencesWriter;
  readonly #lists: TopicLists;
  #prunedThrough: number;
  #prunedEvents: number;

  /** Ids are remembered for `dedupeWindowMs`, even those of pruned events. */
  constructor(database: Database, kept: Kept, dedupeWindowMs: number) {
    const { topics, dead, payloads, expiries } = kept;
    this.#database = database;
    this.#expiries = expiries;
    this.#topics = topics;
    this.#dead = dead;
    this.#payloads = payloads;
    this.#prunedIds = new PrunedIds(database, dedupeWindowMs);
    this.#pruned = new PrunedSequencesWriter(database);
    this.#lists = new TopicLists(database, topics);
    this.#meta = new MetaTable(database);
    const numbers = this.#meta.all();
    this.#prunedThrough = numbers[PRUNED_THROUGH] ?? 0;
    this.#prunedEvents = numbers[PRUNED_EVENTS] ?? 0;
    this.#delete = database.prepare('DELETE FROM events WHERE sequence BETWEEN ? AND ?');
    this.#deleteIndexRow = database.prepare(
      'DELETE FROM topic_index WHERE block = ? AND topic = ?',
    );
    this.#deleteIndexBlocks = database.prepare('DELETE FROM topic_index WHERE block < ?');
  }

  /** The last sequence that was pruned from any topic. */
  get prunedThrough(): number {
    return this.#prunedThrough;
  }

  get prunedEvents(): number {
    return this.#prunedEvents;
  }

  remove(rows: readonly DoomedRow[], how: RemovalOptions): void {
    const last = rows[rows.length - 1];
    if (last === undefined) return;
    try {
      this.#database.transaction(() => this.#removeInside(rows, how)).immediate();
    } catch (error) {
      this.#topics.rollback();
      this.#dead.rollback();
      this.#payloads.rollback();
      this.#expiries.rollback();
      throw error;
    }
    this.#topics.commit();
    this.#dead.commit();
    this.#payloads.commit();
    this.#expiries.commit();
    this.#prunedThrough = Math.max(this.#prunedThrough, last.sequence);
    this.#prunedEvents += rows.length;
  }

  /** Deletes what the index has of topics that are forgotten, in the caller's transaction. */
  deleteIndexOf(entries: readonly TopicEntry[]): void {
    for (const { id, goneThrough } of entries) {
      this.#deleteIndexRow.run(blockOf(goneThrough), id);
    }
  }

  #removeInside(rows: readonly DoomedRow[], how: RemovalOptions): void {
    const { head, numbers = {}, isLoss = true } = how;
    const touched = new Set<TopicEntry>();
    let first = 0;
    if (this.#dead.holds) for (const { sequence } of rows) this.#dead.keepRecord(sequence);
    this.#prunedIds.begin();
    this.#pruned.begin();
    for (const [at, row] of rows.entries()) {
      touched.add(this.#uncount(row, isLoss));
      const { sequence, recordedAt, expiresAt } = row;
      if (expiresAt !== null) this.#expiries.remove(expiresAt, sequence);
      const next = rows[at + 1];
      if (next !== undefined && next.sequence === sequence + 1) continue;
      this.#prunedIds.keep(rows[first]!.sequence, sequence, recordedAt);
      this.#pruned.add(rows[first]!.sequence, sequence);
      if (this.#payloads.holds) this.#payloads.release(rows[first]!.sequence, sequence);
      this.#delete.run(rows[first]!.sequence, sequence);
      first = at + 1;
    }
    for (const entry of touched) this.#topics.write(entry, head);
    this.#remember(rows, numbers);
  }

  /** Takes the row off its topic's totals, and deletes index rows of the topic that name no event any more. */
  #uncount(row: DoomedRow, isLoss: boolean): TopicEntry {
    const entry = this.#topics.byId(row.topic);
    const { goneThrough } = entry;
    this.#topics.uncount(entry, row, isLoss);
    const block = blockOf(goneThrough);
    if (goneThrough > 0 && block < blockOf(entry.goneThrough)) {
      this.#deleteIndexRow.run(block, entry.id);
      this.#lists.noteDeleted(block);
    }
    return entry;
  }

  /** Notes in `meta` what outlives the rows: the head, recorded time, and which rows are gone. */
  #remember(rows: readonly DoomedRow[], numbers: Readonly<Record<string, number>>): void {
    const last = rows[rows.length - 1]!;
    const before = this.#meta.get(PRUNED_BLOCKS);
    const { wholeBlocks, sparse } = this.#pruned.end(before);
    this.#dead.finish();
    this.#payloads.writeCount();
    this.#expiries.finish();
    this.#meta.set({
      ...(last.sequence > this.#prunedThrough && {
        [PRUNED_THROUGH]: last.sequence,
        [PRUNED_RECORDED_AT]: last.recordedAt,
      }),
      [PRUNED_EVENTS]: this.#prunedEvents + rows.length,
      [PRUNED_BLOCKS]: wholeBlocks,
      [PRUNED_IDS_COUNT]: this.#prunedIds.end(),
      ...numbers,
    });
    for (const block of sparse) this.#thin(block);
    this.#lists.shorten();
    if (wholeBlocks === before) return;
    this.#lists.forget(wholeBlocks);
    this.#deleteIndexBlocks.run(wholeBlocks);
    deleteFieldRows(this.#database, 0, wholeBlocks);
  }

  /** Deletes the index by id and by field of a block that has too few events left for it to be worth its room. */
  #thin(block: number): void {
    this.#deleteIndexRow.run(block, IDS);
    deleteFieldRows(this.#database, block, block + 1);
  }
}
