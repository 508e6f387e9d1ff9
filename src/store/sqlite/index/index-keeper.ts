import type { TopicSummary } from '../../shard-log.js';
import type { Database, Statement } from '../driver/driver.js';
import { FieldWriter } from '../fields/field-writer.js';
import { RecentValues } from '../fields/recent-values.js';
import { recordedAtSql } from '../rows/checksums.js';
import { damagedEvent } from '../rows/damaged-event.js';
import { PrunedSequences } from '../rows/pruned-sequences.js';
import {
  CHECKED_FROM,
  INDEX_BLOCKS,
  MetaTable,
  readMeta,
  TOTALS_BLOCKS,
} from '../tables/meta-table.js';
import { blockOf, INDEX_BLOCK_EVENTS } from '../tables/tables.js';
import { BlockIndex } from './block-index.js';
import type { TopicEntry } from './topic-entry.js';
import type { TopicIndexWriter } from './topic-index.js';
import type { TopicTable } from './topic-table.js';

/** Rows of the index or of the totals written in one step of background work. */
const ROWS_PER_STEP = 1024;
/** Totals are written once per this many index blocks; an opening adds up the blocks since then. */
const BLOCKS_PER_TOTALS = 8;

/**
 * Writes the topic index, the index by field and the topics' totals to disk, a bounded number of rows at a time and
 * always inside a transaction: the batch's under load, one of its own when the shard is idle.
 */
export class IndexKeeper {
  readonly fields: FieldWriter;
  readonly #database: Database;
  readonly #index: TopicIndexWriter;
  readonly #topics: TopicTable;
  readonly #meta: MetaTable;
  readonly #isPruned: (topic: number, sequence: number) => boolean;
  readonly #firstAfter: FirstAfter;
  /** State as of the last commit, for a rollback. */
  #committedBlocks: number;
  #committedTotalsBlocks: number;
  #totalsBlocks: number;
  /** Topics whose totals are being written, and the block up to which the totals are then complete. */
  #round: TopicEntry[] = [];
  #roundBlocks = 0;
  #writtenInBatch: TopicEntry[] = [];

  constructor(
    database: Database,
    index: TopicIndexWriter,
    topics: TopicTable,
    recentValues?: SharedArrayBuffer,
  ) {
    this.#database = database;
    this.#meta = new MetaTable(database);
    const totalsBlocks = this.#meta.get(TOTALS_BLOCKS);
    this.#index = index;
    this.#topics = topics;
    this.fields = new FieldWriter(database, new RecentValues(recentValues));
    this.#committedBlocks = index.writtenBlocks;
    this.#committedTotalsBlocks = totalsBlocks;
    this.#totalsBlocks = totalsBlocks;
    this.#firstAfter = new FirstAfter(database, index);
    this.#isPruned = (topic, sequence) => sequence <= topics.byId(topic).goneThrough;
  }

  note(
    sequence: number,
    recordedAt: number,
    topic: number,
    bytes: number,
    isSupplied: boolean,
    idHash: number,
  ): void {
    this.#index.note(sequence, recordedAt, topic, bytes, isSupplied, idHash);
  }

  /** Blocks below this are on disk. */
  get writtenBlocks(): number {
    return this.#index.writtenBlocks;
  }

  isDue(head: number): boolean {
    const isRoundDue = this.#round.length > 0;
    return isRoundDue || this.#index.isDue(head) || this.fields.isDue(this.writtenBlocks);
  }

  /** One step inside the caller's transaction. `head` is the last committed sequence. */
  step(rows: number, head: number): void {
    // First the rest of an older block, whose place in memory is needed sooner.
    const left = this.fields.step(rows, this.writtenBlocks);
    if (left <= 0) return;
    if (this.#index.isDue(head)) this.#writeTopics(left);
    else if (this.#round.length > 0) this.#writeRound(left, head);
  }

  #writeTopics(rows: number): void {
    const left = this.#index.step(rows, this.#isPruned);
    if (left === undefined) return;
    const { writtenBlocks } = this.#index;
    // A batch may be so large that the next one takes the block's place in memory.
    this.fields.step(left, writtenBlocks);
    this.#meta.set({ [INDEX_BLOCKS]: writtenBlocks });
    if (this.#round.length > 0 || writtenBlocks - this.#totalsBlocks < BLOCKS_PER_TOTALS) return;
    this.#round = [...this.#topics.entries()].filter((entry) => entry.isDirty);
    this.#roundBlocks = writtenBlocks;
  }

  /** One step in a transaction of its own. */
  maintain(head: number): void {
    try {
      this.#database.transaction(() => this.step(ROWS_PER_STEP, head)).immediate();
    } catch (error) {
      this.#topics.rollback();
      this.rollback();
      throw error;
    }
    this.#topics.commit();
    this.#commit();
  }

  /** Writes all totals that have changed, at a clean close, in the caller's transaction. */
  writeTotals(head: number): void {
    for (const entry of this.#topics.entries()) {
      if (entry.isDirty) this.#topics.write(entry, head);
    }
    this.#meta.set({ [TOTALS_BLOCKS]: this.#index.writtenBlocks });
  }

  /** The batch, the sequences after `from` up to `head`, is committed, and with it the steps made inside it. */
  commit(from: number, head: number): void {
    this.#topics.commit();
    this.#index.count(this.#topics, from + 1, head);
    this.#commit();
  }

  #commit(): void {
    this.fields.commit();
    this.#committedBlocks = this.#index.writtenBlocks;
    this.#committedTotalsBlocks = this.#totalsBlocks;
    if (this.#writtenInBatch.length > 0) this.#writtenInBatch = [];
  }

  rollback(): void {
    this.fields.rollback();
    this.#index.restart(this.#committedBlocks);
    this.#totalsBlocks = this.#committedTotalsBlocks;
    if (this.#writtenInBatch.length === 0) return;
    this.#round.push(...this.#writtenInBatch);
    this.#writtenInBatch = [];
  }

  summary(entry: TopicEntry, head: number): TopicSummary {
    if (entry.events > 0 && entry.firstSequence === 0) this.#firstAfter.fill(entry, head);
    const { name, events, firstSequence, lastSequence, firstAt, lastAt, prunedThrough } = entry;
    return { name, events, firstSequence, lastSequence, firstAt, lastAt, prunedThrough };
  }

  #writeRound(rows: number, head: number): void {
    for (let left = rows; left > 0; left--) {
      const entry = this.#round.pop();
      if (entry === undefined) break;
      this.#writtenInBatch.push(entry);
      this.#topics.write(entry, head);
    }
    if (this.#round.length > 0) return;
    this.#totalsBlocks = this.#roundBlocks;
    this.#meta.set({ [TOTALS_BLOCKS]: this.#roundBlocks });
  }
}

/** Finds a topic's oldest event after pruning, by the index. */
class FirstAfter {
  readonly #index: TopicIndexWriter;
  readonly #written: BlockIndex;
  readonly #pruned: PrunedSequences;
  readonly #timeOf: Statement<[number], number | null>;
  readonly #file: string;

  constructor(database: Database, index: TopicIndexWriter) {
    this.#index = index;
    this.#file = database.name;
    this.#pruned = new PrunedSequences(database);
    this.#written = new BlockIndex(database, this.#pruned);
    const time = recordedAtSql(readMeta(database, CHECKED_FROM));
    this.#timeOf = database
      .prepare<[number], number | null>(`SELECT ${time} FROM events WHERE sequence = ?`)
      .pluck();
  }

  /** @throws BusError `STORE_CORRUPT` */
  fill(entry: TopicEntry, head: number): void {
    const last = blockOf(entry.lastSequence);
    this.#written.refresh();
    for (let block = blockOf(entry.goneThrough); block <= last; block++) {
      for (const sequence of this.#sequences(block, entry, head)) {
        if (sequence <= entry.goneThrough) continue;
        const recordedAt = this.#timeOf.get(sequence);
        // An index may still name a pruned event.
        if (recordedAt === undefined && this.#pruned.isPruned(sequence)) continue;
        if (typeof recordedAt !== 'number') throw damagedEvent(this.#file, sequence);
        entry.firstSequence = sequence;
        entry.firstAt = recordedAt;
        return;
      }
    }
  }

  #sequences(block: number, { id }: TopicEntry, head: number): number[] {
    const start = block * INDEX_BLOCK_EVENTS;
    if (block < this.#index.writtenBlocks) {
      return this.#written.sequences(
        block,
        start - 1,
        start + INDEX_BLOCK_EVENTS - 1,
        new Set([id]),
      );
    }
    const sequences: number[] = [];
    this.#index.read(block, id, head, sequences);
    return sequences;
  }
}
