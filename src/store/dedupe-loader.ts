import type { DedupeWindow } from './dedupe-window.js';
import type { Database, Statement } from './driver.js';
import { decodePostings } from './postings.js';
import { BATCH_EVENTS_MAX, INDEX_BLOCK_EVENTS } from './schema.js';
import { SUPPLIED_IDS } from './topic-index.js';
import type { TopicTable } from './topic-table.js';

/**
 * Fills the dedupe window of a log that is opened, in the order of sequences: from the rows of events, and from `pruned_ids`
 * for those that are pruned. Supplied ids have rows in the index under a topic of their own, so no others are visited.
 */
export type SuppliedId = [id: string | null, source: string | null];

/** The id of a row of `events` that its publisher supplied, and the source where the id is its own. */
export const SUPPLIED_ID_SQL =
  'CASE WHEN flags & 1 THEN id END, ' +
  'CASE WHEN flags & 2 THEN (SELECT name FROM names WHERE names.id = events.source) END';

type PrunedId = [
  sequence: number,
  recordedAt: number,
  topic: string,
  id: string,
  source: string | null,
];
type EventId = [recordedAt: number, topic: number, ...named: SuppliedId];

const PRUNED_PER_PAGE = 1024;

export interface LoadedTimes {
  readonly lastRecordedAt: number;
  /** ms since 1970. */
  readonly now: number;
}

export class DedupeLoader {
  readonly #database: Database;
  readonly #topics: TopicTable;
  readonly #dedupe: DedupeWindow;
  readonly #now: number;
  /** Not from now back: what was in the window when the last batch was taken is needed to judge its repeats again. */
  readonly #from: number;
  readonly #selectPruned: Statement<[number], PrunedId>;
  /** A page of `pruned_ids`, and how much of it is loaded. */
  #pruned: PrunedId[];
  #prunedAt = 0;

  constructor(
    database: Database,
    topics: TopicTable,
    dedupe: DedupeWindow,
    { lastRecordedAt, now }: LoadedTimes,
  ) {
    this.#database = database;
    this.#topics = topics;
    this.#dedupe = dedupe;
    this.#now = now;
    this.#from = lastRecordedAt - dedupe.windowMs;
    this.#selectPruned = database
      .prepare<[number], PrunedId>(
        `SELECT sequence, recorded_at, topic, id, source FROM pruned_ids
         WHERE sequence > ? ORDER BY sequence LIMIT ${PRUNED_PER_PAGE}`,
      )
      .raw();
    this.#pruned = this.#selectPruned.all(0);
  }

  /** All that is in complete index blocks. */
  loadBlocks(writtenBlocks: number): void {
    const idOf = this.#database
      .prepare<[number], EventId>(
        `SELECT recorded_at, topic, ${SUPPLIED_ID_SQL} FROM events WHERE sequence = ?`,
      )
      .raw();
    for (const { block, sequences } of this.#blocks(writtenBlocks)) {
      const supplied: number[] = [];
      decodePostings(sequences, block * INDEX_BLOCK_EVENTS, supplied);
      for (const sequence of supplied) {
        const row = idOf.get(sequence);
        if (row === undefined) continue;
        const [recordedAt, topic, id, source] = row;
        if (id !== null) this.add(sequence, recordedAt, this.#topics.byId(topic).name, id, source);
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
    this.#load(sequence, recordedAt, topic, id, source);
  }

  end(): void {
    this.#loadPruned(Number.POSITIVE_INFINITY);
    this.#dedupe.loaded();
  }

  /** The pruned ones below a sequence. */
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
    if (recordedAt < this.#from) return;
    // One that seems to come from the future was recorded while the clock was wrong.
    const ageMs = Math.max(0, this.#now - recordedAt);
    const named = { topic, id, source: source ?? undefined };
    this.#dedupe.load(named, sequence, ageMs, BATCH_EVENTS_MAX);
  }

  /** The blocks' rows of supplied ids, from the first on that the window can reach. */
  #blocks(writtenBlocks: number): { block: number; sequences: Buffer }[] {
    const blockOf = this.#database.prepare<
      [number, number],
      { block: number; events: number; sequences: Buffer }
    >('SELECT block, events, sequences FROM topic_index WHERE block = ? AND topic = ?');
    const timeOf = this.#database
      .prepare<[number], number>(
        'SELECT recorded_at FROM events WHERE sequence >= ? ORDER BY sequence LIMIT 1',
      )
      .pluck();
    const blocks: { block: number; sequences: Buffer }[] = [];
    let left = this.#dedupe.idsMax + BATCH_EVENTS_MAX;
    for (let block = writtenBlocks - 1; block >= 0 && left > 0; block--) {
      const row = blockOf.get(block, SUPPLIED_IDS);
      if (row !== undefined) {
        blocks.push(row);
        left -= row.events;
      }
      if ((timeOf.get(block * INDEX_BLOCK_EVENTS) ?? 0) < this.#from) break;
    }
    return blocks.reverse();
  }
}
