import { Database } from '../../fuzz/sinks/sqlite.js';
import type { SqliteDatabase, SqliteStatement } from '../../src/sinks.js';

/** `better-sqlite3`, which comes without types: as much of it as these tests use. */
export interface Sqlite extends SqliteDatabase {
  readonly inTransaction: boolean;
  prepare(sql: string): SqliteStatement & { pluck(): SqliteStatement };
  close(): void;
}

export function openSqlite(path = ':memory:'): Sqlite {
  return new Database(path);
}
