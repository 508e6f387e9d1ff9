import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { KIB } from '../../../../src/protocol/limits/units.js';
import { openManifest } from '../../../../src/store/directory/directory.js';
import { hashOfPayload, PayloadFiles } from '../../../../src/store/directory/payload-files.js';
import { openForReading, shardFile } from '../../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../../src/store/sqlite/driver/driver.js';
import { PageReader } from '../../../../src/store/sqlite/reading/page-reader.js';
import type { SqliteShardLogOptions } from '../../../../src/store/sqlite/sqlite-log-options.js';
import { SqliteShardLog } from '../../../../src/store/sqlite/sqlite-shard-log.js';
import { verifyDirectory } from '../../../../src/store/upkeep/verify.js';
import { eventOf } from '../../../../src/testing/events.js';
import { expectBusError } from '../../../bus/support/failures.js';
import { temporaryDirectory } from '../../directories.js';
import { record } from '../../records.js';

const OVER = 1000;
const LARGE = 'é'.repeat(1000);

type Options = Partial<SqliteShardLogOptions>;

function directory(): string {
  const dir = temporaryDirectory();
  openManifest(dir, { shards: 1, defaultShards: 1 });
  return dir;
}

function open(dir: string, options: Options = {}): SqliteShardLog {
  return new SqliteShardLog({
    file: shardFile(dir, 0),
    shard: 0,
    claimCheckBytes: OVER,
    ...options,
  });
}

/** A log with these payloads. */
function logOf(
  payloads: readonly unknown[],
  options: Options = {},
): { dir: string; log: SqliteShardLog } {
  const dir = directory();
  const log = open(dir, options);
  publish(log, payloads);
  return { dir, log };
}

function publish(log: SqliteShardLog, payloads: readonly unknown[]): void {
  for (const payload of payloads) log.append(record({ payload, id: `id-${log.head}-x` }), 0, 1000);
  log.commit(true, []);
}

function payloadsOf(log: SqliteShardLog): unknown[] {
  const found: unknown[] = [];
  log.read({ after: 0, limit: 1000 }, (stored) => {
    found.push(eventOf(stored).payload);
    return true;
  });
  return found;
}

function fileOf(dir: string, payload: unknown): string {
  const files = new PayloadFiles(shardFile(dir, 0));
  return files.locate(hashOfPayload(Buffer.from(JSON.stringify(payload))));
}

function prune(log: SqliteShardLog, events: number): number {
  const request = { pattern: '*', excessEvents: events, excessBytes: 0, after: 0 };
  return log.pruning.prune(request).bytes;
}

function findings(dir: string): string[] {
  return [...verifyDirectory(dir)].map(({ severity, message }) => `${severity}: ${message}`);
}

function failureOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Changes the file behind the log's back. */
function alter(dir: string, sql: string): void {
  const database = openDatabase(shardFile(dir, 0));
  database.exec(sql);
  database.close();
}

describe('a payload in a file', () => {
  it('is one over the limit, as the publisher wrote it, and its row has a reference', () => {
    const exact = 'x'.repeat(OVER - 2);
    const { dir, log } = logOf([exact, `${exact}x`, LARGE]);
    expect(payloadsOf(log)).toEqual([exact, `${exact}x`, LARGE]);
    expect(existsSync(fileOf(dir, exact))).toBe(false);
    expect(readFileSync(fileOf(dir, `${exact}x`), 'utf8')).toBe(`"${exact}x"`);
    log.close();
    const database = openForReading(shardFile(dir, 0), 0);
    const shown = database
      .prepare('SELECT payload FROM event_view WHERE sequence = 3')
      .pluck()
      .get();
    expect(shown).toMatch(/^sha256:[0-9a-f]{64}:2002$/);
    database.close();
    expect(findings(dir)).toEqual([]);
  });

  it('is shared by events with equal payloads, and goes with the last of them', () => {
    const { dir, log } = logOf([LARGE, 'small', LARGE]);
    prune(log, 2);
    while (log.maintain());
    expect(payloadsOf(log)).toEqual([LARGE]);
    expect(existsSync(fileOf(dir, LARGE))).toBe(true);
    prune(log, 1);
    expect(existsSync(fileOf(dir, LARGE))).toBe(true);
    while (log.maintain());
    expect(existsSync(fileOf(dir, LARGE))).toBe(false);
    log.close();
    expect(findings(dir)).toEqual([]);
  });

  it('is read by a log whose option is off, which also removes it', () => {
    const { dir, log } = logOf([LARGE]);
    log.close();
    const again = open(dir, { claimCheckBytes: Number.POSITIVE_INFINITY });
    publish(again, [LARGE]);
    expect(payloadsOf(again)).toEqual([LARGE, LARGE]);
    prune(again, 1);
    while (again.maintain());
    expect(existsSync(fileOf(dir, LARGE))).toBe(false);
    expect(payloadsOf(again)).toEqual([LARGE]);
    again.close();
    expect(findings(dir)).toEqual([]);
  });

  it('is not made by a log in memory', () => {
    const log = new SqliteShardLog({ file: ':memory:', shard: 0, claimCheckBytes: OVER });
    publish(log, [LARGE]);
    expect(payloadsOf(log)).toEqual([LARGE]);
    while (log.maintain());
    log.close();
    expect(existsSync(new PayloadFiles(':memory:').dir)).toBe(false);
  });

  it('counts in the totals, for retention, and in what a removal says', () => {
    const { dir, log } = logOf([LARGE, LARGE, LARGE], { retention: [{ maxBytes: 5000 }] });
    const { bytes } = log.pruning.totals('*');
    expect(bytes).toBeGreaterThan(3 * 2002);
    expect(log.pruning.pruneStep(1000)).toBe(false);
    expect(payloadsOf(log)).toHaveLength(2);
    expect(log.pruning.totals('*').bytes).toBeCloseTo((2 * bytes) / 3, 5);
    // As if the process had died: the next opening adds the totals up from the rows.
    const copy = temporaryDirectory();
    for (const name of readdirSync(dir)) {
      if (name.startsWith('shard-000.db'))
        writeFileSync(join(copy, name), readFileSync(join(dir, name)));
    }
    const again = open(copy);
    expect(again.pruning.totals('*').bytes).toBeCloseTo((2 * bytes) / 3, 5);
    again.close();
    expect(prune(log, 2)).toBeCloseTo((2 * bytes) / 3, 5);
    log.close();
  });
});

describe('damage of a payload file', () => {
  it('is told with the event and the file, and leaves other events alone', () => {
    const { dir, log } = logOf([LARGE, 'small', `${LARGE}2`]);
    const file = fileOf(dir, LARGE);
    writeFileSync(file, readFileSync(file, 'utf8').replace('é', 'è'));
    const error = expectBusError(
      failureOf(() => payloadsOf(log)),
      'STORE_CORRUPT',
    );
    expect(error.message).toContain(file);
    expect(error.details).toMatchObject({ sequence: 1, shard: 0, payloadFile: file });
    const rest: unknown[] = [];
    log.read({ after: 1, limit: 10 }, (stored) => void rest.push(eventOf(stored).payload));
    expect(rest).toEqual(['small', `${LARGE}2`]);
    log.close();
    expect(findings(dir)).toHaveLength(1);
    expect(findings(dir)[0]).toContain(`its payload ${file}: its bytes do not have the SHA-256`);
  });

  it('stops neither retention nor what follows', () => {
    const { dir, log } = logOf([LARGE, 'small']);
    rmSync(fileOf(dir, LARGE));
    expect(findings(dir)[0]).toMatch(/error: .*event 1 is damaged: its payload .* it is missing/);
    prune(log, 1);
    while (log.maintain());
    publish(log, [LARGE]);
    expect(payloadsOf(log)).toEqual(['small', LARGE]);
    log.close();
    expect(findings(dir)).toEqual([]);
  });

  it('in the table is found by verify, and keeps the file', () => {
    const { dir, log } = logOf([LARGE, LARGE]);
    log.close();
    alter(dir, 'UPDATE payload_files SET refs = 0');
    expect(findings(dir)[0]).toMatch(/the row of payload file [0-9a-f]{64} is damaged/);
    const again = open(dir);
    while (again.maintain());
    expect(payloadsOf(again)).toEqual([LARGE, LARGE]);
    // A payload whose file is in doubt stays in its row; nothing is removed that the table does not count.
    publish(again, [LARGE]);
    expect(payloadsOf(again)).toEqual([LARGE, LARGE, LARGE]);
    expectBusError(
      failureOf(() => prune(again, 1)),
      'STORE_CORRUPT',
    );
    expect(payloadsOf(again)).toHaveLength(3);
    again.close();
  });

  it('that loses a row of the table is found at the opening', () => {
    const { dir, log } = logOf([LARGE]);
    log.close();
    alter(dir, 'DELETE FROM payload_files');
    expect(findings(dir).join()).toMatch(/lacks [0-9a-f]{64}, to which 1 events refer/);
    expectBusError(
      failureOf(() => open(dir)),
      'STORE_CORRUPT',
      'payload_files',
    );
  });

  it('in a reference is damage of the row', () => {
    const { dir, log } = logOf([LARGE]);
    log.close();
    for (const text of [
      'sha256:',
      'x',
      `sha256:${'0'.repeat(64)}:99999999999`,
      `sha256:${'0'.repeat(64)}:2002`,
    ]) {
      alter(dir, `UPDATE events SET payload = CAST('${text}' AS BLOB)`);
      expect(findings(dir).join()).toMatch(
        /event 1 is damaged: its (payload is no reference|checksum)/,
      );
    }
  });
});

describe('files that no event refers to', () => {
  it('are noted by verify, and removed after the next opening', () => {
    const { dir, log } = logOf([LARGE]);
    log.close();
    const orphans = new PayloadFiles(shardFile(dir, 0));
    const hash = hashOfPayload(Buffer.from('orphan'));
    orphans.write(hash, Buffer.from('orphan'));
    writeFileSync(`${orphans.locate(hash)}.new`, 'half');
    expect(findings(dir)).toEqual([
      expect.stringMatching(/^note: 2 files that no event refers to/),
    ]);
    const again = open(dir);
    while (again.maintain());
    expect([...orphans.list()]).toHaveLength(1);
    again.close();
    expect(findings(dir)).toEqual([]);
  });

  it('stay while a copy is made, and go afterwards', () => {
    const payloadHolds = new Int32Array(new SharedArrayBuffer(4));
    const { dir, log } = logOf([LARGE], { payloadHolds });
    payloadHolds[0] = 1;
    prune(log, 1);
    while (log.maintain());
    expect(existsSync(fileOf(dir, LARGE))).toBe(true);
    payloadHolds[0] = 0;
    while (log.maintain());
    expect(existsSync(fileOf(dir, LARGE))).toBe(false);
    log.close();
  });

  it('that cannot be removed are left, and the log goes on', () => {
    const { dir, log } = logOf([LARGE, 'small']);
    const file = fileOf(dir, LARGE);
    rmSync(file);
    mkdirSync(file);
    prune(log, 1);
    while (log.maintain());
    expect(statSync(file).isDirectory()).toBe(true);
    publish(log, ['more']);
    expect(payloadsOf(log)).toEqual(['small', 'more']);
    log.close();
    rmSync(dirname(file), { recursive: true });
    const again = open(dir);
    while (again.maintain());
    again.close();
    expect(findings(dir)).toEqual([]);
  });
});

describe('a reader', () => {
  it('that misses the file of a pruned event looks again', () => {
    const { dir, log } = logOf([LARGE, 'small']);
    const database = openForReading(shardFile(dir, 0), 0);
    const reader = new PageReader(database, shardFile(dir, 0), 0);
    // The event goes between the moment that the reader sees and its look at the file.
    const { readInto } = PayloadFiles.prototype;
    let looks = 0;
    const spy = vi.spyOn(PayloadFiles.prototype, 'readInto');
    spy.mockImplementation(function (this: PayloadFiles, ...args) {
      if (looks++ === 0) {
        prune(log, 1);
        while (log.maintain());
      }
      readInto.apply(this, args);
    });
    expect(reader.page({ after: 0, limit: 10 })).toMatchObject({ count: 1, prunedThrough: 1 });
    spy.mockRestore();
    database.close();
    log.close();
  });
});

describe('the bound of a shard', () => {
  it('counts payload files, and beyond it payloads stay in their rows as long as there is room', () => {
    const maxShardBytes = 900 * KIB;
    const { dir, log } = logOf([], { maxShardBytes });
    const payload = (n: number): string => `${n}`.padEnd(100 * KIB, 'x');
    let stored = 0;
    let failure: unknown;
    while (failure === undefined && stored < 50) {
      failure = failureOf(() => publish(log, [payload(stored)]));
      if (failure === undefined) stored++;
    }
    expectBusError(failure, 'STORE_FULL');
    expect(sizeOf(dir)).toBeLessThanOrEqual(maxShardBytes + 128 * KIB);
    expect(stored).toBeGreaterThan(4);
    expect(payloadsOf(log)).toEqual(Array.from({ length: stored }, (_, n) => payload(n)));
    // Removing what lies in files makes room again.
    prune(log, 3);
    while (log.maintain());
    publish(log, [payload(100), payload(101)]);
    expect(payloadsOf(log)).toHaveLength(stored - 1);
    log.close();
    expect(findings(dir)).toEqual([]);
  });
});

/** Bytes of the log's file and its payload files. */
function sizeOf(dir: string): number {
  const files = [...new PayloadFiles(shardFile(dir, 0)).list()].map(({ path }) => path);
  return [shardFile(dir, 0), ...files].reduce((sum, path) => sum + statSync(path).size, 0);
}
