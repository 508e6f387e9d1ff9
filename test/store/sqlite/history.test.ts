import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { EVENT_FLAG_PERSIST, EVENT_FLAG_SYNCED } from '../../../src/record/event-record.js';
import { endNew, newEpoch, openManifest } from '../../../src/store/directory/directory.js';
import {
  type Manifest,
  readManifest,
  writeManifest,
} from '../../../src/store/directory/manifest.js';
import { type Mark, MarkWriter, markFile, readMark } from '../../../src/store/directory/mark.js';
import { readUnflushedLimit, unflushedFile } from '../../../src/store/directory/unflushed-limit.js';
import {
  type LogIdentity,
  takeIntoUse,
} from '../../../src/store/sqlite/connection/log-identity.js';
import {
  openForWriting,
  PAGE_BYTES,
  shardFile,
} from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { continueHistory } from '../../../src/store/sqlite/history.js';
import { identityOf } from '../../../src/store/sqlite/log-state.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { temporaryDirectory } from '../directories.js';
import { record } from '../records.js';

const SHARDS = 2;

function open(dir: string, manifest: Manifest, shard = 0): SqliteShardLog {
  return new SqliteShardLog({ file: shardFile(dir, shard), shard, identity: identityOf(manifest) });
}

function append(log: SqliteShardLog, batches: number, synced: boolean): void {
  const flags = EVENT_FLAG_PERSIST | (synced ? EVENT_FLAG_SYNCED : 0);
  for (let batch = 0; batch < batches; batch++) {
    log.append(record({ topic: `t.${batch % 3}`, flags }), 0, 1000 + batch);
    log.commit(synced, []);
  }
}

/** A directory as a killed process leaves it: batches of one event, the first of them flushed, the others not. */
function killed(synced: number, written: number): { dir: string; manifest: Manifest } {
  const dir = temporaryDirectory();
  const live = join(dir, 'live');
  const left = join(dir, 'left');
  const made = openManifest(live, { shards: SHARDS, defaultShards: 1 });
  const logs = [0, 1].map((shard) => open(live, made, shard));
  const manifest = endNew(live, made);
  for (const log of logs) {
    append(log, synced, true);
    append(log, written, false);
  }
  cpSync(live, left, { recursive: true });
  for (const log of logs) log.close();
  return { dir: left, manifest };
}

/** A directory as the end of a process's threads leaves it: SQLite has copied the write-ahead logs, all are open. */
function copied(): { dir: string; manifest: Manifest } {
  const left = killed(3, 2);
  for (let shard = 0; shard < SHARDS; shard++) {
    const database = openDatabase(shardFile(left.dir, shard));
    database.prepare('SELECT count(*) FROM events').get();
    database.close();
    expect(existsSync(walOf(left.dir, shard))).toBe(false);
  }
  return left;
}

/** Writes the first shard's mark anew. */
function remark(dir: string, change: (mark: Mark) => Mark): void {
  const file = markFile(shardFile(dir, 0));
  const { head, syncedHead, epoch, walFrames } = change(readMark(file)!);
  const writer = new MarkWriter(file, { syncedHead, epoch, lostHead: 0 });
  writer.write(head, false, walFrames);
  writer.close();
  // Only what was changed may decide.
  utimesSync(file, 1, 1);
}

/** Makes the mark one of an earlier boot. */
function reboot(dir: string): void {
  for (let shard = 0; shard < SHARDS; shard++) {
    const file = markFile(shardFile(dir, shard));
    const bytes = readFileSync(file);
    bytes[16]! ^= 1;
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 36)), 36);
    writeFileSync(file, bytes);
  }
}

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

const walOf = (dir: string, shard = 0) => `${shardFile(dir, shard)}-wal`;
const WAL_FRAME = 24 + 16 * 1024;
const errors = (dir: string) =>
  [...verifyDirectory(dir)]
    .filter(({ severity }) => severity === 'error')
    .map((one) => one.message);
const reasonOf = (dir: string, manifest: Manifest) =>
  continueHistory(dir, manifest).earlier.at(-1)?.reason;

describe('after the death of the process', () => {
  it('the history goes on, flushed or not', () => {
    const { dir, manifest } = killed(3, 20);
    expect(continueHistory(dir, manifest)).toEqual(manifest);
    expect(errors(dir)).toEqual([]);
    const log = open(dir, manifest);
    expect([log.head, log.wentBackwardsFrom]).toEqual([23, undefined]);
    log.close();
  });

  it('a write-ahead log that is cut short ends the epoch', () => {
    const { dir, manifest } = killed(5, 0);
    truncateSync(walOf(dir), 32 + 3 * WAL_FRAME);
    expect(errors(dir)).not.toEqual([]);
    expect(reasonOf(dir, manifest)).toMatch(/it was committed up to 5/);
  });

  it('transactions behind a damaged frame end the epoch, whatever an older mark says', () => {
    const { dir, manifest } = killed(20, 0);
    const file = markFile(shardFile(dir, 0));
    const writer = new MarkWriter(file, { ...readMark(file)!, lostHead: 0 });
    writer.write(1, true, 1);
    writer.close();
    const bytes = readFileSync(walOf(dir));
    bytes[32 + 12 * WAL_FRAME + 5000]! ^= 1;
    writeFileSync(walOf(dir), bytes);
    expect(reasonOf(dir, manifest)).toMatch(/transactions lie behind a damaged frame/);
  });

  it.each<[string, (file: string) => void]>([
    ['gone', (file) => rmSync(file)],
    ['empty', (file) => truncateSync(file, 0)],
    [
      'damaged',
      (file) =>
        writeFileSync(
          file,
          readFileSync(file).map((byte, at) => byte ^ +(at === 3)),
        ),
    ],
  ])(
    'a write-ahead log that is cut between two commits ends the epoch, with the mark %s',
    (_, change) => {
      const { dir, manifest } = killed(5, 0);
      truncateSync(walOf(dir), 32 + 3 * WAL_FRAME);
      change(markFile(shardFile(dir, 0)));
      expect(errors(dir)).toEqual([expect.stringMatching(/nothing says how far it went/)]);
      expect(reasonOf(dir, manifest)).toMatch(/nothing says how far it went/);
    },
  );

  it('the loss of both the write-ahead log and the mark ends the epoch', () => {
    const { dir, manifest } = killed(5, 0);
    for (const file of [walOf(dir), markFile(shardFile(dir, 0))]) rmSync(file);
    expect(errors(dir)).toEqual([expect.stringMatching(/its write-ahead log is gone/)]);
    expect(reasonOf(dir, manifest)).toMatch(/its write-ahead log is gone/);
  });

  it('the history goes on where SQLite has copied the write-ahead log and removed it', () => {
    const { dir, manifest } = copied();
    expect(continueHistory(dir, manifest)).toEqual(manifest);
    expect(errors(dir)).toEqual([]);
  });

  it.each<[string, (dir: string) => void]>([
    ['the file is older than the mark', (dir) => utimesSync(shardFile(dir, 0), 1, 1)],
    ['the mark is of an earlier boot', reboot],
    ['the mark is gone', (dir) => rmSync(markFile(shardFile(dir, 0)))],
    ['the mark counts fewer events', (dir) => remark(dir, (mark) => ({ ...mark, head: 4 }))],
    ['the mark is of another epoch', (dir) => remark(dir, (mark) => ({ ...mark, epoch: 17 }))],
  ])('a missing write-ahead log ends the epoch if %s', (_, change) => {
    const { dir, manifest } = copied();
    change(dir);
    expect(reasonOf(dir, manifest)).toMatch(/its write-ahead log is gone/);
  });

  it.each(['SIGKILL', 'a close'])(
    'a loss is still found after an opening that ended by %s',
    (end) => {
      const { dir, manifest } = killed(5, 0);
      truncateSync(walOf(dir), 32 + 3 * WAL_FRAME);
      const log = open(dir, manifest);
      expect(log.wentBackwardsFrom).toBe(5);
      log.pruning.pruneStep(0);
      if (end === 'a close') log.close();
      expect(reasonOf(dir, manifest)).toMatch(/it was committed up to 5/);
      log.close();
    },
  );
});

/** A new directory of one shard, and its log at the first opening. */
function made(maxShardBytes?: number): { dir: string; manifest: Manifest; log: SqliteShardLog } {
  const dir = join(temporaryDirectory(), 'data');
  const first = openManifest(dir, { shards: 1, defaultShards: 1 });
  const options = maxShardBytes === undefined ? {} : { maxShardBytes };
  const identity = identityOf(first);
  const log = new SqliteShardLog({ file: shardFile(dir, 0), shard: 0, identity, ...options });
  return { dir, manifest: endNew(dir, first), log };
}

/** Two shards, closed. No heads were kept, as where the process died before it could write its manifest. */
function closed(): { dir: string; manifest: Manifest } {
  const left = killed(3, 2);
  for (let shard = 0; shard < SHARDS; shard++) open(left.dir, left.manifest, shard).close();
  return left;
}

/** Puts the first log back from a copy that was made before more events were stored, the log being closed each time. */
function putBack({ dir, manifest }: { dir: string; manifest: Manifest }): void {
  const older = join(temporaryDirectory(), 'older.db');
  cpSync(shardFile(dir, 0), older);
  const log = open(dir, manifest);
  append(log, 4, true);
  log.close();
  expect(existsSync(walOf(dir))).toBe(false);
  cpSync(older, shardFile(dir, 0));
}

const MARKS: [string, (file: string) => void][] = [
  ['gone', (file) => rmSync(file)],
  ['zeroed', (file) => writeFileSync(file, Buffer.alloc(readFileSync(file).length))],
  ['of another epoch', (file) => reepoch(file)],
];

function reepoch(file: string): void {
  const writer = new MarkWriter(file, { ...readMark(file)!, epoch: 17, lostHead: 0 });
  writer.write(0, true, 0);
  writer.close();
}

describe.each(MARKS)('with the mark %s', (_, change) => {
  const changeMark = (dir: string) => change(markFile(shardFile(dir, 0)));

  it('an older copy of a closed log ends the epoch', () => {
    const { dir, manifest } = closed();
    putBack({ dir, manifest });
    changeMark(dir);
    expect(errors(dir)).toEqual([expect.stringMatching(/ends at 5: .*how far it went/)]);
    expect(reasonOf(dir, manifest)).toMatch(/shard 0 ends at 5: .*how far it went/);
  });

  it('a closed log with the head that the manifest kept goes on in its epoch', () => {
    const { dir, manifest } = closed();
    changeMark(dir);
    const kept = { ...manifest, heads: [5, 5] };
    writeManifest(dir, kept);
    expect(errors(dir)).toEqual([]);
    expect(continueHistory(dir, kept)).toEqual(kept);
  });

  it('a closed log with more events than the manifest knows of ends the epoch', () => {
    const { dir, manifest } = closed();
    putBack({ dir, manifest });
    changeMark(dir);
    expect(reasonOf(dir, { ...manifest, heads: [4, 5] })).toMatch(/how far it went/);
  });

  it('a new log that holds nothing is whole', () => {
    const dir = temporaryDirectory();
    const manifest = openManifest(dir, { shards: 1, defaultShards: 1 });
    open(dir, manifest).close();
    changeMark(dir);
    expect(errors(dir)).toEqual([]);
    expect(continueHistory(dir, manifest)).toEqual(manifest);
  });
});

describe('a mark of another epoch', () => {
  it('says nothing of a write-ahead log that was cut between two commits', () => {
    const { dir, manifest } = killed(5, 0);
    truncateSync(walOf(dir), 32 + 3 * WAL_FRAME);
    reepoch(markFile(shardFile(dir, 0)));
    expect(reasonOf(dir, manifest)).toMatch(/how far it went/);
  });

  it('is left by a process that died as the epoch began, and the epoch goes on', () => {
    const { dir, manifest } = killed(5, 0);
    const next = newEpoch(dir, manifest, 'test', [5, 5]);
    // The process dies between taking the log into use and its first mark.
    const mark = markFile(shardFile(dir, 0));
    const earlier = readFileSync(mark);
    const log = open(dir, next);
    const left = join(temporaryDirectory(), 'left');
    cpSync(dir, left, { recursive: true });
    writeFileSync(markFile(shardFile(left, 0)), earlier);
    log.close();
    expect(errors(left)).toEqual([]);
    expect(continueHistory(left, next)).toEqual(next);
  });

  it('is replaced on the disk when the epoch begins', () => {
    const { dir, manifest } = killed(5, 0);
    const flush = vi.spyOn(MarkWriter.prototype, 'flush');
    onTestFinished(() => flush.mockRestore());
    open(dir, manifest).close();
    expect(flush).not.toHaveBeenCalled();
    open(dir, newEpoch(dir, manifest, 'test', [5, 5])).close();
    expect(flush).toHaveBeenCalledOnce();
  });
});

describe('after nothing worse than a failed close or opening', () => {
  it('the history goes on if the close had no room for the totals', () => {
    const { dir, manifest, log } = made(512 * 1024);
    // Each event has its own topic, so that the totals need more pages than there are.
    const fill = (): void => {
      for (let n = 0; ; n++) {
        log.append(record({ topic: `topic.${n}` }), 0, 1000);
        if (n % 16 === 15) log.commit(true, []);
      }
    };
    expect(fill).toThrow(/full/);
    const { head } = log;
    log.close();
    expect(continueHistory(dir, manifest)).toEqual(manifest);
    expect(errors(dir)).toEqual([]);
    const again = open(dir, manifest);
    expect([again.head, again.topic('topic.0')?.events]).toEqual([head, 1]);
    again.close();
  });

  it('the history goes on if an opening failed', () => {
    const { dir, manifest, log } = made();
    append(log, 5, true);
    log.close();
    const reserve = join(dir, 'shard-000.reserve');
    rmSync(reserve);
    mkdirSync(reserve);
    expect(() => open(dir, manifest)).toThrow(/EISDIR/);
    rmSync(reserve, { recursive: true });
    expect(continueHistory(dir, manifest)).toEqual(manifest);
    const again = open(dir, manifest);
    expect(again.head).toBe(5);
    again.close();
  });
});

describe('after a power cut', () => {
  it('flushed commits go on in their epoch', () => {
    const { dir, manifest } = killed(20, 0);
    reboot(dir);
    expect(continueHistory(dir, manifest)).toEqual(manifest);
  });

  it.each([
    ['there', () => {}],
    ['absent', (dir: string) => rmSync(markFile(shardFile(dir, 0)))],
  ])('unflushed commits end the epoch, with the mark %s', (_, change) => {
    const { dir, manifest } = killed(3, 20);
    reboot(dir);
    change(dir);
    expect(reasonOf(dir, manifest)).toMatch(/the power may have failed/);
  });

  it('a torn write-ahead log counts up to its last whole commit if commits were unflushed', () => {
    const { dir, manifest } = killed(3, 20);
    reboot(dir);
    const bytes = readFileSync(walOf(dir));
    const frames = Math.floor((bytes.length - 32) / WAL_FRAME);
    bytes.fill(0, 32 + (frames - 12) * WAL_FRAME, 32 + (frames - 12) * WAL_FRAME + 4096);
    writeFileSync(walOf(dir), bytes);
    const next = continueHistory(dir, manifest);
    expect(next.epoch).not.toBe(manifest.epoch);
    const log = open(dir, next);
    expect(log.head).toBe(next.earlier[0]!.heads[0]);
    expect(log.head).toBeGreaterThan(3);
    append(log, 2, true);
    log.close();
    expect(errors(dir)).toEqual([]);
  });

  it('damage among flushed commits is refused', () => {
    const { dir, manifest } = killed(20, 0);
    reboot(dir);
    const bytes = readFileSync(walOf(dir));
    bytes[32 + 8 * WAL_FRAME + 5000]! ^= 1;
    writeFileSync(walOf(dir), bytes);
    expect(() => continueHistory(dir, manifest)).toThrow(/frame \d+ is damaged/);
  });

  it.each([
    ['closed', (log: SqliteShardLog) => log.close()],
    ['killed', () => {}],
  ])('the epoch goes on if all was flushed when the log was %s and opened again', (_, end) => {
    const { dir, manifest } = killed(3, 20);
    open(dir, manifest, 1).close();
    const log = open(dir, manifest);
    append(log, 10, false);
    end(log);
    const again = open(dir, manifest);
    append(again, 1, true);
    const left = join(temporaryDirectory(), 'left');
    cpSync(dir, left, { recursive: true });
    again.close();
    log.close();
    reboot(left);
    expect(continueHistory(left, manifest)).toEqual(manifest);
  });

  it('a close resets the unflushed limit', () => {
    const { dir, manifest } = killed(3, 20);
    open(dir, manifest).close();
    expect(readUnflushedLimit(shardFile(dir, 0))).toMatchObject({ through: 0 });
  });

  it('a torn unflushed limit counts as the highest, and the next opening resets it', () => {
    const { dir, manifest } = killed(3, 20);
    reboot(dir);
    writeFileSync(unflushedFile(shardFile(dir, 0)), Buffer.alloc(20, 7));
    const next = continueHistory(dir, manifest);
    expect(next.earlier.at(-1)?.reason).toMatch(/the power may have failed/);
    open(dir, next).close();
    expect(readUnflushedLimit(shardFile(dir, 0))).toMatchObject({ through: 0 });
  });
});

describe('a log', () => {
  it('is refused if it is missing', () => {
    const { dir, manifest } = killed(5, 0);
    for (const file of [shardFile(dir, 1), walOf(dir, 1), markFile(shardFile(dir, 1))])
      rmSync(file);
    expect(() => continueHistory(dir, manifest)).toThrow(/shard-001.db: it is missing/);
    expect(errors(dir)).toEqual([expect.stringMatching(/it is missing/)]);
    expect(() => open(dir, manifest, 1)).toThrow(/it is missing or empty/);
  });

  it('is refused with a code if SQLite cannot read its pages', () => {
    const { dir, manifest } = killed(5, 0);
    const log = open(dir, manifest);
    log.close();
    const file = shardFile(dir, 0);
    const database = openDatabase(file, { readonly: true, fileMustExist: true });
    const root = database
      .prepare<[], number>("SELECT rootpage FROM sqlite_schema WHERE name = 'events'")
      .pluck()
      .get();
    database.close();
    const bytes = readFileSync(file);
    bytes.fill(0xff, (root! - 1) * PAGE_BYTES, root! * PAGE_BYTES);
    writeFileSync(file, bytes);
    expect(thrownBy(() => continueHistory(dir, manifest))).toMatchObject({
      code: 'STORE_CORRUPT',
      details: { file },
    });
  });

  it('is refused if it belongs to another directory or another shard', () => {
    const { dir, manifest } = killed(5, 0);
    const other = killed(5, 0);
    cpSync(shardFile(other.dir, 0), shardFile(dir, 0));
    cpSync(walOf(other.dir), walOf(dir));
    expect(() => continueHistory(dir, manifest)).toThrow(/the log of another directory/);
    cpSync(shardFile(other.dir, 1), shardFile(dir, 0));
    cpSync(walOf(other.dir, 1), walOf(dir));
    expect(() => continueHistory(dir, manifest)).toThrow(/the log of shard 1/);
  });

  it('is refused if it belongs to an earlier epoch, unless it ends where that one ended', () => {
    const { dir, manifest } = killed(5, 0);
    const next = newEpoch(dir, manifest, 'test', [5, 5]);
    expect(continueHistory(dir, next)).toEqual(next);
    const shorter = newEpoch(dir, manifest, 'test', [4, 5]);
    expect(() => continueHistory(dir, shorter)).toThrow(/of another history/);
  });

  it('ends the epoch if it was put back whole from before the last close', () => {
    const { dir, manifest } = killed(5, 0);
    const closed = { ...manifest, heads: [9, 5] };
    expect(reasonOf(dir, closed)).toMatch(/shard 0 ends at 5: it was committed up to 9/);
  });
});

describe('a manifest', () => {
  it('is refused with any one bit changed', () => {
    const { dir } = killed(1, 0);
    const file = join(dir, 'manifest.json');
    const sound = readFileSync(file);
    const manifest = readManifest(dir);
    for (let bit = 0; bit < sound.length * 8; bit++) {
      const bytes = Buffer.from(sound);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      writeFileSync(file, bytes);
      let found: unknown;
      try {
        found = readManifest(dir);
      } catch (error) {
        expect(error).toMatchObject({ code: 'STORE_CORRUPT' });
        continue;
      }
      // The bit only changed white space between the fields.
      expect(found).toEqual(manifest);
    }
  });
});

describe('a directory whose first opening was killed', () => {
  it.each([
    ['before its log existed', () => {}],
    ['before its log had a byte', (file: string) => writeFileSync(file, '')],
    [
      'while SQLite made its log in a journal',
      (file: string) => {
        openDatabase(file).exec('PRAGMA journal_mode = PERSIST; CREATE TABLE t (x)').close();
      },
    ],
    [
      'before its log had tables',
      (file: string) => {
        const database = openDatabase(file);
        database.pragma('journal_mode = WAL');
        database.exec('VACUUM').close();
      },
    ],
    [
      'before its log had a mark',
      (file: string, identity: LogIdentity) => {
        const database = openForWriting(file, 0, { identity });
        takeIntoUse(database, identity);
        database.close();
      },
    ],
  ])('%s, is sound and can be opened', (_, leave) => {
    const dir = temporaryDirectory();
    const manifest = openManifest(dir, { shards: 1, defaultShards: 1 });
    leave(shardFile(dir, 0), identityOf(manifest));
    expect(errors(dir)).toEqual([]);
    expect(continueHistory(dir, manifest)).toEqual(manifest);
  });
});
