import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PayloadFiles } from '../../../src/store/directory/payload-files.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { payloadChecksum } from '../../../src/store/sqlite/payloads/payload-rows.js';
import { MetaTable, PAYLOAD_FILES_COUNT } from '../../../src/store/sqlite/tables/meta-table.js';
import { restore } from '../../../src/store/upkeep/restore.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { openTestBus } from '../../bus/support/open.js';
import { until, within } from '../../bus/support/wait.js';
import { temporaryDirectory } from '../directories.js';

/** What somebody else has put into a directory, or into a backup, before it is opened. */

const TEXT = 'what the victim has written\n';

/** A directory of a bus with some events, closed; and a file that belongs to nobody's bus. */
async function prepared(): Promise<{ dir: string; victim: string }> {
  const folder = temporaryDirectory();
  const dir = join(folder, 'data');
  const victim = join(folder, 'victim.txt');
  writeFileSync(victim, TEXT, { mode: 0o644 });
  const bus = await openTestBus({ dir, shards: 1 });
  await bus.publishMany(
    Array.from({ length: 20 }, (_, n) => ({ topic: 'a', type: 't', payload: n })),
  );
  await bus.close();
  return { dir, victim };
}

function assertUntouched(victim: string): void {
  expect(readFileSync(victim, 'utf8')).toBe(TEXT);
  expect(statSync(victim).mode & 0o777).toBe(0o644);
}

/** Opens, publishes, reads and closes; it may be refused with a code. */
async function use(dir: string): Promise<string | undefined> {
  try {
    const bus = await openTestBus({ dir });
    try {
      await bus.publish({ topic: 'a', type: 't', payload: 20 });
      const events = await bus.query({ topic: 'a', limit: 100 });
      expect(events.map(({ payload }) => payload)).toEqual(Array.from({ length: 21 }, (_, n) => n));
    } finally {
      await bus.close();
    }
    return undefined;
  } catch (error) {
    if (typeof (error as { code?: unknown }).code === 'string')
      return (error as { code: string }).code;
    throw error;
  }
}

const NAMES = [
  'manifest.json.new',
  'lock.json',
  'lock.db',
  'alerts.json',
  'consumers.json.new',
  'shard-000.db',
  'shard-000.db-wal',
  'shard-000.db-journal',
  'shard-000.mark',
  'shard-000.payloads',
];

describe('a symbolic link in a directory', () => {
  it.each(NAMES)('at %s leads no write to its target', async (name) => {
    const { dir, victim } = await prepared();
    rmSync(join(dir, name), { recursive: true, force: true });
    symlinkSync(victim, join(dir, name));
    const code = await within('the opening', use(dir));
    assertUntouched(victim);
    // A temporary file is written anew; for anything else a link is refused.
    expect(code).toBe(name.endsWith('.new') ? undefined : 'STORE_CORRUPT');
  });

  it('at the folder of payload files does not lead to files of another bus', async () => {
    const { dir } = await prepared();
    const other = join(dir, '..', 'other', 'ab');
    const kept = join(other, 'ab'.repeat(32));
    mkdirSync(other, { recursive: true });
    writeFileSync(kept, TEXT);
    symlinkSync(join(dir, '..', 'other'), join(dir, 'shard-000.payloads'));
    expect(await use(dir)).toBe('STORE_CORRUPT');
    rmSync(join(dir, 'shard-000.payloads'));
    mkdirSync(join(dir, 'shard-000.payloads'));
    symlinkSync(other, join(dir, 'shard-000.payloads', 'ab'));
    expect(await use(dir)).toBeUndefined();
    expect(readFileSync(kept, 'utf8')).toBe(TEXT);
  });

  it('as the directory itself is followed', async () => {
    const { dir } = await prepared();
    const link = join(dir, '..', 'link');
    symlinkSync(dir, link);
    expect(await use(link)).toBeUndefined();
  });

  it('is told by verify, and a backup with one is not restored', async () => {
    const { dir, victim } = await prepared();
    symlinkSync(victim, join(dir, 'alerts.json'));
    const to = join(dir, '..', 'to');
    expect(() => restore(dir, to)).toThrow(expect.objectContaining({ code: 'STORE_CORRUPT' }));
    expect(existsSync(to)).toBe(false);
    expect([...verifyDirectory(dir)]).toMatchObject([
      { severity: 'error', message: expect.stringContaining('symbolic link') },
    ]);
  });
});

describe.skipIf(process.platform === 'win32')('a pipe in a directory', () => {
  it.each(['manifest.json', 'alerts.json', 'consumers.json', 'lock.json', 'shard-000.mark'])(
    'at %s is waited for by nobody',
    async (name) => {
      const { dir } = await prepared();
      rmSync(join(dir, name), { force: true });
      execFileSync('mkfifo', [join(dir, name)]);
      expect(await within('the opening', use(dir))).toBe('STORE_CORRUPT');
      expect(() => restore(dir, join(dir, '..', 'to'))).toThrow();
    },
  );
});

describe('files that others have planted', () => {
  it.each([
    ['an index of a write-ahead log', 'shard-000.db-shm'],
    ['a journal of the lock', 'lock.db-journal'],
    ['the log of a shard that there is not', 'shard-001.db'],
    ['a file of another program', 'core'],
    ['the beginning of a manifest', 'manifest.json.new'],
  ])('change no event: %s', async (_, name) => {
    const { dir } = await prepared();
    writeFileSync(join(dir, name), Buffer.alloc(100_000, 0x5a));
    expect(await use(dir)).toBeUndefined();
  });

  it('are no journal of a log, which has a write-ahead log', async () => {
    const { dir } = await prepared();
    const journal = join(dir, 'shard-000.db-journal');
    writeFileSync(journal, Buffer.alloc(100_000, 0x5a));
    expect(await use(dir)).toBe('STORE_FAILED');
    rmSync(journal);
    expect(await use(dir)).toBeUndefined();
  });

  it('are no write-ahead log of this history', async () => {
    const { dir } = await prepared();
    const other = await prepared();
    const database = openDatabase(shardFile(other.dir, 0));
    database.exec('UPDATE events SET payload = payload');
    cpSync(`${shardFile(other.dir, 0)}-wal`, `${shardFile(dir, 0)}-wal`);
    database.close();
    const code = await use(dir);
    expect([undefined, 'STORE_CORRUPT', 'STORE_FAILED']).toContain(code);
  });
});

/** Changes a log as its own program would: with right checksums. */
function edit(dir: string, change: (database: ReturnType<typeof openDatabase>) => void): void {
  const database = openDatabase(shardFile(dir, 0));
  change(database);
  database.close();
}

describe('a log that others have written', () => {
  it('names no payload file outside its folder', async () => {
    const { dir, victim } = await prepared();
    // Removed behind the other, which tells that the removal has passed it.
    const unused = 'f'.repeat(64);
    const hashes = ['../victim.txt', unused];
    const file = new PayloadFiles(shardFile(dir, 0)).locate(unused);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, TEXT);
    edit(dir, (database) => {
      const insert = database.prepare(
        'INSERT INTO payload_files (hash, length, refs, checksum) VALUES (?, ?, 0, ?)',
      );
      for (const hash of hashes)
        insert.run(hash, TEXT.length, payloadChecksum(hash, TEXT.length, 0));
      new MetaTable(database).set({ [PAYLOAD_FILES_COUNT]: hashes.length });
    });
    expect([...verifyDirectory(dir)]).toContainEqual(
      expect.objectContaining({ severity: 'error', message: expect.stringContaining('victim') }),
    );
    expect(() => restore(dir, join(dir, '..', 'to'))).toThrow(
      expect.objectContaining({ code: 'STORE_CORRUPT' }),
    );
    const bus = await openTestBus({ dir });
    await bus.publish({ topic: 'a', type: 't', payload: 'x'.repeat(100) });
    await until('the unused file is removed', () => !existsSync(file));
    await bus.close();
    assertUntouched(victim);
  });

  it.each([
    [
      'a trigger',
      'CREATE TRIGGER x AFTER INSERT ON events BEGIN DELETE FROM events WHERE sequence < new.sequence; END',
    ],
    [
      'a trigger of its totals',
      'CREATE TRIGGER x BEFORE UPDATE ON meta BEGIN SELECT raise(IGNORE); END',
    ],
    ['an index that computes', 'CREATE INDEX x ON events (length(zeroblob(1000000)), payload)'],
    [
      'an index of some events',
      'CREATE INDEX x ON events (sequence) WHERE payload > hex(zeroblob(10000))',
    ],
  ])('has %s, and is refused', async (_, sql) => {
    const { dir } = await prepared();
    edit(dir, (database) => database.exec(sql));
    expect(await use(dir)).toBe('STORE_CORRUPT');
    expect([...verifyDirectory(dir)]).toContainEqual(
      expect.objectContaining({ severity: 'error' }),
    );
    expect(() => restore(dir, join(dir, '..', 'to'))).toThrow(
      expect.objectContaining({ code: 'STORE_CORRUPT' }),
    );
  });

  it('may have views and tables of others, which no statement of ours uses', async () => {
    const { dir } = await prepared();
    edit(dir, (database) =>
      database.exec(
        'CREATE TABLE mine (a); CREATE INDEX mine_a ON mine (a); CREATE VIEW seen AS SELECT * FROM events',
      ),
    );
    expect(await use(dir)).toBeUndefined();
  });
});
