import { existsSync } from 'node:fs';
import { messageOf } from '../../protocol/thrown.js';
import { PayloadFiles } from '../directory/payload-files.js';
import { openForReading } from '../sqlite/connection/schema.js';
import type { Database } from '../sqlite/driver/driver.js';
import { payloadProblems } from '../sqlite/payloads/payload-rows.js';
import { hasPayloadFiles, MetaTable } from '../sqlite/tables/meta-table.js';
import type { VerifyFinding } from './verify-finding.js';

/** Checks what the table of payload files says. The files are read with the events that refer to them. */
export function* verifyPayloads(
  database: Database,
  file: string,
  shard: number,
): Generator<VerifyFinding> {
  if (!hasPayloadFiles(new MetaTable(database).all())) return;
  for (const message of payloadProblems(database)) {
    yield { severity: 'error', file, shard, message };
  }
}

/** Notes files that no event refers to. Of a directory in use, a file may be of a batch that is not committed yet. */
export function* verifyOrphans(
  database: Database,
  databaseFile: string,
  shard: number,
): Generator<VerifyFinding> {
  const files = new PayloadFiles(databaseFile);
  if (!existsSync(files.dir)) return;
  try {
    const orphans = countOrphans(database, files);
    if (orphans === 0) return;
    const what =
      orphans === 1 ? 'a file that no event refers to' : `${orphans} files that no event refers to`;
    const message = `${what}: the next bus that opens the directory removes it`;
    yield { severity: 'note', file: files.dir, shard, message };
  } catch (error) {
    yield { severity: 'error', file: files.dir, shard, message: messageOf(error) };
  }
}

function countOrphans(database: Database, files: PayloadFiles): number {
  if (!hasPayloadFiles(new MetaTable(database).all())) return 0;
  const refs = database
    .prepare<[string], number>('SELECT refs FROM payload_files WHERE hash = ?')
    .pluck();
  let orphans = 0;
  for (const { hash } of files.list()) {
    if (hash === undefined || (refs.get(hash) ?? 0) === 0) orphans++;
  }
  return orphans;
}

/** Whether a log that is in use still has the event. */
export function stillHas(file: string, shard: number, sequence: number): boolean {
  const database = openForReading(file, shard);
  try {
    const row = database.prepare('SELECT 1 FROM events WHERE sequence = ?').get(sequence);
    return row !== undefined;
  } finally {
    database.close();
  }
}
