import { crc32 } from 'node:zlib';
import type { StoredSchedule } from '../../scheduled.js';
import type { Database, Statement } from '../driver/driver.js';
import { checksumOf } from '../rows/checksums.js';
import { MetaTable, SCHEDULES_COUNT } from '../tables/meta-table.js';

type Row = [
  name: string,
  handledUntil: number,
  fired: number,
  lastAt: number,
  definition: string,
  checksum: number,
];

const COLUMNS = 'name, handled_until, fired, last_at, definition, checksum';

/** The table `schedules`. A row is deleted before it is written anew, for the reason in `state-table.ts`. */
export class ScheduleTable {
  readonly #database: Database;
  readonly #meta: MetaTable;
  readonly #insert: Statement<Row>;
  readonly #delete: Statement<[string]>;
  /** The change in the number of rows since the batch began. */
  #added = 0;

  constructor(database: Database) {
    this.#database = database;
    this.#meta = new MetaTable(database);
    this.#insert = database.prepare<Row>(
      `INSERT INTO schedules (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`,
    );
    this.#delete = database.prepare('DELETE FROM schedules WHERE name = ?');
  }

  /** The sound ones. `onDamage` is told of the others, and of a wrong number of rows. */
  load(onDamage: (reason: string, name?: string) => void): StoredSchedule[] {
    const rows = rowsOf(this.#database);
    const expected = this.#meta.get(SCHEDULES_COUNT);
    if (rows.length !== expected) onDamage(missingRows(rows.length, expected));
    const sound: StoredSchedule[] = [];
    for (const row of rows) {
      if (isSound(row)) sound.push(scheduleOf(row));
      else onDamage(damageOf(row), String(row[0]));
    }
    return sound;
  }

  put(schedule: StoredSchedule): void {
    const { name, handledUntil, fired, lastAt, definition } = schedule;
    this.#added += 1 - this.#delete.run(name).changes;
    const checksum = scheduleChecksum(schedule);
    this.#insert.run(name, handledUntil, fired, lastAt, definition, checksum);
  }

  remove(name: string): void {
    this.#added -= this.#delete.run(name).changes;
  }

  /** Writes the number of rows, in the batch's transaction. */
  finish(): void {
    if (this.#added === 0) return;
    this.#meta.set({ [SCHEDULES_COUNT]: this.#meta.get(SCHEDULES_COUNT) + this.#added });
  }

  /** The batch is committed, or undone. */
  end(): void {
    this.#added = 0;
  }
}

/** Yields a text for each fault of the table: a damaged row, or a wrong number of rows. */
export function* scheduleProblems(database: Database): Generator<string> {
  const expected = new MetaTable(database).get(SCHEDULES_COUNT);
  const rows = rowsOf(database);
  for (const row of rows) {
    if (!isSound(row)) yield damageOf(row);
  }
  if (rows.length !== expected) yield missingRows(rows.length, expected);
}

/** A damaged row may have a value of any type in any column. */
function isSound(row: Row): boolean {
  const hasTexts = typeof row[0] === 'string' && typeof row[4] === 'string';
  return hasTexts && row[5] === scheduleChecksum(scheduleOf(row));
}

function damageOf([name]: Row): string {
  return `the schedule ${name} is damaged`;
}

function missingRows(count: number, expected: number): string {
  return `the table schedules is damaged: it has ${count} rows, not ${expected}`;
}

export function readSchedules(database: Database): StoredSchedule[] {
  return rowsOf(database).map(scheduleOf);
}

function rowsOf(database: Database): Row[] {
  return database.prepare<[], Row>(`SELECT ${COLUMNS} FROM schedules ORDER BY name`).raw().all();
}

function scheduleOf([name, handledUntil, fired, lastAt, definition]: Row): StoredSchedule {
  return { name, handledUntil, fired, lastAt, definition };
}

function scheduleChecksum({
  name,
  handledUntil,
  fired,
  lastAt,
  definition,
}: StoredSchedule): number {
  return checksumOf(definition, [handledUntil, fired, lastAt, crc32(name)]);
}
