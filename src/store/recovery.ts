import { DedupeLoader, SUPPLIED_ID_SQL, type SuppliedId } from './dedupe-loader.js';
import type { DedupeWindow } from './dedupe-window.js';
import type { Database } from './driver.js';
import { idHash } from './id-index.js';
import { decodePostings } from './postings.js';
import { ROW_BYTES_SQL } from './row-size.js';
import { INDEX_BLOCK_EVENTS, readMeta } from './schema.js';
import type { TopicIndexWriter } from './topic-index.js';
import type { TopicTable } from './topic-table.js';

/**
 * What a writer must know before its first append, read back from the file: totals from the rows of `topics`, from the
 * index blocks that came after them and from the rows after those; the unwritten index blocks; the ids of the
 * dedupe window. Reads at most two index blocks of rows, and the index rows of a few blocks.
 */
export interface LoadedState {
  readonly head: number;
  readonly lastRecordedAt: number;
  readonly prunedThrough: number;
}

interface IndexRow {
  readonly block: number;
  readonly topic: number;
  readonly events: number;
  readonly bytes: number;
  readonly sequences: Buffer;
}

type TailRow = [
  sequence: number,
  recordedAt: number,
  topic: number,
  bytes: number,
  id: string,
  ...named: SuppliedId,
];

export function loadState(
  database: Database,
  topics: TopicTable,
  index: TopicIndexWriter,
  dedupe: DedupeWindow,
  now: number,
): LoadedState {
  topics.load();
  addIndexedEvents(database, topics, index.writtenBlocks);
  const tail = database
    .prepare<[number], TailRow>(
      `SELECT sequence, recorded_at, topic, ${ROW_BYTES_SQL}, id, ${SUPPLIED_ID_SQL}
       FROM events WHERE sequence >= ? ORDER BY sequence`,
    )
    .raw();
  const prunedThrough = readMeta(database, 'pruned_through');
  let head = prunedThrough;
  let lastRecordedAt = readMeta(database, 'pruned_recorded_at');
  const last = database
    .prepare<[], { sequence: number; recorded_at: number }>(
      'SELECT sequence, recorded_at FROM events ORDER BY sequence DESC LIMIT 1',
    )
    .get();
  if (last !== undefined && last.sequence > head) {
    head = last.sequence;
    lastRecordedAt = last.recorded_at;
  }
  const ids = new DedupeLoader(database, topics, dedupe, { lastRecordedAt, now });
  ids.loadBlocks(index.writtenBlocks);
  for (const row of tail.iterate(index.writtenBlocks * INDEX_BLOCK_EVENTS)) {
    const [sequence, recordedAt, topic, bytes, id, supplied, source] = row;
    index.note(sequence, recordedAt, topic, bytes, supplied !== null, idHash(id));
    const entry = topics.byId(topic);
    if (sequence > entry.through) topics.count(entry, sequence, recordedAt, bytes);
    if (supplied !== null) ids.add(sequence, recordedAt, entry.name, supplied, source);
  }
  ids.end();
  topics.commit();
  return { head, lastRecordedAt, prunedThrough };
}

/** Adds what blocks hold that are indexed and newer than the totals' rows. */
function addIndexedEvents(database: Database, topics: TopicTable, writtenBlocks: number): void {
  const rows = database.prepare<[number, number], IndexRow>(
    'SELECT * FROM topic_index WHERE block >= ? AND block < ? AND topic > 0 ORDER BY block, topic',
  );
  const timeOf = database
    .prepare<[number], number>('SELECT recorded_at FROM events WHERE sequence = ?')
    .pluck();
  const bytesOf = database
    .prepare<[number], number>(`SELECT ${ROW_BYTES_SQL} FROM events WHERE sequence = ?`)
    .pluck();
  const sequences: number[] = [];
  for (const row of rows.all(readMeta(database, 'totals_blocks'), writtenBlocks)) {
    const entry = topics.byId(row.topic);
    const start = row.block * INDEX_BLOCK_EVENTS;
    if (start + INDEX_BLOCK_EVENTS - 1 <= entry.through) continue;
    sequences.length = 0;
    decodePostings(row.sequences, start, sequences);
    const added = sequences.filter((sequence) => sequence > entry.through);
    if (added.length === 0) continue;
    const isWhole = added.length === row.events;
    const bytes = isWhole ? row.bytes : sum(added, (sequence) => bytesOf.get(sequence) ?? 0);
    const at = (sequence: number) => ({ sequence, recordedAt: timeOf.get(sequence) ?? 0 });
    topics.countBlock(entry, added.length, bytes, at(added[0]!), at(added[added.length - 1]!));
  }
}

function sum(values: readonly number[], of: (value: number) => number): number {
  let total = 0;
  for (const value of values) total += of(value);
  return total;
}
