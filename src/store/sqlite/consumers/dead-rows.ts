import { crc32 } from 'node:zlib';
import type { DeadEvent, DeadState } from '../../consumer-states.js';
import type { Database } from '../driver/driver.js';
import { checksumOf } from '../rows/checksums.js';
import { CONSUMER_DEAD_COUNT, MetaTable } from '../tables/meta-table.js';

/** A row of `consumer_dead`. */
export type DeadRow = [
  consumer: string,
  sequence: number,
  diedAt: number,
  attempts: number,
  times: number,
  state: number,
  reason: string,
  record: Buffer | null,
  checksum: number,
];

export const DEAD_COLUMNS =
  'consumer, sequence, died_at, attempts, times, state, reason, record, checksum';

export function rowOfDead(event: DeadEvent): DeadRow {
  const { consumer, sequence, diedAt, attempts, times, state, reason, record } = event;
  const bytes = record === undefined ? null : Buffer.from(record);
  const row: DeadRow = [consumer, sequence, diedAt, attempts, times, state, reason, bytes, 0];
  row[8] = deadChecksum(row);
  return row;
}

/** The event of a sound row. */
export function deadOf(row: DeadRow): DeadEvent {
  const [consumer, sequence, diedAt, attempts, times, state, reason, record] = row;
  const event = { consumer, sequence, diedAt, attempts, times, reason, state: state as DeadState };
  return record === null ? event : { ...event, record };
}

/** A damaged row may have a value of any type in any column. */
export function isSoundDead(row: DeadRow): boolean {
  const [, , , , , , , record, checksum] = row;
  const isTyped = record === null || record instanceof Uint8Array;
  return isTyped && checksum === deadChecksum(row);
}

export function deadDamage([consumer, sequence]: DeadRow): string {
  return `the row of event ${sequence}, dead for consumer ${consumer}, is damaged`;
}

function deadChecksum(row: DeadRow): number {
  const [consumer, sequence, diedAt, attempts, times, state, reason, record] = row;
  const kept = record === null ? 0 : 1 + crc32(record);
  const numbers = [sequence, diedAt, attempts, times, state, kept];
  return checksumOf(JSON.stringify([consumer, reason]), numbers);
}

/** Yields a text for each fault of the table: a damaged row, or a wrong number of rows. */
export function* deadProblems(database: Database): Generator<string> {
  const expected = new MetaTable(database).get(CONSUMER_DEAD_COUNT);
  const rows = database.prepare<[], DeadRow>(`SELECT ${DEAD_COLUMNS} FROM consumer_dead`).raw();
  let count = 0;
  for (const row of rows.iterate()) {
    count++;
    if (!isSoundDead(row)) yield deadDamage(row);
  }
  if (count === expected) return;
  yield `the table consumer_dead is damaged: it has ${count} rows, not ${expected}`;
}
