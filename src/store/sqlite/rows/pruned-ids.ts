import { BusError } from '../../../protocol/errors.js';
import type { Database, Statement } from '../driver/driver.js';
import { isChecked, MetaTable, PRUNED_IDS_COUNT } from '../tables/meta-table.js';
import { checksumOf } from './checksums.js';

/**
 * Keeps publishers' own ids whose events are pruned while a repeat must still be recognised, in a table of their own,
 * for the next opening of the log. Neither a publish nor the pruning of older events takes longer for it.
 */

/** Rows that each pruning step checks; it adds fewer. */
const FORGOTTEN_PER_STEP = 4096;

export interface PrunedId {
  readonly sequence: number;
  readonly recorded_at: number;
  readonly topic: string;
  readonly source: string | null;
  readonly id: string;
}

export function prunedIdChecksum({ sequence, recorded_at, topic, source, id }: PrunedId): number {
  return checksumOf(JSON.stringify([topic, source, id]), [sequence, recorded_at]);
}

export class PrunedIds {
  readonly #windowMs: number;
  readonly #meta: MetaTable;
  readonly #lastRecordedAt: Statement<[], number>;
  readonly #select: Statement<[number, number, number], PrunedId>;
  readonly #insert: Statement<[number, number, string, string | null, string, number]>;
  readonly #forget: Statement<[number]>;
  #from = 0;
  /** The change in the number of rows since `begin`. */
  #added = 0;

  constructor(database: Database, windowMs: number) {
    this.#windowMs = windowMs;
    this.#meta = new MetaTable(database);
    this.#lastRecordedAt = database
      .prepare<[], number>('SELECT recorded_at FROM events ORDER BY sequence DESC LIMIT 1')
      .pluck();
    this.#select = database.prepare(
      `SELECT e.sequence, e.recorded_at, t.name AS topic, CASE WHEN e.flags & 2 THEN n.name END AS source, e.id
       FROM events e JOIN topics t ON t.id = e.topic LEFT JOIN names n ON n.id = e.source
       WHERE e.sequence BETWEEN ? AND ? AND e.flags & 1 AND e.recorded_at >= ?`,
    );
    this.#insert = database.prepare(
      `INSERT OR REPLACE INTO pruned_ids (sequence, recorded_at, topic, source, id, checksum)
       VALUES (?, ?, ?, ?, ?, ?)`,
    );
    this.#forget = database.prepare(
      `DELETE FROM pruned_ids WHERE sequence IN (
         SELECT sequence FROM (
           SELECT sequence, recorded_at FROM pruned_ids ORDER BY sequence LIMIT ${FORGOTTEN_PER_STEP}
         ) WHERE recorded_at < ?
       )`,
    );
  }

  /** Forgets ids that have left the window. Call it in a step's transaction, before the step deletes anything. */
  begin(): void {
    this.#from = (this.#lastRecordedAt.get() ?? 0) - this.#windowMs;
    this.#added = -this.#forget.run(this.#from).changes;
  }

  /**
   * Keeps the ids of the events `first` to `last`, which are about to be deleted; the last was recorded at `lastAt`.
   */
  keep(first: number, last: number, lastAt: number): void {
    if (lastAt < this.#from) return;
    for (const kept of this.#select.all(first, last, this.#from)) {
      const { sequence, recorded_at, topic, source, id } = kept;
      this.#insert.run(sequence, recorded_at, topic, source, id, prunedIdChecksum(kept));
      this.#added++;
    }
  }

  /** The number of rows, for `meta`. Call it at the end of the step. */
  end(): number {
    return this.#meta.get(PRUNED_IDS_COUNT) + this.#added;
  }
}

/** Adds checksums to the rows of a log of an earlier format. @returns the number of rows */
export function addPrunedIdChecksums(database: Database): number {
  const set = database.prepare<[number, number]>(
    'UPDATE pruned_ids SET checksum = ? WHERE sequence = ?',
  );
  const rows = database.prepare<[], PrunedId>('SELECT * FROM pruned_ids').all();
  for (const row of rows) set.run(prunedIdChecksum(row), row.sequence);
  return rows.length;
}

/** @throws BusError `STORE_CORRUPT` */
export function assertPrunedIds(database: Database): void {
  if (!isChecked(new MetaTable(database).all())) return;
  for (const reason of prunedIdProblems(database)) {
    const { name: file } = database;
    throw new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
  }
}

export function* prunedIdProblems(database: Database): Generator<string> {
  const expected = new MetaTable(database).get(PRUNED_IDS_COUNT);
  const rows = database.prepare<[], PrunedId & { readonly checksum: number }>(
    'SELECT * FROM pruned_ids ORDER BY sequence',
  );
  let count = 0;
  for (const row of rows.iterate()) {
    count++;
    if (prunedIdChecksum(row) === row.checksum) continue;
    yield `the table pruned_ids is damaged: the checksum of event ${row.sequence} does not match`;
  }
  if (count === expected) return;
  yield `the table pruned_ids is damaged: it has ${count} rows, not ${expected}`;
}
