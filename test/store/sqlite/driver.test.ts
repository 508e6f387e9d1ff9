import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  isSqliteError,
  openDatabase,
  sqliteVersion,
} from '../../../src/store/sqlite/driver/driver.js';

describe('the driver of SQLite', () => {
  it('tells its version', () => {
    expect(sqliteVersion()).toMatch(/^3\.\d+\.\d+$/);
  });

  it('tells an error of SQLite from others, with its extended code', () => {
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

  it('makes a bus fail with a remedy if no binding is installed, but not a client', () => {
    const dist = fileURLToPath(new URL('../../../dist/', import.meta.url));
    const script = `
      import { openBus } from '${dist}index.js';
      import { connect } from '${dist}client.js';
      await connect('http://127.0.0.1:1').close();
      await openBus({ dir: ':memory:', shards: 1 }).catch((error) => {
        console.log(JSON.stringify(error));
      });`;
    const preload = fileURLToPath(new URL('hide-sqlite.cjs', import.meta.url));
    const args = ['--require', preload, '--input-type=module', '--eval', script];
    const told = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
    expect(told.code).toBe('SQLITE_MISSING');
    expect(told.message).toMatch(/^SQLite cannot be loaded in Node\.js \d.*: npm install /);
  });
});
