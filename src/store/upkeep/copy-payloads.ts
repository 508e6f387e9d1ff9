import { rmSync } from 'node:fs';
import { PayloadFiles, type PayloadReference } from '../directory/payload-files.js';
import { openForReading } from '../sqlite/connection/schema.js';
import type { Database } from '../sqlite/driver/driver.js';
import { hasPayloadFiles, MetaTable } from '../sqlite/tables/meta-table.js';

/** The names of so many files are flushed together. */
const FILES_PER_FLUSH = 64;

/**
 * Copies the payload files to which the events of a copied log refer, and checks each against its hash.
 * @param source the log that was copied
 * @param target its copy
 * @returns a generator of the bytes of each file, which may be ended between two files
 * @throws BusError `STORE_CORRUPT` if one is missing or damaged, `STORE_FULL`, `STORE_FAILED`
 */
export function* copyPayloads(source: string, target: string, shard: number): Generator<number> {
  const database = openForReading(target, shard);
  try {
    if (!hasPayloadFiles(new MetaTable(database).all())) return;
    const from = new PayloadFiles(source);
    const to = new PayloadFiles(target);
    for (let page = pageOf(database, ''); page.length > 0; ) {
      for (const reference of page) {
        to.write(reference.hash, from.read(reference));
        yield reference.length;
      }
      to.flushNames(page.map(({ hash }) => hash));
      page = pageOf(database, page[page.length - 1]!.hash);
    }
  } finally {
    database.close();
    // A connection that may only read leaves them, and nothing was written to them.
    for (const end of ['-wal', '-shm']) rmSync(`${target}${end}`, { force: true });
  }
}

function pageOf(database: Database, after: string): PayloadReference[] {
  return database
    .prepare<[string], PayloadReference>(
      `SELECT hash, length FROM payload_files WHERE refs > 0 AND hash > ?
       ORDER BY hash LIMIT ${FILES_PER_FLUSH}`,
    )
    .all(after);
}
