import type { Database, Statement } from '../driver/driver.js';

/**
 * Buffers event rows as parameters and inserts them 16 at a time with one statement. Most events have
 * none of the optional fields, so there is a slim form of each statement; a chunk with one full row in it
 * becomes a full chunk. Rows reach SQLite in the order in which they were added.
 *
 * Payload buffers are kept by reference until the chunk is run, so `flush` before they may change.
 */
const SLIM_COLUMNS = [
  'sequence',
  'recorded_at',
  'topic',
  'type',
  'source',
  'checksum',
  'id',
  'payload',
] as const;
const FULL_COLUMNS = [
  ...SLIM_COLUMNS,
  'flags',
  'timestamp',
  'correlation_id',
  'causation_id',
  'attributes',
] as const;
const SLIM = SLIM_COLUMNS.length;
const FULL = FULL_COLUMNS.length;
/** A power of two: the remainder of a batch is inserted in halves of it. */
const ROWS_PER_STATEMENT = 16;

type Parameter = number | string | Uint8Array | null;
/** Takes its parameters as arguments: the binding reads an argument twice as fast as an array's element. */
type Insert = Statement<Parameter[]>;

/** A statement that inserts `rows` rows, and the array that it is bound to. */
interface Chunk {
  readonly rows: number;
  readonly insert: Insert;
  readonly parameters: Parameter[];
}

export class RowWriter {
  readonly #slim: Chunk[];
  readonly #full: Chunk[];
  readonly #slimRows: Parameter[];
  readonly #fullRows: Parameter[];
  readonly #slimInsert: Insert;
  readonly #fullInsert: Insert;
  #rows = 0;
  #isFull = false;

  constructor(database: Database) {
    this.#slim = chunks(database, SLIM_COLUMNS);
    this.#full = chunks(database, FULL_COLUMNS);
    this.#slimRows = this.#slim[0]!.parameters;
    this.#fullRows = this.#full[0]!.parameters;
    this.#slimInsert = this.#slim[0]!.insert;
    this.#fullInsert = this.#full[0]!.insert;
  }

  addSlim(
    sequence: number,
    recordedAt: number,
    topic: number,
    type: number,
    source: number,
    checksum: number,
    id: string,
    payload: Uint8Array,
  ): void {
    if (this.#isFull) {
      this.addFull(sequence, recordedAt, topic, type, source, checksum, id, payload, 0, null);
      return;
    }
    const row = this.#slimRows;
    let at = this.#rows * SLIM;
    row[at++] = sequence;
    row[at++] = recordedAt;
    row[at++] = topic;
    row[at++] = type;
    row[at++] = source;
    row[at++] = checksum;
    row[at++] = id;
    row[at] = payload;
    if (++this.#rows === ROWS_PER_STATEMENT) {
      this.#rows = 0;
      this.#slimInsert.run(...row);
    }
  }

  addFull(
    sequence: number,
    recordedAt: number,
    topic: number,
    type: number,
    source: number,
    checksum: number,
    id: string,
    payload: Uint8Array,
    flags: number,
    timestamp: number | null,
    correlationId: string | null = null,
    causationId: string | null = null,
    attributes: string | null = null,
  ): void {
    if (!this.#isFull) this.#widen();
    const row = this.#fullRows;
    let at = this.#rows * FULL;
    row[at++] = sequence;
    row[at++] = recordedAt;
    row[at++] = topic;
    row[at++] = type;
    row[at++] = source;
    row[at++] = checksum;
    row[at++] = id;
    row[at++] = payload;
    row[at++] = flags === 0 ? null : flags;
    row[at++] = timestamp;
    row[at++] = correlationId;
    row[at++] = causationId;
    row[at] = attributes;
    if (++this.#rows === ROWS_PER_STATEMENT) {
      this.#rows = 0;
      this.#isFull = false;
      this.#fullInsert.run(...row);
    }
  }

  flush(): void {
    if (this.#rows === 0) return;
    const isFull = this.#isFull;
    const width = isFull ? FULL : SLIM;
    const rows = isFull ? this.#fullRows : this.#slimRows;
    let from = 0;
    let left = this.#rows;
    this.discard();
    for (const chunk of isFull ? this.#full : this.#slim) {
      if (chunk.rows > left) continue;
      const { parameters } = chunk;
      for (let i = 0; i < parameters.length; i++) parameters[i] = rows[from + i]!;
      chunk.insert.run(...parameters);
      from += chunk.rows * width;
      left -= chunk.rows;
    }
  }

  /** Forgets the buffered rows. */
  discard(): void {
    this.#rows = 0;
    this.#isFull = false;
  }

  /** Copies the buffered slim rows into the full form. */
  #widen(): void {
    const from = this.#slimRows;
    const to = this.#fullRows;
    for (let row = 0; row < this.#rows; row++) {
      for (let column = 0; column < FULL; column++) {
        to[row * FULL + column] = column < SLIM ? from[row * SLIM + column]! : null;
      }
    }
    this.#isFull = true;
  }
}

/** Statements for 16, 8, 4, 2 and 1 rows, in that order. */
function chunks(database: Database, columns: readonly string[]): Chunk[] {
  const row = `(${columns.map(() => '?').join(', ')})`;
  const head = `INSERT INTO events (${columns.join(', ')}) VALUES `;
  const result: Chunk[] = [];
  for (let rows = ROWS_PER_STATEMENT; rows >= 1; rows /= 2) {
    const values = new Array<string>(rows).fill(row).join(', ');
    result.push({
      rows,
      insert: database.prepare<Parameter[]>(head + values),
      parameters: new Array<Parameter>(rows * columns.length).fill(null),
    });
  }
  return result;
}
