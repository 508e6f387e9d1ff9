import type { LogIdentity } from '../sqlite/connection/log-identity.js';
import { openForWriting } from '../sqlite/connection/schema.js';
import type { Database, Statement } from '../sqlite/driver/driver.js';
import { assertPrunedIds, type PrunedId, prunedIdChecksum } from '../sqlite/rows/pruned-ids.js';
import { PrunedSequencesWriter } from '../sqlite/rows/pruned-sequences.js';
import {
  CHECKED_BLOCKS,
  FORMAT,
  INDEX_BLOCKS,
  MetaTable,
  PRUNED_BLOCKS,
  PRUNED_EVENTS,
  PRUNED_IDS_COUNT,
  PRUNED_RECORDED_AT,
  PRUNED_THROUGH,
  readMeta,
  TOTALS_BLOCKS,
} from '../sqlite/tables/meta-table.js';
import { blockOf } from '../sqlite/tables/tables.js';

const IDS_PER_PAGE = 1024;

/** The rows of `pruned_ids`, in the order of their sequences. @throws BusError `STORE_CORRUPT` */
export function* readPrunedIds(database: Database): Generator<PrunedId, undefined> {
  // Format 1 has no such table.
  if (readMeta(database, FORMAT) < 2) return;
  assertPrunedIds(database);
  const select = database.prepare<[number], PrunedId>(
    `SELECT * FROM pruned_ids WHERE sequence > ? ORDER BY sequence LIMIT ${IDS_PER_PAGE}`,
  );
  for (let after = 0; ; ) {
    const page = select.all(after);
    const last = page[page.length - 1];
    if (last === undefined) return;
    yield* page;
    after = last.sequence;
  }
}

/**
 * Begins a new log with ids of events that another log has pruned. Here they take the sequences from 1 on, which count
 * as pruned, so that a repeat is answered with a position that no event has. Use it before the log is opened as one.
 */
export class PrunedStart {
  readonly #database: Database;
  readonly #insert: Statement<[number, number, string, string | null, string, number]>;
  #sequence = 0;

  constructor(file: string, shard: number, identity: LogIdentity) {
    this.#database = openForWriting(file, shard, { identity });
    this.#insert = this.#database.prepare(
      `INSERT INTO pruned_ids (sequence, recorded_at, topic, source, id, checksum)
       VALUES (?, ?, ?, ?, ?, ?)`,
    );
    this.#database.exec('BEGIN');
  }

  add(kept: PrunedId): void {
    const sequence = ++this.#sequence;
    const { recorded_at: recordedAt, topic, source, id } = kept;
    const checksum = prunedIdChecksum({ ...kept, sequence });
    this.#insert.run(sequence, recordedAt, topic, source, id, checksum);
  }

  /** Commits the ids. No event of the log may be recorded before `recordedAt`. */
  end(recordedAt: number): void {
    const through = this.#sequence;
    if (through > 0) {
      const pruned = new PrunedSequencesWriter(this.#database);
      pruned.add(1, through);
      const blocks = blockOf(through + 1);
      new MetaTable(this.#database).set({
        [PRUNED_THROUGH]: through,
        [PRUNED_EVENTS]: through,
        [PRUNED_RECORDED_AT]: recordedAt,
        [PRUNED_BLOCKS]: pruned.end(0).wholeBlocks,
        [PRUNED_IDS_COUNT]: through,
        [INDEX_BLOCKS]: blocks,
        [CHECKED_BLOCKS]: blocks,
        [TOTALS_BLOCKS]: blocks,
      });
    }
    this.#database.exec('COMMIT');
  }

  close(): void {
    this.#database.close();
  }
}
