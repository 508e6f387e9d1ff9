import { BusError } from '../../protocol/errors.js';
import {
  DedupeLoader,
  type LoadedFrom,
  SUPPLIED_ID_SQL,
  type SuppliedId,
} from './dedupe/dedupe-loader.js';
import type { DedupeWindow } from './dedupe/dedupe-window.js';
import type { Database, Statement } from './driver/driver.js';
import { decodePostings } from './encoding/postings.js';
import { hashOfText } from './encoding/text-hash.js';
import { BlockIndex, type BlockRows } from './index/block-index.js';
import type { TopicIndexWriter } from './index/topic-index.js';
import type { TopicTable } from './index/topic-table.js';
import { HEAD_IS_WRONG_SQL } from './rows/checksums.js';
import { damagedEvent } from './rows/damaged-event.js';
import type { PrunedSequences } from './rows/pruned-sequences.js';
import { RowReader } from './rows/row-reader.js';
import { ROW_BYTES_SQL } from './rows/row-size.js';
import {
  CHECKED_FROM,
  MetaTable,
  PRUNED_RECORDED_AT,
  PRUNED_THROUGH,
  TOTALS_BLOCKS,
} from './tables/meta-table.js';
import { INDEX_BLOCK_EVENTS } from './tables/tables.js';

/**
 * The state that a writer loads from the file before its first append: the totals, the unwritten index blocks, and the
 * ids of the dedupe window. Totals come from the rows of `topics`, from the index blocks after those, and from the rows
 * of `events` after these. Loading reads at most two index blocks of rows, and the index rows of a few blocks.
 */
export interface LoadedState {
  readonly head: number;
  readonly lastRecordedAt: number;
  readonly prunedThrough: number;
}

type TailRow = [
  sequence: number,
  recordedAt: number,
  topic: number,
  bytes: number,
  isDamaged: number,
  id: string,
  ...named: SuppliedId,
];

/** @throws BusError `STORE_CORRUPT` if anything from which the state is built is damaged */
export function loadState(
  database: Database,
  topics: TopicTable,
  index: TopicIndexWriter,
  dedupe: DedupeWindow,
  { decoder, now, steps }: Pick<LoadedFrom, 'decoder' | 'now' | 'steps'>,
): LoadedState {
  const numbers = new MetaTable(database).all();
  assertTableIsSound(database, 'topics');
  topics.load();
  const rows = new RowReader(database);
  const blocks = new BlockIndex(database, rows.pruned);
  blocks.refresh();
  const events = new EventRows(database, rows.pruned, numbers[CHECKED_FROM] ?? 0);
  for (let block = numbers[TOTALS_BLOCKS] ?? 0; block < index.writtenBlocks; block++) {
    addBlock(topics, block, blocks.rowsOf(block), events);
  }
  const prunedThrough = numbers[PRUNED_THROUGH] ?? 0;
  const last = events.last();
  const isLast = last !== undefined && last[0] > prunedThrough;
  const head = isLast ? last[0] : prunedThrough;
  const lastRecordedAt = isLast ? last[1] : (numbers[PRUNED_RECORDED_AT] ?? 0);
  const ids = new DedupeLoader(database, topics, dedupe, {
    ...{ lastRecordedAt, now, steps, rows, decoder },
  });
  ids.loadBlocks(blocks, index.writtenBlocks);
  events.visit(index.writtenBlocks * INDEX_BLOCK_EVENTS, head, (row) => {
    const [sequence, recordedAt, topic, bytes, , id, supplied, source] = row;
    index.note(sequence, recordedAt, topic, bytes, supplied !== null, hashOfText(id));
    const entry = topics.byId(topic);
    if (sequence > entry.through) topics.count(entry, sequence, recordedAt, bytes);
    if (supplied !== null) ids.add(sequence, recordedAt, entry.name, supplied, source);
  });
  ids.end();
  topics.commit();
  return { head, lastRecordedAt, prunedThrough };
}

/**
 * Adds an indexed block's events that the topics' rows do not count yet. If the block's index is damaged, the rows of
 * `events` are counted.
 */
function addBlock(
  topics: TopicTable,
  block: number,
  { rows, isSound }: BlockRows,
  events: EventRows,
): void {
  const start = block * INDEX_BLOCK_EVENTS;
  if (!isSound) {
    events.visit(start, start + INDEX_BLOCK_EVENTS - 1, ([sequence, recordedAt, topic, bytes]) => {
      const entry = topics.byId(topic);
      if (sequence > entry.through) topics.count(entry, sequence, recordedAt, bytes);
    });
    return;
  }
  for (const row of rows) {
    const entry = topics.byId(row.topic);
    if (start + INDEX_BLOCK_EVENTS - 1 <= entry.through) continue;
    const sequences: number[] = [];
    decodePostings(row.sequences, start, sequences);
    const added = sequences.filter((sequence) => sequence > entry.through);
    if (added.length === 0) continue;
    const isWhole = added.length === row.events;
    const bytes = isWhole ? row.bytes : sum(added, (sequence) => events.one(sequence)?.[3] ?? 0);
    const at = (sequence: number) => ({ sequence, recordedAt: events.one(sequence)?.[1] ?? 0 });
    topics.countBlock(entry, added.length, bytes, at(added[0]!), at(added[added.length - 1]!));
  }
}

/**
 * Reads rows of `events` without their texts. Checks that the numbers of each row match its checksum, and that only
 * pruned rows are missing.
 */
class EventRows {
  readonly #file: string;
  readonly #pruned: PrunedSequences;
  readonly #range: Statement<[number, number], TailRow>;
  readonly #last: Statement<[], TailRow>;

  constructor(database: Database, pruned: PrunedSequences, checkedFrom: number) {
    this.#file = database.name;
    this.#pruned = pruned;
    const columns = `SELECT sequence, recorded_at, topic, ${ROW_BYTES_SQL},
      sequence >= ${checkedFrom} AND ${HEAD_IS_WRONG_SQL}, id, ${SUPPLIED_ID_SQL} FROM events`;
    this.#range = database
      .prepare<[number, number], TailRow>(
        `${columns} WHERE sequence BETWEEN ? AND ? ORDER BY sequence`,
      )
      .raw();
    this.#last = database.prepare<[], TailRow>(`${columns} ORDER BY sequence DESC LIMIT 1`).raw();
  }

  last(): TailRow | undefined {
    return this.#sound(this.#last.get(), 0);
  }

  one(sequence: number): TailRow | undefined {
    return this.#sound(this.#range.get(sequence, sequence), sequence - 1);
  }

  visit(from: number, to: number, visit: (row: TailRow) => void): void {
    let previous = Math.max(from - 1, 0);
    for (const row of this.#range.iterate(from, to)) {
      this.#sound(row, previous);
      const [sequence] = row;
      if (sequence > previous + 1) this.#pruned.assertPruned(previous + 1, sequence - 1);
      previous = sequence;
      visit(row);
    }
    if (previous < to) this.#pruned.assertPruned(previous + 1, to);
  }

  #sound(row: TailRow | undefined, previous: number): TailRow | undefined {
    if (row === undefined || (row[4] === 0 && row[0] > previous)) return row;
    throw damagedEvent(this.#file, row[0]);
  }
}

/** Checks the table and its index over names, in which readers look topics up. */
function assertTableIsSound(database: Database, table: string): void {
  const found = database.pragma(`integrity_check(${table})`, { simple: true });
  if (found === 'ok') return;
  const reason = `the table ${table} is damaged: ${found}`;
  throw new BusError('STORE_CORRUPT', `${database.name}: ${reason}`, {
    details: { file: database.name, reason },
  });
}

function sum(values: readonly number[], of: (value: number) => number): number {
  let total = 0;
  for (const value of values) total += of(value);
  return total;
}
