import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hashOfPayload, PayloadFiles } from '../../../../src/store/directory/payload-files.js';
import { shardFile } from '../../../../src/store/sqlite/connection/schema.js';
import { type Database, openDatabase } from '../../../../src/store/sqlite/driver/driver.js';
import { LogPayloads } from '../../../../src/store/sqlite/payloads/log-payloads.js';
import { SqliteShardLog } from '../../../../src/store/sqlite/sqlite-shard-log.js';
import { temporaryDirectory } from '../../directories.js';

const PAYLOAD = Buffer.from('x'.repeat(2000));
const HASH = hashOfPayload(PAYLOAD);

interface Fixture {
  readonly database: Database;
  readonly payloads: LogPayloads;
  readonly file: string;
}

function fixture(): Fixture {
  const file = shardFile(temporaryDirectory(), 0);
  new SqliteShardLog({ file, shard: 0 }).close();
  const database = openDatabase(file);
  const room = { bytesBeside: 0, fitsBeside: () => true };
  const payloads = new LogPayloads(database, { over: 1000, room });
  return { database, payloads, file: new PayloadFiles(file).locate(HASH) };
}

/** A batch with the payload, which ends before its commit, in it or after it. */
function batch({ database, payloads }: Fixture, end: 'before' | 'in' | 'after'): void {
  const { claimed } = payloads;
  database.exec('BEGIN IMMEDIATE');
  claimed.claim(PAYLOAD);
  claimed.finish();
  if (end !== 'before') claimed.committing();
  if (end !== 'after') claimed.rollback();
  database.exec(end === 'after' ? 'COMMIT' : 'ROLLBACK');
  if (end === 'after') claimed.commit();
}

describe('the payload file of a commit that failed', () => {
  it('stays when another batch with the payload fails, until a later commit', () => {
    const log = fixture();
    batch(log, 'before');
    expect(existsSync(log.file)).toBe(false);
    batch(log, 'in');
    batch(log, 'before');
    expect(existsSync(log.file)).toBe(true);
    log.payloads.claimed.leftovers.noteCommit();
    log.payloads.upkeep.remove();
    expect(existsSync(log.file)).toBe(false);
    log.database.close();
  });

  it('stays though no event had it any more before that commit, until a later one', () => {
    const log = fixture();
    const { table, claimed, upkeep } = log.payloads;
    batch(log, 'after');
    table.release({ hash: HASH, length: PAYLOAD.length });
    table.commit();
    batch(log, 'in');
    upkeep.remove();
    expect(existsSync(log.file)).toBe(true);
    claimed.leftovers.noteCommit();
    upkeep.remove();
    expect(existsSync(log.file)).toBe(false);
    expect(table.count).toBe(0);
    log.database.close();
  });
});
