import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { BusError } from '../../../src/protocol/errors.js';
import { createManifest } from '../../../src/store/directory/directory.js';
import { writeManifest } from '../../../src/store/directory/manifest.js';
import { MarkWriter, markFile } from '../../../src/store/directory/mark.js';
import { openForReading, shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { PageReader } from '../../../src/store/sqlite/reading/page-reader.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { INDEX_BLOCK_EVENTS } from '../../../src/store/sqlite/tables/tables.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { temporaryDirectory } from '../directories.js';
import {
  allTopics,
  append,
  describeSqliteLog,
  duplicateOf,
  type LogOptions,
  readAll,
} from './sqlite-log-promises.js';

const files = new WeakMap<object, string>();

function openFile(file: string, options: LogOptions & { maxShardBytes?: number } = {}) {
  const log = new SqliteShardLog({ file, shard: 0, ...options });
  files.set(log, file);
  return log;
}

describeSqliteLog('in a file', {
  open: (options) => openFile(shardFile(temporaryDirectory(), 0), options),
  reopen: (log, options) => {
    log.close();
    return openFile(files.get(log)!, options);
  },
});

describeSqliteLog('in memory', {
  open: (options) => new SqliteShardLog({ file: ':memory:', shard: 0, ...options }),
});

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof BusError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}

function flipBit(file: string, position: number): void {
  const descriptor = openSync(file, 'r+');
  const byte = Buffer.alloc(1);
  readSync(descriptor, byte, 0, 1, position);
  byte[0]! ^= 4;
  writeSync(descriptor, byte, 0, 1, position);
  closeSync(descriptor);
}

/** Copies the files as a killed process would leave them now: database, write-ahead log and mark. */
function copyAsKilled(file: string): string {
  const copy = shardFile(temporaryDirectory(), 0);
  copyFileSync(file, copy);
  copyFileSync(`${file}-wal`, `${copy}-wal`);
  copyFileSync(markFile(file), markFile(copy));
  return copy;
}

function findings(file: string): string[] {
  const dir = join(file, '..');
  writeManifest(dir, createManifest(1));
  return [...verifyDirectory(dir)].map((finding) => finding.message);
}

describe('the SQLite log', () => {
  it('has the same totals, ids, positions and content after a close', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const log = openFile(file, { now: () => 2000 });
    for (let i = 0; i < 100; i++)
      append(log, { topic: `t.${i % 7}`, id: `i-${i}`, flags: 5 }, 1000 + i);
    log.commit(true, [{ endpoint: 'e', position: 1, firstSequence: 1, settled: 0 }]);
    const before = { all: readAll(log), topics: allTopics(log), at: log.lastRecordedAt };
    log.close();
    const again = openFile(file, { now: () => 2000 });
    expect({ all: readAll(again), topics: allTopics(again), at: again.lastRecordedAt }).toEqual(
      before,
    );
    expect(duplicateOf(again, { topic: 't.0', id: 'i-42' })).toBe(43);
    expect(again.ringPositions.stored()).toHaveLength(1);
    expect(again.wentBackwardsFrom).toBeUndefined();
    again.close();
    expect(findings(file)).toEqual([]);
  });

  it('indexes block after block, and loses no count and no id to a crash in between', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const log = openFile(file, { now: () => 1e6, retention: [{ pattern: 't.0', maxEvents: 50 }] });
    const events = Math.floor(INDEX_BLOCK_EVENTS * 10.5);
    for (let i = 0; i < events; i++) {
      const isSupplied = i % 50 === 0;
      append(
        log,
        isSupplied ? { topic: `t.${i % 301}`, id: `i-${i}`, flags: 5 } : { topic: `t.${i % 301}` },
        1e6,
      );
      if (i % 1000 === 999) log.commit(false, []);
      if (i % 30_000 === 29_999) log.pruning.pruneStep(0);
    }
    log.commit(true, []);
    const copy = copyAsKilled(file);
    const crashed = openFile(copy, { now: () => 1e6 });
    expect(new Map(allTopics(crashed).map((one) => [one.name, one]))).toEqual(
      new Map(allTopics(log).map((one) => [one.name, one])),
    );
    const first = { topic: `t.${50 % 301}`, id: 'i-50' };
    expect(duplicateOf(crashed, first)).toBe(51);
    const last = events - (events % 50 || 50);
    expect(duplicateOf(crashed, { topic: `t.${last % 301}`, id: `i-${last}` })).toBe(last + 1);
    crashed.close();
    expect(findings(copy)).toEqual([]);
    while (log.maintain());
    log.close();
    expect(findings(file)).toEqual([]);
  });

  it('keeps every acknowledged event when its process is killed', async () => {
    const file = shardFile(temporaryDirectory(), 0);
    const script = new URL('./append-until-killed.mjs', import.meta.url);
    const child = spawn(process.execPath, [script.pathname, file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let acknowledged = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Number(line);
      if (acknowledged > 3000) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
    const log = openFile(file);
    expect(log.wentBackwardsFrom).toBeUndefined();
    expect(log.head).toBeGreaterThanOrEqual(acknowledged);
    const payloads = readAll(log).map((one) => (one.payload as { n: number }).n);
    expect(payloads).toEqual(Array.from({ length: log.head }, (_, index) => index + 1));
    expect(append(log)).toBe(log.head + 1);
    log.close();
    expect(findings(file)).toEqual([]);
  });

  describe.each([1, 2, 3])('takes a file of format %i', (format) => {
    // 60 events, written by the last version with this format, which kept a mark beside its log. 15 events of `logs.*`
    // were pruned, the last of them 44.
    const { href } = new URL(`./fixtures/format-${format}.db.gz`, import.meta.url);
    const fixture = gunzipSync(readFileSync(fileURLToPath(href)));
    const pruned = Array.from({ length: 15 }, (_, index) => 2 + 3 * index);
    const left = Array.from({ length: 60 }, (_, index) => index + 1).filter(
      (sequence) => !pruned.includes(sequence),
    );
    const older = (): string => {
      const file = shardFile(temporaryDirectory(), 0);
      writeFileSync(file, fixture);
      const mark = new MarkWriter(markFile(file), { syncedHead: 60, epoch: 0, lostHead: 0 });
      mark.write(60, true, 0);
      mark.close();
      return file;
    };

    it('and upgrades it with everything in it', () => {
      const file = older();
      const clock = { now: () => 2000 };
      let log = openFile(file, { ...clock, retention: [{ pattern: 'orders.*', maxEvents: 41 }] });
      expect(readAll(log).map(({ sequence }) => sequence)).toEqual(left);
      expect(duplicateOf(log, { topic: 'orders.new', id: 'id-60' })).toBe(60);
      append(log, { topic: 'orders.new', id: 'y', flags: 5 }, 1070);
      append(log, { topic: 'orders.new' }, 1070);
      log.commit(true, []);
      while (log.pruning.pruneStep(2000));
      log.close();
      log = openFile(file, clock);
      expect(readAll(log).map(({ sequence }) => sequence)).toEqual([...left.slice(1), 61, 62]);
      expect(duplicateOf(log, { topic: 'orders.new', id: 'y' })).toBe(61);
      log.close();
      expect(findings(file)).toEqual([]);
    });

    if (format === 3) {
      it('and keeps the state of its consumers', () => {
        const log = openFile(older());
        expect(log.consumers.load()).toMatchObject([{ consumer: 'c1', position: 7, acked: 5 }]);
        expect(log.consumers.dead('c1', 0, 10)).toMatchObject([{ sequence: 4, attempts: 3 }]);
        log.close();
      });
    }

    it('and reads it unchanged if it may not write', () => {
      const file = older();
      const database = openForReading(file, 0);
      const page = new PageReader(database, file, 0).page({ after: 0, limit: 100 });
      database.close();
      expect(page.count).toBe(45);
      expect(findings(file)).toEqual([]);
    });

    it('but not as whole without its mark, as its manifest says of no head', () => {
      const file = older();
      rmSync(markFile(file));
      expect(findings(file)).toEqual([expect.stringMatching(/nothing says how far it went/)]);
    });

    it('but not with events missing that were not pruned', () => {
      const file = older();
      const database = openDatabase(file);
      database.exec('DELETE FROM events WHERE sequence = 30');
      database.close();
      expect(() => openFile(file)).toThrow(
        format === 1 ? /16 are gone, but only 15 were pruned/ : /30 was never pruned/,
      );
    });

    it('and keeps consumers in it from then on', () => {
      const file = older();
      const lane = { consumer: 'one', lane: 0, round: 1, position: 60, leaseNext: 1, at: 1000 };
      const counts = { acked: 45, redelivered: 0, lost: 0 };
      let log = openFile(file);
      log.consumers.put({ ...lane, ...counts, open: new Uint8Array() });
      log.commit(true, [{ endpoint: 'other', position: 0, firstSequence: 0, settled: 7 }]);
      log.close();
      log = openFile(file);
      expect(log.consumers.load()).toContainEqual(expect.objectContaining({ ...lane, ...counts }));
      expect(log.ringPositions.stored()).toContainEqual({
        endpoint: 'other',
        position: 0,
        firstSequence: 0,
        settled: 7,
      });
      log.close();
      expect(findings(file)).toEqual([]);
    });

    it.each([
      ['from before the upgrade', 30],
      ['from after the upgrade', 61],
    ])('and notices a row %s that stands under another sequence', (_, sequence) => {
      const file = older();
      let log = openFile(file);
      append(log, { topic: 'orders.new' }, 1070);
      log.commit(true, []);
      log.close();
      const database = openDatabase(file);
      database.exec(`UPDATE events SET sequence = 62 WHERE sequence = ${sequence}`);
      database.close();
      expect(() => {
        log = openFile(file);
        readAll(log);
      }).toThrow(expect.objectContaining({ code: 'STORE_CORRUPT' }));
    });
  });

  it('refuses a write-ahead log with a flipped bit before SQLite drops commits behind it', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const log = openFile(file);
    for (let i = 0; i < 20; i++) {
      append(log, { payload: 'x'.repeat(1000) });
      log.commit(true, []);
    }
    const copy = copyAsKilled(file);
    log.close();
    const frameBytes = 24 + 16_384;
    const frames = (statSync(`${copy}-wal`).size - 32) / frameBytes;
    flipBit(`${copy}-wal`, 32 + 12 * frameBytes + 5000);
    let thrown: unknown;
    try {
      openFile(copy);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(BusError);
    expect(thrown).toMatchObject({
      code: 'STORE_CORRUPT',
      details: { file: `${copy}-wal`, frame: 13 },
    });
    const behind = `frame 13 is damaged, and ${frames - 13} frames behind it are not`;
    expect(findings(copy)[0]).toContain(behind);
  });

  it('refuses a write-ahead log whose header has a flipped bit', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const log = openFile(file);
    append(log);
    log.commit(true, []);
    const copy = copyAsKilled(file);
    log.close();
    flipBit(`${copy}-wal`, 17);
    expect(codeOf(() => openFile(copy))).toBe('STORE_CORRUPT');
  });

  it('says that history went backwards when the newest commit is gone', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const log = openFile(file);
    append(log);
    log.commit(true, []);
    append(log);
    log.commit(true, []);
    const copy = copyAsKilled(file);
    log.close();
    // The damaged frame is the last: nothing lies behind it.
    flipBit(`${copy}-wal`, statSync(`${copy}-wal`).size - 100);
    const again = openFile(copy);
    expect([again.head, again.wentBackwardsFrom]).toEqual([1, 2]);
    append(again);
    again.commit(true, []);
    append(again);
    again.commit(true, []);
    again.close();
    const third = openFile(copy);
    expect(third.wentBackwardsFrom).toBeUndefined();
    third.close();
  });

  it('goes on after a roll-back has left frames in the write-ahead log', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const log = openFile(file);
    append(log);
    log.commit(true, []);
    // More than the page cache holds, so that SQLite writes frames before the commit.
    for (let i = 0; i < 40; i++) append(log, { payload: 'x'.repeat(1_000_000) });
    log.rollback();
    append(log);
    log.commit(true, []);
    const copy = copyAsKilled(file);
    log.close();
    const again = openFile(copy);
    expect(again.head).toBe(2);
    again.close();
    expect(findings(copy)).toEqual([]);
  });

  it('says which event is damaged when a bit of its row is flipped', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const log = openFile(file);
    for (let i = 0; i < 10; i++) append(log, { payload: { marker: `marker-${i}-marker` } });
    log.commit(true, []);
    log.close();
    const database = openDatabase(file);
    database.exec(
      `UPDATE events SET payload = CAST(replace(payload, 'marker-6', 'marker-7') AS BLOB)`,
    );
    database.close();
    const again = openFile(file);
    let thrown: unknown;
    try {
      readAll(again);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'STORE_CORRUPT', details: { shard: 0, sequence: 7 } });
    again.close();
    expect(findings(file)).toEqual([expect.stringContaining('event 7 is damaged')]);
  });

  it('refuses a batch when it is full, loses nothing, and goes on once there is room', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const options = { maxShardBytes: 1_000_000, retention: [{ maxEvents: 10 }] };
    const log = openFile(file, options);
    let committed = 0;
    const fill = (): void => {
      for (;;) {
        for (let i = 0; i < 20; i++)
          append(log, { topic: `t.${committed + i}`, payload: 'x'.repeat(3000) });
        log.commit(true, [
          { endpoint: 'e', position: committed, firstSequence: log.head + 1, settled: 0 },
        ]);
        committed += 20;
      }
    };
    expect(codeOf(fill)).toBe('STORE_FULL');
    expect(log.head).toBe(committed);
    expect(codeOf(fill)).toBe('STORE_FULL');
    expect(readAll(log)).toHaveLength(committed);
    expect(allTopics(log)).toHaveLength(committed);
    expect(log.ringPositions.stored()[0]?.position).toBe(committed - 20);
    pruneUntilDone(log);
    append(log, { topic: 'after', payload: 'y'.repeat(3000) });
    log.commit(true, []);
    expect(log.head).toBe(committed + 1);
    const before = allTopics(log);
    log.close();
    const again = openFile(file, options);
    expect(allTopics(again)).toEqual(before);
    again.close();
    expect(findings(file)).toEqual([]);
  });

  it('refuses a batch of more events than the index can take', () => {
    const log = openFile(shardFile(temporaryDirectory(), 0));
    const tooMany = (): void => {
      for (let i = 0; i <= INDEX_BLOCK_EVENTS / 2; i++) append(log);
    };
    expect(codeOf(tooMany)).toBe('LIMIT_EXCEEDED');
    log.close();
  });

  it('refuses the file of another shard and a file that is not a database', () => {
    const dir = temporaryDirectory();
    openFile(shardFile(dir, 0)).close();
    expect(codeOf(() => new SqliteShardLog({ file: shardFile(dir, 0), shard: 1 }))).toBe(
      'STORE_CORRUPT',
    );
    copyFileSync(new URL(import.meta.url).pathname, shardFile(dir, 3));
    expect(codeOf(() => openFile(shardFile(dir, 3)))).toBe('STORE_CORRUPT');
  });

  it('keeps every connection flushing each synced commit', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const log = openFile(file);
    append(log);
    log.commit(true, []);
    log.close();
    const database = openDatabase(file, { readonly: true });
    expect(database.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(database.pragma('page_size', { simple: true })).toBe(16_384);
    const rows = database.prepare('SELECT * FROM event_view').all();
    expect(rows).toEqual([
      {
        sequence: 1,
        time: '1970-01-01 00:00:01.000',
        topic: 'test.topic',
        type: 'test_type',
        source: 'tester',
        id: expect.any(String),
        correlation: null,
        attributes: null,
        payload: '{"n":1}',
      },
    ]);
    database.close();
  });
});

function pruneUntilDone(log: SqliteShardLog): void {
  while (log.pruning.pruneStep(0));
}
