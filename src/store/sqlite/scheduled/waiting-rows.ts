import { crc32 } from 'node:zlib';
import { EventRecordView } from '../../../record/event-record.js';
import type { WaitingPublish } from '../../scheduled.js';
import type { Database } from '../driver/driver.js';
import { checksumOf } from '../rows/checksums.js';
import { MetaTable, SCHEDULED_COUNT } from '../tables/meta-table.js';

/** A row of `scheduled`. */
export type WaitingRow = [
  number: number,
  dueAt: number,
  acceptedAt: number,
  topic: string,
  id: string,
  record: Buffer,
  checksum: number,
];

export const WAITING_COLUMNS = 'number, due_at, accepted_at, topic, id, record, checksum';

export function rowOfWaiting(publish: WaitingPublish): WaitingRow {
  const { number, dueAt, acceptedAt, record } = publish;
  const view = new EventRecordView().wrap(record, 0);
  const row: WaitingRow = [number, dueAt, acceptedAt, view.topic, view.id, record, 0];
  row[6] = waitingChecksum(row);
  return row;
}

/** The publish of a sound row. */
export function waitingOf([number, dueAt, acceptedAt, , , record]: WaitingRow): WaitingPublish {
  return { number, dueAt, acceptedAt, record };
}

/** A damaged row may have a value of any type in any column. */
export function isSoundWaiting(row: WaitingRow): boolean {
  return row[5] instanceof Uint8Array && row[6] === waitingChecksum(row);
}

export function waitingDamage([number, , , topic, id]: WaitingRow): string {
  return `the row of waiting publish ${number}, ${id} on ${topic}, is damaged`;
}

function waitingChecksum([number, dueAt, acceptedAt, topic, id, record]: WaitingRow): number {
  const names = crc32(JSON.stringify([topic, id]));
  return checksumOf(record, [number, dueAt, acceptedAt, names]);
}

/** Yields a text for each fault of the table: a damaged row, or a wrong number of rows. */
export function* waitingProblems(database: Database): Generator<string> {
  const expected = new MetaTable(database).get(SCHEDULED_COUNT);
  let count = 0;
  for (const row of waitingRows(database)) {
    count++;
    if (!isSoundWaiting(row)) yield waitingDamage(row);
  }
  if (count === expected) return;
  yield `the table scheduled is damaged: it has ${count} rows, not ${expected}`;
}

/** All rows, in the order of their numbers. */
export function waitingRows(database: Database): IterableIterator<WaitingRow> {
  const all = `SELECT ${WAITING_COLUMNS} FROM scheduled ORDER BY number`;
  return database.prepare<[], WaitingRow>(all).raw().iterate();
}
