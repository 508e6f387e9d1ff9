import { BusError } from '../../../protocol/errors.js';
import type { Database, Statement } from '../driver/driver.js';
import { decodePostings } from '../encoding/postings.js';
import { HEAD_IS_WRONG_SQL } from '../rows/checksums.js';
import type { PrunedSequences } from '../rows/pruned-sequences.js';
import {
  CHECKED_BLOCKS,
  CHECKED_FROM,
  INDEX_BLOCKS,
  isChecked,
  MetaTable,
} from '../tables/meta-table.js';
import { blockOf, INDEX_BLOCK_EVENTS } from '../tables/tables.js';
import {
  BLOCK_TOPICS,
  decodeTopics,
  type IndexRow,
  isSound,
  listsTopic,
  SUPPLIED_IDS,
} from './index-rows.js';
import { goneThroughSql } from './topic-rows.js';

/** Lists of a block's topics that are kept at hand: of whoever looks for one topic in many blocks, again and again. */
const LISTS_CACHED = 64;
const DAMAGED = Symbol('damaged');
/** With more topics than this, all index rows of a block are read in one query. */
const TOPICS_SOUGHT_MAX = 64;

/** The sequences of several topics in a block, ascending. Short looks go through one block many times. */
interface LastFound {
  readonly block: number;
  readonly sequences: readonly number[];
}

export interface BlockRows {
  readonly rows: readonly IndexRow[];
  readonly isSound: boolean;
}

type Found = [count: number, sum: number, sequences: string];

/**
 * Finds the sequences of given topics in a block, over one connection: by the index, or by the rows if the index is
 * damaged or not written yet. It misses no event unnoticed: the index lists the topics of each block, and rows are
 * counted.
 */
export class BlockIndex {
  readonly #file: string;
  readonly #meta: MetaTable;
  readonly #pruned: PrunedSequences;
  readonly #ofTopic: Statement<[number, number], IndexRow>;
  readonly #ofBlock: Statement<[number], IndexRow>;
  readonly #ofRows: Statement<[number, string, number, number], Found>;
  readonly #suppliedOfRows: Statement<[number, number], number>;
  readonly #goneOf: Statement<[number], number>;
  /** Lists of topics that were read, by block; at most 64 KiB each. */
  readonly #listed = new Map<number, Buffer>();
  /** By topics: what was found last of them. */
  readonly #lasts = new WeakMap<ReadonlySet<number>, LastFound>();
  #writtenBlocks = 0;
  #checkedBlocks = 0;

  constructor(database: Database, pruned: PrunedSequences) {
    this.#file = database.name;
    this.#meta = new MetaTable(database);
    this.#pruned = pruned;
    const numbers = this.#meta.all();
    const checksum = isChecked(numbers) ? 'checksum' : '0 AS checksum';
    const columns = `SELECT block, topic, events, bytes, sequences, ${checksum} FROM topic_index`;
    this.#ofTopic = database.prepare(`${columns} WHERE block = ? AND topic = ?`);
    this.#ofBlock = database.prepare(`${columns} WHERE block = ? AND topic > 0`);
    const checkedFrom = numbers[CHECKED_FROM] ?? Number.MAX_SAFE_INTEGER;
    // A row with a wrong head check may be on any topic.
    this.#ofRows = database
      .prepare<[number, string, number, number], Found>(
        `SELECT count(*), coalesce(sum(sequence - ?), 0), json_group_array(sequence) FILTER (
           WHERE topic IN (SELECT value FROM json_each(?))
           OR (sequence >= ${checkedFrom} AND ${HEAD_IS_WRONG_SQL}))
         FROM events WHERE sequence > ? AND sequence <= ?`,
      )
      .raw();
    this.#suppliedOfRows = database
      .prepare<[number, number], number>(
        'SELECT sequence FROM events WHERE sequence BETWEEN ? AND ? AND flags & 1 ORDER BY sequence',
      )
      .pluck();
    this.#goneOf = database
      .prepare<[number], number>(`SELECT ${goneThroughSql(database)} FROM topics WHERE id = ?`)
      .pluck();
  }

  refresh(): void {
    const numbers = this.#meta.all();
    this.#writtenBlocks = numbers[INDEX_BLOCKS] ?? 0;
    this.#checkedBlocks = numbers[CHECKED_BLOCKS] ?? Number.POSITIVE_INFINITY;
    this.#pruned.refresh();
  }

  /** Whether the index of the block is written, sound or not. */
  isWritten(block: number): boolean {
    return block < this.#writtenBlocks;
  }

  /**
   * The topics' sequences in `(after, until]`, a range within the block, ascending.
   * @throws BusError `STORE_CORRUPT`
   */
  sequences(block: number, after: number, until: number, topics: ReadonlySet<number>): number[] {
    const found = this.isWritten(block) ? this.#inOrder(block, topics) : undefined;
    if (found === undefined) return this.#ofEvents(after, until, topics);
    return found.slice(countUpTo(found, after), countUpTo(found, until));
  }

  /** The topics' sequences in a written block, ascending; pruned ones, too. `undefined` if the index is damaged. */
  #inOrder(block: number, topics: ReadonlySet<number>): readonly number[] | undefined {
    if (topics.size === 1) return this.#indexed(block, topics);
    const last = this.#lasts.get(topics);
    // Topics that come later have no events in a block that is written, and its index only gets shorter.
    if (last?.block === block) return last.sequences;
    const sequences = this.#indexed(block, topics)?.sort((a, b) => a - b);
    if (sequences !== undefined) this.#lasts.set(topics, { block, sequences });
    return sequences;
  }

  /**
   * The sequences of the block whose id the publisher supplied, ascending; pruned ones too, unless the index is
   * damaged.
   */
  suppliedIds(block: number): number[] {
    const found = this.#indexed(block, new Set([SUPPLIED_IDS]));
    if (found !== undefined) return found;
    const start = block * INDEX_BLOCK_EVENTS;
    return this.#suppliedOfRows.all(start, start + INDEX_BLOCK_EVENTS - 1);
  }

  /** The index rows of all topics in a written block, and whether they are complete and sound. */
  rowsOf(block: number): BlockRows {
    const rows = this.#ofBlock.all(block);
    return { rows, isSound: block < this.#checkedBlocks || this.#isComplete(block, rows) };
  }

  #isComplete(block: number, rows: readonly IndexRow[]): boolean {
    const listed = this.#ofTopic.get(block, BLOCK_TOPICS);
    if (listed === undefined) return rows.length === 0 && this.#isGone(block);
    if (![listed, ...rows].every(isSound)) return false;
    const missing = decodeTopics(listed.sequences);
    missing.delete(SUPPLIED_IDS);
    for (const { topic } of rows) missing.delete(topic);
    return this.#hasNone(block, missing);
  }

  #isGone(block: number): boolean {
    const start = block * INDEX_BLOCK_EVENTS;
    return this.#pruned.present(start - 1, start + INDEX_BLOCK_EVENTS - 1)?.count === 0;
  }

  /** The topics' sequences in the block; `undefined` if the index is damaged. */
  #indexed(block: number, topics: ReadonlySet<number>): number[] | undefined {
    const found: number[] = [];
    const isCovered = block >= this.#checkedBlocks;
    const missing = new Set(topics);
    for (const row of this.#rows(block, topics)) {
      if (!missing.delete(row.topic)) continue;
      if (isCovered && !isSound(row)) return undefined;
      decodePostings(row.sequences, block * INDEX_BLOCK_EVENTS, found);
    }
    if (!isCovered || missing.size === 0) return found;
    return this.#hasNone(block, missing) ? found : undefined;
  }

  *#rows(block: number, topics: ReadonlySet<number>): Generator<IndexRow> {
    if (topics.size > TOPICS_SOUGHT_MAX) {
      yield* this.#ofBlock.all(block);
      return;
    }
    // Whoever looks for one topic after the other in a block has its list at hand after the first that it lacks.
    const listed = this.#listed.get(block);
    for (const topic of topics) {
      if (listed !== undefined && !listsTopic(listed, topic)) continue;
      const row = this.#ofTopic.get(block, topic);
      if (row !== undefined) yield row;
    }
  }

  /**
   * Whether the block rightly has no rows of these topics: it never had any, or lost them when the topics were pruned.
   */
  #hasNone(block: number, missing: ReadonlySet<number>): boolean {
    const listed = this.#listedOf(block);
    if (listed === undefined) return this.#isGone(block);
    if (listed === DAMAGED) return false;
    for (const topic of missing) {
      if (!listsTopic(listed, topic)) continue;
      const through = this.#goneOf.get(topic);
      // A topic without a row was forgotten, since all of it was pruned.
      if (through !== undefined && blockOf(through) <= block) return false;
    }
    return true;
  }

  /** The list of a block's topics. It is only ever shortened, so that one at hand says too much at most. */
  #listedOf(block: number): Buffer | typeof DAMAGED | undefined {
    const known = this.#listed.get(block);
    if (known !== undefined) return known;
    const row = this.#ofTopic.get(block, BLOCK_TOPICS);
    if (row === undefined) return undefined;
    if (!isSound(row)) return DAMAGED;
    if (this.#listed.size >= LISTS_CACHED) this.#listed.clear();
    this.#listed.set(block, row.sequences);
    return row.sequences;
  }

  #ofEvents(after: number, until: number, topics: ReadonlySet<number>): number[] {
    const list = JSON.stringify([...topics]);
    const [count, sum, sequences] = this.#ofRows.get(after, list, after, until)!;
    const present = this.#pruned.present(after, until);
    if (present !== undefined && (count !== present.count || sum !== present.sum)) {
      const reason =
        `after event ${after} and up to ${until}, ${count} events do not match the ` +
        `${present.count} that were never pruned`;
      throw new BusError('STORE_CORRUPT', `${this.#file}: ${reason}`, {
        details: { file: this.#file, sequence: after + 1, reason },
      });
    }
    return JSON.parse(sequences);
  }
}

/** How many of the ascending numbers are at most `most`. */
function countUpTo(numbers: readonly number[], most: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle]! <= most) low = middle + 1;
    else high = middle;
  }
  return low;
}
