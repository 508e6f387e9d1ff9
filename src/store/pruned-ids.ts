import type { Database, Statement } from './driver.js';

/**
 * Publishers' own ids whose events are pruned within the time for which a repeat of them has to be known: kept in a table of
 * their own, for the next opening of the log. A publish costs nothing here, nor does the pruning of what is older.
 */

/** Looked at by each pruning step, which adds fewer. */
const FORGOTTEN_PER_STEP = 4096;

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
