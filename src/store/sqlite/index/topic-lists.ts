import type { Database, Statement } from '../driver/driver.js';
import { blockOf } from '../tables/tables.js';
import {
  BLOCK_TOPICS,
  decodeTopics,
  encodeTopics,
  type IndexRow,
  indexRowChecksum,
  isSound,
} from './index-rows.js';
import type { TopicTable } from './topic-table.js';

/** After so many deleted rows of a block, its list is looked at. */
const ROWS_PER_LOOK = 1024;

/**
 * Shortens the lists of blocks' topics while removals delete the rows of a block one by one. A list of 16,000 topics takes
 * 64 KiB, and a block may be left with a few events for ever. It is written anew when half of its topics have no row any
 * more, so a list is written a few times in its life. A reader may have the longer list at hand: that is right as well.
 */
export class TopicLists {
  readonly #topics: TopicTable;
  readonly #list: Statement<[number], IndexRow>;
  readonly #count: Statement<[number], number>;
  readonly #rows: Statement<[number], number>;
  readonly #write: Statement<[number, Buffer, number, number]>;
  /** By block, how many rows were deleted since the last look. */
  readonly #deleted = new Map<number, number>();

  constructor(database: Database, topics: TopicTable) {
    this.#topics = topics;
    this.#list = database.prepare(
      'SELECT block, topic, events, bytes, sequences, checksum FROM topic_index ' +
        `WHERE block = ? AND topic = ${BLOCK_TOPICS}`,
    );
    const rows = 'FROM topic_index WHERE block = ? AND topic >= 0';
    this.#count = database.prepare<[number], number>(`SELECT count(*) ${rows}`).pluck();
    this.#rows = database.prepare<[number], number>(`SELECT topic ${rows} ORDER BY topic`).pluck();
    this.#write = database.prepare(
      'UPDATE topic_index SET events = ?, sequences = ?, checksum = ? ' +
        `WHERE block = ? AND topic = ${BLOCK_TOPICS}`,
    );
  }

  /** A row of a topic in the block was deleted, in the transaction. */
  noteDeleted(block: number): void {
    this.#deleted.set(block, (this.#deleted.get(block) ?? 0) + 1);
  }

  /** Shortens one list at most that is due, in the same transaction; call it at its end. */
  shorten(): void {
    for (const [block, deleted] of this.#deleted) {
      if (deleted < ROWS_PER_LOOK) continue;
      this.#deleted.delete(block);
      this.#look(block);
      return;
    }
  }

  /** Blocks below this have no index any more. */
  forget(below: number): void {
    for (const block of this.#deleted.keys()) if (block < below) this.#deleted.delete(block);
  }

  #look(block: number): void {
    const list = this.#list.get(block);
    if (list === undefined || 2 * this.#count.get(block)! > list.events || !isSound(list)) return;
    const topics = this.#rows.all(block);
    if (!this.#haveGone(block, decodeTopics(list.sequences), topics)) return;
    const sequences = encodeTopics(topics);
    const { length } = topics;
    const checksum = indexRowChecksum(block, BLOCK_TOPICS, length, 0, sequences);
    this.#write.run(length, sequences, checksum, block);
  }

  /** Whether all that have no row lost it rightly. Otherwise the list stays: by it readers notice the damage. */
  #haveGone(block: number, listed: Set<number>, topics: readonly number[]): boolean {
    for (const topic of topics) listed.delete(topic);
    for (const topic of listed) {
      const entry = this.#topics.findId(topic);
      if (entry !== undefined && blockOf(entry.goneThrough) <= block) return false;
    }
    return true;
  }
}
