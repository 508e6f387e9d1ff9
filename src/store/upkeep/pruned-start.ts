import type { LogIdentity } from '../sqlite/connection/log-identity.js';
import { openForWriting } from '../sqlite/connection/schema.js';
import type { Database, Statement } from '../sqlite/driver/driver.js';
import { type TopicRow, topicChecksum } from '../sqlite/index/topic-rows.js';
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
  TOPICS_COUNT,
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

/** A topic of which no event is left. */
export interface EmptiedTopic {
  readonly name: string;
  /** When its last event was recorded, ms since 1970. */
  readonly lastAt: number;
}

/**
 * Begins a new log with what another log knows of events that it has removed: ids, and the topics that it has emptied.
 * Here they take the sequences from 1 on, which count as pruned, so that a repeat is answered with a position that no
 * event has, and a topic is not taken for a new one. Use it before the log is opened as one.
 */
export class PrunedStart {
  readonly #database: Database;
  readonly #insert: Statement<[number, number, string, string | null, string, number]>;
  readonly #insertTopic: Statement<[number, string, number, number, number, number, number]>;
  #sequence = 0;
  #ids = 0;
  readonly #topics = new Set<string>();

  constructor(file: string, shard: number, identity: LogIdentity) {
    this.#database = openForWriting(file, shard, { identity });
    this.#insert = this.#database.prepare(
      `INSERT INTO pruned_ids (sequence, recorded_at, topic, source, id, checksum)
       VALUES (?, ?, ?, ?, ?, ?)`,
    );
    this.#insertTopic = this.#database.prepare(
      `INSERT INTO topics (id, name, last_sequence, last_at, gone_through, through, checksum)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#database.exec('BEGIN');
  }

  add(kept: PrunedId): void {
    const sequence = ++this.#sequence;
    const { recorded_at: recordedAt, topic, source, id } = kept;
    const checksum = prunedIdChecksum({ ...kept, sequence });
    this.#insert.run(sequence, recordedAt, topic, source, id, checksum);
    this.#ids++;
  }

  /** Nobody is told of a gap for what is gone from the topic: no cursor of the new log lies before that. */
  addTopic({ name, lastAt }: EmptiedTopic): void {
    if (this.#topics.has(name)) return;
    const id = this.#topics.add(name).size;
    const sequence = ++this.#sequence;
    const row: TopicRow = {
      ...{ id, name, events: 0, bytes: 0, first_sequence: 0, last_sequence: sequence },
      ...{ first_at: 0, last_at: lastAt, pruned_through: 0 },
      ...{ gone_through: sequence, through: sequence },
    };
    const checksum = topicChecksum(row);
    this.#insertTopic.run(id, name, sequence, lastAt, sequence, sequence, checksum);
  }

  /** Commits all. No event of the log may be recorded before `recordedAt`. */
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
        [PRUNED_IDS_COUNT]: this.#ids,
        [TOPICS_COUNT]: this.#topics.size,
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
