import { describe, expect, it } from 'vitest';
import { isSqliteError, openDatabase, sqliteVersion } from '../../src/store/driver.js';

describe('the driver of SQLite', () => {
  it('knows its version', () => {
    expect(sqliteVersion()).toMatch(/^3\.\d+\.\d+$/);
  });

  it('knows an error of SQLite from others, and names its extended code', () => {
    const database = openDatabase(':memory:');
    database.exec('CREATE TABLE t (one INTEGER PRIMARY KEY)');
    const insert = database.prepare('INSERT INTO t VALUES (1)');
    insert.run();
    const codes: string[] = [];
    for (const work of [() => insert.run(), () => JSON.parse('{')]) {
      try {
        work();
      } catch (error) {
        codes.push(isSqliteError(error) ? error.code : 'another');
      }
    }
    database.close();
    expect(codes).toEqual(['SQLITE_CONSTRAINT_PRIMARYKEY', 'another']);
  });
});
