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
  /** `AS_PRUNED_THROUGH`, or more than that; absent before format 5. */
  readonly gone_through?: number;
  readonly through: number;
}

/** In `gone_through`: it is the same as `pruned_through`, as it always was before format 5. */
export const AS_PRUNED_THROUGH = -1;

export function goneThroughOf({ gone_through, pruned_through }: TopicRow): number {
  return gone_through === undefined || gone_through === AS_PRUNED_THROUGH
    ? pruned_through
    : gone_through;
}

/** The same in SQL, for the table as this connection has it. */
export function goneThroughSql(database: Database): string {
  const columns = database.prepare<[], string>("SELECT name FROM pragma_table_info('topics')");
  if (!columns.pluck().all().includes('gone_through')) return 'pruned_through';
  return `CASE gone_through WHEN ${AS_PRUNED_THROUGH} THEN pruned_through ELSE gone_through END`;
}

interface CheckedRow extends TopicRow {
  readonly checksum: number;
}

/** The number that format 5 added counts where it says something new: so rows of before keep their checksums. */
export function topicChecksum(row: TopicRow): number {
  const { gone_through: gone = AS_PRUNED_THROUGH } = row;
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
    ...(gone === AS_PRUNED_THROUGH ? [] : [gone]),
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
