import { createRequire } from 'node:module';
import type { SqliteDatabase, SqliteStatement } from '../../src/sinks.js';

/** `better-sqlite3`, which comes without types: as much of it as these tests use. */
export interface Sqlite extends SqliteDatabase {
  readonly inTransaction: boolean;
  prepare(sql: string): SqliteStatement & { pluck(): SqliteStatement };
  close(): void;
}

const Database = createRequire(import.meta.url)('better-sqlite3') as new (path: string) => Sqlite;

export function openSqlite(path = ':memory:'): Sqlite {
  return new Database(path);
}
