import type { Database, Statement } from './driver.js';
import type { LogIdentity } from './log-identity.js';
import { openForWriting, readMeta } from './schema.js';
import { blockOf } from './topic-index.js';

/**
 * Publishers' own ids whose events are pruned within the time for which a repeat of them has to be known: kept in a table of
 * their own, for the next opening of the log. A publish costs nothing here, nor does the pruning of what is older.
 */

/** Looked at by each pruning step, which adds fewer. */
const FORGOTTEN_PER_STEP = 4096;
const IDS_PER_PAGE = 1024;

export interface PrunedId {
  readonly sequence: number;
  readonly recorded_at: number;
  readonly topic: string;
  /** Where the id is its source's own. */
  readonly source: string | null;
  readonly id: string;
}

/** In the order of their sequences. */
export function* readPrunedIds(database: Database): Generator<PrunedId, undefined> {
  // Format 1 had none.
  if (readMeta(database, 'format') < 2) return;
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
 * Begins a new log with ids of events that another log has pruned: their sequences, from 1 on, count as pruned here, so
 * that a repeat is told a position that no event has. Before the log is opened as one.
 */
export class PrunedStart {
  readonly #database: Database;
  readonly #insert: Statement<[number, number, string, string | null, string]>;
  #sequence = 0;

  constructor(file: string, shard: number, identity: LogIdentity) {
    this.#database = openForWriting(file, shard, { identity });
    this.#insert = this.#database.prepare(
      'INSERT INTO pruned_ids (sequence, recorded_at, topic, source, id) VALUES (?, ?, ?, ?, ?)',
    );
    this.#database.exec('BEGIN');
  }

  add({ recorded_at: recordedAt, topic, source, id }: PrunedId): void {
    this.#insert.run(++this.#sequence, recordedAt, topic, source, id);
  }

  /** No event of the log is recorded before `recordedAt`. */
  end(recordedAt: number): void {
    const through = this.#sequence;
    if (through > 0) {
      const set = this.#database.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
      set.run('pruned_through', through);
      set.run('pruned_events', through);
      set.run('pruned_recorded_at', recordedAt);
      set.run('index_blocks', blockOf(through + 1));
      set.run('totals_blocks', blockOf(through + 1));
    }
    this.#database.exec('COMMIT');
  }

  close(): void {
    this.#database.close();
  }
}

export class PrunedIds {
  readonly #windowMs: number;
  readonly #lastRecordedAt: Statement<[], number>;
  readonly #keep: Statement<[number, number, number]>;
  readonly #forget: Statement<[number]>;
  #from = 0;

  constructor(database: Database, windowMs: number) {
    this.#windowMs = windowMs;
    this.#lastRecordedAt = database
      .prepare<[], number>('SELECT recorded_at FROM events ORDER BY sequence DESC LIMIT 1')
      .pluck();
    this.#keep = database.prepare(
      `INSERT OR REPLACE INTO pruned_ids (sequence, recorded_at, topic, source, id)
       SELECT e.sequence, e.recorded_at, t.name, CASE WHEN e.flags & 2 THEN n.name END, e.id
       FROM events e JOIN topics t ON t.id = e.topic LEFT JOIN names n ON n.id = e.source
       WHERE e.sequence BETWEEN ? AND ? AND e.flags & 1 AND e.recorded_at >= ?`,
    );
    this.#forget = database.prepare(
      `DELETE FROM pruned_ids WHERE sequence IN (
         SELECT sequence FROM (
           SELECT sequence, recorded_at FROM pruned_ids ORDER BY sequence LIMIT ${FORGOTTEN_PER_STEP}
         ) WHERE recorded_at < ?
       )`,
    );
  }

  /** Before a step deletes anything, in its transaction: forgets what has left the window. */
  begin(): void {
    this.#from = (this.#lastRecordedAt.get() ?? 0) - this.#windowMs;
    this.#forget.run(this.#from);
  }

  /** Before the events from one sequence to another are deleted; the last of them was recorded at `lastAt`. */
  keep(first: number, last: number, lastAt: number): void {
    if (lastAt >= this.#from) this.#keep.run(first, last, this.#from);
  }
}
