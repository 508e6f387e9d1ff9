import { CLAIMED_PAYLOAD_BYTES_MAX } from '../../../protocol/limits/store.js';
import { isPayloadHash } from '../../directory/payload-files.js';
import type { Database } from '../driver/driver.js';
import { checksumOf } from '../rows/checksums.js';
import { REFERENCE_HASH_SQL } from '../rows/payload-reference.js';
import { MetaTable, PAYLOAD_FILES_COUNT } from '../tables/meta-table.js';
import { ROW_FLAG_PAYLOAD_IN_FILE } from '../tables/tables.js';

/** A row of `payload_files`. */
export type PayloadRow = [hash: string, length: number, refs: number, checksum: number];

export const PAYLOAD_COLUMNS = 'hash, length, refs, checksum';

export function payloadChecksum(hash: string, length: number, refs: number): number {
  return checksumOf(hash, [length, refs]);
}

/** A damaged row may have a value of any type in any column. */
export function isSoundPayload([hash, length, refs, checksum]: PayloadRow): boolean {
  if (typeof hash !== 'string' || !isPayloadHash(hash)) return false;
  return length <= CLAIMED_PAYLOAD_BYTES_MAX && checksum === payloadChecksum(hash, length, refs);
}

/** All files, in the order of their hashes. */
export function payloadRows(database: Database): IterableIterator<PayloadRow> {
  const all = `SELECT ${PAYLOAD_COLUMNS} FROM payload_files ORDER BY hash`;
  return database.prepare<[], PayloadRow>(all).raw().iterate();
}

/** Yields a text for each fault of the table, and for each file whose number of events it has wrong. */
export function* payloadProblems(database: Database): Generator<string> {
  const expected = new MetaTable(database).get(PAYLOAD_FILES_COUNT);
  const users = referenceCounts(database);
  let user = users.next();
  let count = 0;
  for (const row of payloadRows(database)) {
    count++;
    const [hash, , refs] = row;
    if (!isSoundPayload(row)) yield `the row of payload file ${hash} is damaged`;
    for (; !user.done && user.value[0] < hash; user = users.next()) yield untold(user.value);
    const found = !user.done && user.value[0] === hash ? user.value[1] : 0;
    if (found > 0) user = users.next();
    if (isSoundPayload(row) && found !== refs) {
      yield `payload file ${hash} is said to have ${refs} events, and has ${found}`;
    }
  }
  for (; !user.done; user = users.next()) yield untold(user.value);
  if (count === expected) return;
  yield `the table payload_files is damaged: it has ${count} rows, not ${expected}`;
}

function untold([hash, events]: [string, number]): string {
  return `the table payload_files lacks ${hash}, to which ${events} events refer`;
}

/** How many events refer to each file, in the order of the hashes. */
function referenceCounts(database: Database): Iterator<[hash: string, events: number]> {
  return database
    .prepare<[], [string, number]>(
      `SELECT ${REFERENCE_HASH_SQL} AS hash, count(*) FROM events
       WHERE flags & ${ROW_FLAG_PAYLOAD_IN_FILE} GROUP BY hash ORDER BY hash`,
    )
    .raw()
    .iterate();
}
