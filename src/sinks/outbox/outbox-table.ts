import { randomUUID } from 'node:crypto';
import { BusError } from '../../protocol/errors.js';
import type { EventInput } from '../../protocol/event.js';
import { OUTBOX_COUNTED_MAX } from '../../protocol/limits/sinks.js';
import { messageOf } from '../../protocol/thrown.js';
import { timestampFault, timestampMs } from '../../protocol/timestamp.js';
import type { SqliteDatabase, SqliteStatement } from '../project/projection-store.js';

/**
 * The table of an outbox, in a SQLite database of the user's. Rows are read and deleted in transactions of their own, so
 * that nothing is seen that its writer has not committed, also where it writes over the same connection.
 */

export interface OutboxRow {
  readonly sequence: number;
  /** The event, or what is wrong with the row. */
  readonly input: EventInput & { id: string };
  readonly fault: string | undefined;
}

interface Columns {
  readonly sequence: number;
  readonly id: string;
  readonly topic: string;
  readonly type: string;
  readonly payload: string;
  readonly source: string | null;
  readonly correlation_id: string | null;
  readonly causation_id: string | null;
  readonly attributes: string | null;
  readonly timestamp: string | null;
  readonly expires_at: string | null;
}

const COLUMNS =
  'id, topic, type, payload, source, correlation_id, causation_id, attributes, timestamp, expires_at';

/** By database: what waits for new rows in this process. */
const wakers = new WeakMap<SqliteDatabase, Set<() => void>>();

export function onEnqueued(db: SqliteDatabase, wake: () => void): () => void {
  const calls = wakers.get(db) ?? new Set();
  wakers.set(db, calls.add(wake));
  return () => void calls.delete(wake);
}

export class OutboxTable {
  readonly #db: SqliteDatabase;
  readonly #name: string;
  readonly #insert: SqliteStatement;
  readonly #select: SqliteStatement;
  readonly #last: SqliteStatement;
  readonly #waiting: SqliteStatement;
  readonly #delete: SqliteStatement;
  readonly #keep: SqliteStatement;

  /** Makes the table if it is not there, and adds a column that one of an earlier version lacks. The name is checked. */
  constructor(db: SqliteDatabase, name: string) {
    this.#db = db;
    this.#name = name;
    // AUTOINCREMENT: the number of a deleted row is never given out again, so rows stay in the order of their commits.
    db.exec(`CREATE TABLE IF NOT EXISTS "${name}" (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL DEFAULT (lower(hex(randomblob(16)))),
      topic TEXT NOT NULL,
      type TEXT NOT NULL,
      payload TEXT NOT NULL DEFAULT 'null',
      source TEXT,
      correlation_id TEXT,
      causation_id TEXT,
      attributes TEXT,
      timestamp TEXT,
      expires_at TEXT,
      error TEXT
    )`);
    this.#addExpiry();
    this.#insert = db.prepare(
      `INSERT INTO "${name}" (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#select = db.prepare(
      `SELECT sequence, ${COLUMNS}
       FROM "${name}" WHERE error IS NULL AND topic NOT IN (SELECT value FROM json_each(?))
       ORDER BY sequence LIMIT ?`,
    );
    this.#last = db.prepare(`SELECT max(sequence) AS last FROM "${name}"`);
    this.#waiting = db.prepare(
      `SELECT count(*) AS rows FROM (SELECT 1 FROM "${name}" WHERE error IS NULL LIMIT ?)`,
    );
    this.#delete = db.prepare(`DELETE FROM "${name}" WHERE sequence = ?`);
    this.#keep = db.prepare(`UPDATE "${name}" SET error = ? WHERE sequence = ?`);
  }

  /** Writes a row in the caller's own transaction, and returns the id that its event will have. */
  insert(input: EventInput): string {
    const { id = randomUUID(), topic, type, payload, attributes, timestamp, expiresAt } = input;
    const json: string | undefined = JSON.stringify(payload);
    if (json === undefined) throw noJson(topic);
    this.#insert.run(
      id,
      topic,
      type,
      json,
      input.source ?? null,
      input.correlationId ?? null,
      input.causationId ?? null,
      attributes === undefined ? null : JSON.stringify(attributes),
      timeText('timestamp', timestamp),
      timeText('expiresAt', expiresAt),
    );
    for (const wake of wakers.get(this.#db) ?? []) wake();
    return id;
  }

  /** The number of the newest row; 0: there is none. */
  last(): number {
    return (this.#last.get() as { last: number | null }).last ?? 0;
  }

  /** The oldest rows that are to be published, but for those of some topics. */
  read(limit: number, except: readonly string[] = []): OutboxRow[] {
    const topics = JSON.stringify(except);
    const rows = this.#transaction('BEGIN', () => this.#select.all(topics, limit));
    return (rows as Columns[]).map(rowOf);
  }

  /** How many rows are to be published, at most `OUTBOX_COUNTED_MAX`. */
  waiting(): number {
    return (this.#waiting.get(OUTBOX_COUNTED_MAX) as { rows: number }).rows;
  }

  /** Deletes what is published, and notes at the others why they never will be. */
  settle(published: readonly OutboxRow[], kept: ReadonlyMap<OutboxRow, string>): void {
    if (published.length + kept.size === 0) return;
    this.#transaction('BEGIN IMMEDIATE', () => {
      for (const { sequence } of published) this.#delete.run(sequence);
      for (const [{ sequence }, error] of kept) this.#keep.run(error, sequence);
    });
  }

  get name(): string {
    return this.#name;
  }

  /** Several processes may find at once that the column is not there. */
  #addExpiry(): void {
    if (this.#hasExpiry) return;
    try {
      this.#db.exec(`ALTER TABLE "${this.#name}" ADD COLUMN expires_at TEXT`);
    } catch (error) {
      if (!this.#hasExpiry) throw error;
    }
  }

  get #hasExpiry(): boolean {
    const columns = this.#db.prepare(`PRAGMA table_info("${this.#name}")`).all();
    return (columns as { name: string }[]).some(({ name }) => name === 'expires_at');
  }

  #transaction<T>(begin: string, call: () => T): T {
    this.#db.exec(begin);
    try {
      const result = call();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      try {
        this.#db.exec('ROLLBACK');
      } catch {
        // SQLite has rolled back by itself.
      }
      throw error;
    }
  }
}

/** @throws BusError `EVENT_INVALID` */
function timeText(field: string, time: string | Date | undefined): string | null {
  if (time === undefined) return null;
  const fault = timestampFault(time, field);
  if (fault !== undefined) throw new BusError('EVENT_INVALID', fault, { details: { field } });
  return new Date(timestampMs(time)).toISOString();
}

function rowOf(row: Columns): OutboxRow {
  const { sequence, id, topic, type, source, correlation_id, causation_id, timestamp } = row;
  const input: EventInput & { id: string } = {
    id,
    topic,
    type,
    payload: null,
    ...(source === null ? {} : { source }),
    ...(correlation_id === null ? {} : { correlationId: correlation_id }),
    ...(causation_id === null ? {} : { causationId: causation_id }),
    ...(timestamp === null ? {} : { timestamp }),
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
  };
  try {
    input.payload = JSON.parse(row.payload);
    if (row.attributes !== null) input.attributes = JSON.parse(row.attributes);
    return { sequence, input, fault: undefined };
  } catch (error) {
    return { sequence, input, fault: `the row is no event: ${messageOf(error)}` };
  }
}

function noJson(topic: string): BusError {
  const message = `the payload of an event on ${topic} is no JSON value`;
  return new BusError('PAYLOAD_INVALID', message, { details: { topic } });
}
