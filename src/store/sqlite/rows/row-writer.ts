import type { Database, Statement } from '../driver/driver.js';

/**
 * Buffers event rows as parameters and inserts them 16 at a time with one statement. Most events have
 * none of the optional fields, so there is a slim form of each statement; a chunk with one full row in it
 * becomes a full chunk, and one with a row that expires a chunk of the widest form. Rows reach SQLite in the order in
 * which they were added.
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
const WIDEST_COLUMNS = [...FULL_COLUMNS, 'expires_at'] as const;
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

/** The statements for rows of one width, and the parameters of the buffered rows. */
class Form {
  readonly chunks: Chunk[];
  readonly rows: Parameter[];
  readonly insert: Insert;

  constructor(
    database: Database,
    columns: readonly string[],
    readonly width = columns.length,
  ) {
    this.chunks = chunks(database, columns);
    this.rows = this.chunks[0]!.parameters;
    this.insert = this.chunks[0]!.insert;
  }
}

export class RowWriter {
  readonly #slim: Form;
  readonly #full: Form;
  readonly #widest: Form;
  /** The form of the buffered rows. */
  #form: Form;
  #rows = 0;

  constructor(database: Database) {
    this.#slim = new Form(database, SLIM_COLUMNS);
    this.#full = new Form(database, FULL_COLUMNS);
    this.#widest = new Form(database, WIDEST_COLUMNS);
    this.#form = this.#slim;
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
    if (this.#form !== this.#slim) {
      this.addFull(sequence, recordedAt, topic, type, source, checksum, id, payload, 0, null);
      return;
    }
    const { rows: row } = this.#slim;
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
      this.#slim.insert.run(...row);
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
    expiresAt: number | null = null,
  ): void {
    if (expiresAt !== null) this.#widen(this.#widest);
    else if (this.#form === this.#slim) this.#widen(this.#full);
    const { rows: row, width, insert } = this.#form;
    let at = this.#rows * width;
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
    row[at++] = attributes;
    if (width > FULL) row[at] = expiresAt;
    if (++this.#rows === ROWS_PER_STATEMENT) {
      this.discard();
      insert.run(...row);
    }
  }

  flush(): void {
    if (this.#rows === 0) return;
    const { width, rows, chunks: all } = this.#form;
    let from = 0;
    let left = this.#rows;
    this.discard();
    for (const chunk of all) {
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
    this.#form = this.#slim;
  }

  /** Copies the buffered rows into a wider form. */
  #widen(to: Form): void {
    const from = this.#form;
    if (from === to) return;
    for (let row = 0; row < this.#rows; row++) {
      for (let column = 0; column < to.width; column++) {
        const isThere = column < from.width;
        to.rows[row * to.width + column] = isThere ? from.rows[row * from.width + column]! : null;
      }
    }
    this.#form = to;
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
