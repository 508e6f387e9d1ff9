import { crc32 } from 'node:zlib';
import { BusError } from '../../../protocol/errors.js';
import type { StoredLane } from '../../consumer-states.js';
import type { Database, Statement } from '../driver/driver.js';
import { checksumOf } from '../rows/checksums.js';
import { CONSUMERS_COUNT, hasConsumers, MetaTable } from '../tables/meta-table.js';

/**
 * The table `consumers`: the states of consumers, a row for each lane. A row is deleted before it is written anew: an
 * update would take pages for the new row before it frees those of the old one, which a full disk does not have.
 */
type Row = [
  consumer: string,
  lane: number,
  round: number,
  position: number,
  leaseNext: number,
  acked: number,
  redelivered: number,
  lost: number,
  at: number,
  open: Uint8Array,
  checksum: number,
];

const COLUMNS =
  'consumer, lane, round, position, lease_next, acked, redelivered, lost, at, open, checksum';

export class StateTable {
  readonly #database: Database;
  readonly #meta: MetaTable;
  readonly #insert: Statement<Row>;
  readonly #delete: Statement<[string, number]>;
  readonly #deleteFrom: Statement<[string, number]>;
  /** The change in the number of rows since the batch began. */
  #added = 0;

  constructor(database: Database) {
    this.#database = database;
    this.#meta = new MetaTable(database);
    this.#insert = database.prepare<Row>(
      `INSERT INTO consumers (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#delete = database.prepare('DELETE FROM consumers WHERE consumer = ? AND lane = ?');
    this.#deleteFrom = database.prepare('DELETE FROM consumers WHERE consumer = ? AND lane >= ?');
  }

  /** @throws BusError `STORE_CORRUPT` */
  load(): StoredLane[] {
    for (const reason of stateProblems(this.#database)) throw this.#damaged(reason);
    return rowsOf(this.#database).map(laneOf);
  }

  put(state: StoredLane): void {
    const { consumer, lane, round, position, leaseNext, acked, redelivered, lost, at, open } =
      state;
    const checksum = stateChecksum(state);
    this.#added += 1 - this.#delete.run(consumer, lane).changes;
    const numbers = [round, position, leaseNext, acked, redelivered, lost, at] as const;
    this.#insert.run(consumer, lane, ...numbers, open, checksum);
  }

  remove(consumer: string): void {
    this.removeFrom(consumer, 0);
  }

  /** The lanes from this one on. */
  removeFrom(consumer: string, lane: number): void {
    this.#added -= this.#deleteFrom.run(consumer, lane).changes;
  }

  /** Writes the number of rows, in the batch's transaction. */
  finish(): void {
    if (this.#added === 0) return;
    this.#meta.set({ [CONSUMERS_COUNT]: this.#meta.get(CONSUMERS_COUNT) + this.#added });
  }

  /** The batch is committed, or undone. */
  end(): void {
    this.#added = 0;
  }

  #damaged(reason: string): BusError {
    const { name: file } = this.#database;
    return new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
  }
}

/** Yields a text for each fault of the table: a damaged row, or a wrong number of rows. */
export function* stateProblems(database: Database): Generator<string> {
  const expected = new MetaTable(database).get(CONSUMERS_COUNT);
  const rows = rowsOf(database);
  for (const row of rows) {
    if (isSound(row)) continue;
    yield `the state of consumer ${row[0]}, lane ${row[1]}, is damaged`;
  }
  if (rows.length === expected) return;
  yield `the table consumers is damaged: it has ${rows.length} rows, not ${expected}`;
}

/** The number of consumers in the log, 0 in one of an earlier format. */
export function countConsumers(database: Database): number {
  if (!hasConsumers(new MetaTable(database).all())) return 0;
  const count = database
    .prepare<[], number>(
      'SELECT count(*) FROM (SELECT consumer FROM consumers UNION SELECT consumer FROM consumer_dead)',
    )
    .pluck();
  return count.get() ?? 0;
}

function rowsOf(database: Database): Row[] {
  return database.prepare<[], Row>(`SELECT ${COLUMNS} FROM consumers`).raw().all();
}

/** A damaged row may have a value of any type in any column. */
function isSound(row: Row): boolean {
  const isTyped = typeof row[0] === 'string' && row[9] instanceof Uint8Array;
  return isTyped && row[10] === stateChecksum(laneOf(row));
}

function laneOf(row: Row): StoredLane {
  const [consumer, lane, round, position, leaseNext, acked, redelivered, lost, at, open] = row;
  return { consumer, lane, round, position, leaseNext, acked, redelivered, lost, at, open };
}

function stateChecksum(state: StoredLane): number {
  const { consumer, lane, round, position, leaseNext, acked, redelivered, lost, at, open } = state;
  const numbers = [lane, round, position, leaseNext, acked, redelivered, lost, at];
  return checksumOf(open, [...numbers, crc32(consumer)]);
}
