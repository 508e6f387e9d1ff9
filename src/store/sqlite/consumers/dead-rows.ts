import { crc32 } from 'node:zlib';
import type { DeadState, StoredDeadEvent } from '../../consumer-states.js';
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
  cause: string,
  reason: string,
  record: Buffer | null,
  checksum: number,
];

export const DEAD_COLUMNS =
  'consumer, sequence, died_at, attempts, times, state, cause, reason, record, checksum';

export function rowOfDead(event: StoredDeadEvent): DeadRow {
  const { consumer, sequence, diedAt, attempts, times, state, cause, reason, record } = event;
  const bytes = record === undefined ? null : Buffer.from(record);
  const numbers = [diedAt, attempts, times, state] as const;
  const row: DeadRow = [consumer, sequence, ...numbers, cause, reason, bytes, 0];
  row[9] = deadChecksum(row);
  return row;
}

/** The event of a sound row. */
export function deadOf(row: DeadRow): StoredDeadEvent {
  const [consumer, sequence, diedAt, attempts, times, state, cause, reason, record] = row;
  const numbers = { sequence, diedAt, attempts, times, state: state as DeadState };
  const event = { consumer, ...numbers, cause, reason };
  return record === null ? event : { ...event, record };
}

/** A damaged row may have a value of any type in any column. */
export function isSoundDead(row: DeadRow): boolean {
  const [, , , , , , , , record, checksum] = row;
  const isTyped = record === null || record instanceof Uint8Array;
  return isTyped && checksum === deadChecksum(row);
}

export function deadDamage([consumer, sequence]: DeadRow): string {
  return `the row of event ${sequence}, dead for consumer ${consumer}, is damaged`;
}

function deadChecksum(row: DeadRow): number {
  const [consumer, sequence, diedAt, attempts, times, state, cause, reason, record] = row;
  const kept = record === null ? 0 : 1 + crc32(record);
  const numbers = [sequence, diedAt, attempts, times, state, kept];
  return checksumOf(JSON.stringify([consumer, cause, reason]), numbers);
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
