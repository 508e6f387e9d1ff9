import type { Database } from '../driver/driver.js';
import { checksumOf } from '../rows/checksums.js';
import { MetaTable, TOPICS_COUNT } from '../tables/meta-table.js';

/** A row of `topics`. */
export interface TopicRow {
  readonly id: number;
  readonly name: string;
  readonly events: number;
  readonly bytes: number;
  readonly first_sequence: number;
  readonly last_sequence: number;
  readonly first_at: number;
  readonly last_at: number;
  readonly pruned_through: number;
  readonly through: number;
}

interface CheckedRow extends TopicRow {
  readonly checksum: number;
}

export function topicChecksum(row: TopicRow): number {
  return checksumOf(row.name, [
    row.id,
    row.events,
    row.bytes,
    row.first_sequence,
    row.last_sequence,
    row.first_at,
    row.last_at,
    row.pruned_through,
    row.through,
  ]);
}

/** Adds checksums to the rows of a log of an earlier format. @returns the number of rows */
export function addTopicChecksums(database: Database): number {
  const set = database.prepare<[number, number]>('UPDATE topics SET checksum = ? WHERE id = ?');
  const rows = database.prepare<[], TopicRow>('SELECT * FROM topics').all();
  for (const row of rows) set.run(topicChecksum(row), row.id);
  return rows.length;
}

/** Yields a text for each fault of the table: a damaged row, or a wrong number of rows. */
export function* topicProblems(database: Database): Generator<string> {
  const expected = new MetaTable(database).get(TOPICS_COUNT);
  let count = 0;
  let previous = 0;
  for (const row of database
    .prepare<[], CheckedRow>('SELECT * FROM topics ORDER BY id')
    .iterate()) {
    count++;
    if (row.id <= previous || topicChecksum(row) !== row.checksum) {
      yield `the table topics is damaged: the checksum of topic ${row.id} does not match`;
    }
    previous = row.id;
  }
  if (count === expected) return;
  yield `the table topics is damaged: it has ${count} rows, not ${expected}`;
}
