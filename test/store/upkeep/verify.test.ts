import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openManifest } from '../../../src/store/directory/directory.js';
import {
  ALERTS_FILE,
  ARCHIVE_FILE,
  CONSUMERS_FILE,
  KeptFile,
} from '../../../src/store/directory/kept-file.js';
import { DirectoryLock } from '../../../src/store/directory/lock.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { INDEX_BLOCK_EVENTS } from '../../../src/store/sqlite/tables/tables.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { temporaryDirectory } from '../directories.js';
import { append } from '../sqlite/sqlite-log-promises.js';

/** A directory with one block in the index and some rows behind it; the oldest events of one topic are pruned. */
function makeDirectory(): string {
  const dir = temporaryDirectory();
  openManifest(dir, { shards: 1, defaultShards: 1 });
  const retention = [{ pattern: 'pruned', maxEvents: 10 }];
  const log = new SqliteShardLog({ file: shardFile(dir, 0), shard: 0, retention });
  for (let i = 1; i <= INDEX_BLOCK_EVENTS + 500; i++) {
    append(log, { topic: i % 100 ? `t.${i % 5}` : 'pruned' }, i);
    if (i % 4000 === 0) log.commit(false, []);
  }
  log.commit(true, []);
  while (log.maintain());
  while (log.pruning.pruneStep(0));
  log.close();
  return dir;
}

function findingsAfter(sql: string): string[] {
  const dir = makeDirectory();
  const database = openDatabase(shardFile(dir, 0));
  database.exec(sql);
  database.close();
  return [...verifyDirectory(dir)].map(
    (one) => `${one.severity} ${one.sequence ?? ''}: ${one.message}`,
  );
}

const head = INDEX_BLOCK_EVENTS + 500;

describe('verify', () => {
  it('finds no fault in a sound directory', () => {
    expect(findingsAfter('SELECT 1')).toEqual([]);
  });

  it.each([
    [
      'a changed payload',
      "UPDATE events SET payload = CAST('{}' AS BLOB) WHERE sequence = 77",
      /77.*damaged/,
    ],
    [
      'a changed time',
      'UPDATE events SET recorded_at = 1 WHERE sequence = 50',
      /50.*earlier than the event before it/,
    ],
    ['a missing row', 'DELETE FROM events WHERE sequence = 1234', /1234.*no such row/],
    [
      'a row that claims to be far ahead',
      `UPDATE events SET sequence = 9000000000000000 WHERE sequence = ${head}`,
      /events 16884 to 8999999999999999 are missing/,
    ],
    [
      'a row with the last sequence that SQLite has',
      `UPDATE events SET sequence = 9223372036854775807 WHERE sequence = ${head}`,
      /16884 to .* are missing/,
    ],
    [
      'a missing row behind the index',
      `DELETE FROM events WHERE sequence = ${head - 20}`,
      /events \d+ to \d+ are missing/,
    ],
    [
      'missing rows at the end',
      `DELETE FROM events WHERE sequence > ${head - 5}`,
      /committed up to/,
    ],
    ['a missing topic', "DELETE FROM topics WHERE name = 't.3'", /refers to .* in topics/],
    ['a missing name', 'DELETE FROM names', /refers to .* in names/],
    [
      'a missing index row',
      'DELETE FROM topic_index WHERE topic = 2',
      /the index does not have it/,
    ],
    [
      'a damaged index of ids',
      'UPDATE topic_index SET sequences = zeroblob(65536) WHERE topic = -1',
      /the index of ids from here on is damaged/,
    ],
    ['a wrong total', "UPDATE topics SET events = events + 1 WHERE name = 't.1'", /its totals say/],
    ['another format', "UPDATE meta SET value = 9 WHERE key = 'format'", /has format 9/],
  ])('finds %s', (_, sql, expected) => {
    const found = findingsAfter(sql);
    expect(
      found.some((one) => expected.test(one)),
      found.slice(0, 3).join('\n'),
    ).toBe(true);
    expect(found.every((one) => one.startsWith('error'))).toBe(true);
  });

  it('finds a missing log and a missing manifest, and notes that the directory is in use', () => {
    const dir = makeDirectory();
    const lock = DirectoryLock.acquire(dir);
    expect([...verifyDirectory(dir)]).toMatchObject([{ severity: 'note' }]);
    lock.release();
    rmSync(shardFile(dir, 0));
    expect([...verifyDirectory(dir)]).toMatchObject([{ severity: 'error', shard: 0 }]);
    rmSync(join(dir, 'manifest.json'));
    expect([...verifyDirectory(dir)]).toMatchObject([{ message: 'there is no manifest' }]);
  });

  it.each([ALERTS_FILE, ARCHIVE_FILE, CONSUMERS_FILE] as const)(
    'finds a digit changed in %s',
    (name) => {
      const dir = makeDirectory();
      const kept = new KeptFile(dir, name);
      kept.write(JSON.stringify({ format: 1, consumers: [], rules: [], place: '/archive-7' }));
      expect([...verifyDirectory(dir)]).toEqual([]);
      writeFileSync(kept.file, readFileSync(kept.file, 'utf8').replace('archive-7', 'archive-3'));
      const message = expect.stringContaining('its checksum does not match');
      expect([...verifyDirectory(dir)]).toMatchObject([
        { severity: 'error', file: kept.file, message },
      ]);
    },
  );

  it('tells an interrupted first opening from a directory that is the wrong one', () => {
    const dir = temporaryDirectory();
    expect([...verifyDirectory(dir)]).toMatchObject([{ severity: 'error' }]);
    DirectoryLock.acquire(dir).release();
    expect([...verifyDirectory(dir)]).toMatchObject([
      { severity: 'note', message: expect.stringContaining('first opening') },
    ]);
    expect([...verifyDirectory(join(dir, 'elsewhere'))]).toMatchObject([
      { severity: 'error', message: 'there is no such directory' },
    ]);
    expect([...verifyDirectory(join(dir, 'lock.db'))]).toMatchObject([
      { severity: 'error', message: 'it is a file, not a directory' },
    ]);
  });
});
