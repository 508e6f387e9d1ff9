import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Filter } from '../../../src/protocol/filter.js';
import { openManifest } from '../../../src/store/directory/directory.js';
import { decodePage, type Page, type PageRequest } from '../../../src/store/page.js';
import { openForWriting, shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { CheckedValues } from '../../../src/store/sqlite/fields/checked-values.js';
import { FieldBacklog } from '../../../src/store/sqlite/fields/field-backlog.js';
import { PARTS, ROWS_PER_BLOCK } from '../../../src/store/sqlite/fields/field-rows.js';
import { FieldWriter } from '../../../src/store/sqlite/fields/field-writer.js';
import {
  RECENT_VALUES_BYTES,
  RecentValues,
} from '../../../src/store/sqlite/fields/recent-values.js';
import { SqliteHistory } from '../../../src/store/sqlite/reading/open-history.js';
import { NameReader } from '../../../src/store/sqlite/rows/names.js';
import { RowDecoder } from '../../../src/store/sqlite/rows/row-decoder.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { FIELD_BLOCKS, MetaTable } from '../../../src/store/sqlite/tables/meta-table.js';
import { INDEX_BLOCK_EVENTS } from '../../../src/store/sqlite/tables/tables.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { temporaryDirectory } from '../directories.js';
import type { TestEvent } from '../records.js';
import { append } from './sqlite-log-promises.js';

const BLOCKS = 3;
const EVENTS = BLOCKS * INDEX_BLOCK_EVENTS + 500;
const ALL = { topics: ['*'] };

/** Retention may leave these events, few in each block, and no others. */
const KEPT_EVERY = 100;

/** Most events belong to a run; runs overlap. A few have a rare type or source. */
function eventAt(sequence: number): TestEvent {
  const run = (sequence >> 9) * 8 + (sequence % 8);
  return {
    topic: sequence % KEPT_EVERY === 0 ? 'kept' : `t.${sequence % 7}`,
    type: sequence % 9000 === 77 ? 'order.refunded' : 'order.paid',
    source: sequence % 5000 === 99 ? 'auditor' : 'shop',
    ...(sequence % 8 !== 7 && { correlationId: `run-${run}` }),
  };
}

const everySequence = Array.from({ length: EVENTS }, (_, index) => index + 1);
const everyEvent = [{}, ...everySequence.map(eventAt)];

function matching(filter: Omit<Filter, 'topics'>, left = (_: number) => true): number[] {
  return everySequence.filter((sequence) => {
    const { type, source, correlationId } = everyEvent[sequence]!;
    return (
      left(sequence) &&
      (filter.types?.includes(type!) ?? true) &&
      (filter.sources?.includes(source!) ?? true) &&
      (filter.correlationIds?.includes(correlationId ?? '') ?? true)
    );
  });
}

/** One filter of each kind, and some of several fields. */
const FILTERS: Omit<Filter, 'topics'>[] = [
  { correlationIds: ['run-3'] },
  { correlationIds: ['run-300', 'run-304', 'run-611'] },
  { correlationIds: ['nobody'] },
  { types: ['order.refunded'] },
  { sources: ['auditor'] },
  { sources: ['auditor', 'nobody'], types: ['order.paid'] },
  { types: ['order.refunded'], correlationIds: ['run-5', 'run-701'] },
];

function makeDirectory(): string {
  const dir = temporaryDirectory();
  openManifest(dir, { shards: 1, defaultShards: 1 });
  return dir;
}

function open(dir: string, keep?: number): SqliteShardLog {
  const retention = keep === undefined ? [] : [{ pattern: 't.*', maxEvents: keep }];
  return new SqliteShardLog({ file: shardFile(dir, 0), shard: 0, retention });
}

function fill(log: SqliteShardLog, until = EVENTS, batch = 4000): void {
  for (let sequence = log.head + 1; sequence <= until; sequence++) {
    append(log, everyEvent[sequence]!, sequence);
    if (sequence % batch === 0) log.commit(false, []);
  }
  log.commit(true, []);
}

function finish(log: SqliteShardLog): void {
  while (log.maintain());
}

let original: string;

beforeAll(() => {
  original = makeDirectory();
  const log = open(original);
  fill(log);
  finish(log);
  log.close();
}, 120_000);

/** A directory with all events and a full index. */
function filled(): string {
  const dir = temporaryDirectory();
  cpSync(original, dir, { recursive: true });
  return dir;
}

function change<T>(dir: string, work: (database: ReturnType<typeof openDatabase>) => T): T {
  const database = openDatabase(shardFile(dir, 0));
  try {
    return work(database);
  } finally {
    database.close();
  }
}

/** Leaves the directory as a version without this index does. */
function forgetIndex(dir: string): void {
  change(dir, (database) => {
    database.exec(`DROP TABLE field_index; DELETE FROM meta WHERE key IN ('${FIELD_BLOCKS}')`);
    database.exec("DELETE FROM meta WHERE key = 'checksum'");
    writeMetaChecksum(database);
  });
}

/** `MetaTable.set` refuses a table whose checksum is missing, so the number that says so is put back behind it. */
function writeMetaChecksum(database: ReturnType<typeof openDatabase>): void {
  const key = 'checked_from';
  const value = database.prepare(`SELECT value FROM meta WHERE key = '${key}'`).pluck().get();
  database.exec(`DELETE FROM meta WHERE key = '${key}'`);
  new MetaTable(database).set({ [key]: Number(value) });
}

const fieldBlocks = (dir: string): number =>
  change(dir, (database) => new MetaTable(database).get(FIELD_BLOCKS));

/** The blocks that have all their rows. */
function indexedBlocks(dir: string): number[] {
  return change(dir, (database) =>
    database
      .prepare<[], number>(
        `SELECT id / ${ROWS_PER_BLOCK} FROM field_index GROUP BY 1 HAVING count(*) = ${ROWS_PER_BLOCK}`,
      )
      .pluck()
      .all(),
  );
}

/** Finds events page by page, in either direction. */
function find(
  log: SqliteShardLog,
  filter: Filter,
  reverse = false,
  limit = 50,
  source: { page(request: PageRequest): Page } = log,
): number[] {
  const found: number[] = [];
  let [after, until] = [0, log.head];
  for (;;) {
    const page = source.page({ filter, after, until, limit, reverse });
    decodePage(page, ({ sequence }) => void found.push(sequence));
    if (page.done) return found;
    if (reverse) until = page.next;
    else after = page.next;
  }
}

function expectAll(
  log: SqliteShardLog,
  left?: (sequence: number) => boolean,
  filters = FILTERS,
): void {
  for (const filter of filters) {
    const expected = matching(filter, left).filter((sequence) => sequence <= log.head);
    expect(find(log, { ...ALL, ...filter })).toEqual(expected);
    expect(find(log, { ...ALL, ...filter }, true)).toEqual(expected.reverse());
  }
}

const errorsOf = (dir: string): string[] =>
  [...verifyDirectory(dir)].filter((one) => one.severity === 'error').map((one) => one.message);

/** Damages an event that no filter wants. Only those who read it notice. */
function damageEvent(dir: string, sequence: number): void {
  change(dir, (database) => {
    database.exec(`UPDATE events SET payload = x'7b7d' WHERE sequence = ${sequence}`);
  });
}

describe('events by correlation id, type and source', () => {
  it('are found without reading the other events of their blocks', () => {
    const dir = filled();
    for (let block = 0; block < BLOCKS; block++) damageEvent(dir, block * INDEX_BLOCK_EVENTS + 8);
    const log = open(dir);
    expectAll(log);
    expect(() => find(log, { ...ALL, types: ['order.paid'] })).toThrow(/event 8 is damaged/);
    log.close();
  });

  it('are found among those behind the index without reading the others, by readers too', () => {
    const dir = filled();
    const recentValues = new SharedArrayBuffer(RECENT_VALUES_BYTES);
    const file = shardFile(dir, 0);
    const log = new SqliteShardLog({ file, shard: 0, recentValues });
    const readers = new SqliteHistory(dir, [recentValues]);
    const behind = EVENTS - 5;
    damageEvent(dir, behind);
    const filter = { ...ALL, correlationIds: [everyEvent[EVENTS - 3]!.correlationId!] };
    const inReaders = { page: (request: PageRequest) => readers.page(0, request) };
    const expected = matching({ correlationIds: filter.correlationIds });
    // Until the values are back in memory, the events are read.
    expect(() => find(log, filter)).toThrow(/is damaged/);
    expect(() => find(log, filter, false, 50, inReaders)).toThrow(/is damaged/);
    finish(log);
    expect(() => find(log, filter, false, 50, inReaders)).toThrow(/is damaged/);
    change(dir, (database) => {
      database.exec(`UPDATE events SET payload = x'7b226e223a317d' WHERE sequence = ${behind}`);
    });
    log.close();
    const again = new SqliteShardLog({ file, shard: 0, recentValues });
    finish(again);
    damageEvent(dir, behind);
    expect(find(again, filter)).toEqual(expected);
    expect(find(again, filter, true, 50, inReaders)).toEqual(expected.reverse());
    readers.close();
    again.close();
  });

  it('are found by readers while the log goes on', () => {
    const dir = makeDirectory();
    const recentValues = new SharedArrayBuffer(RECENT_VALUES_BYTES);
    const log = new SqliteShardLog({ file: shardFile(dir, 0), shard: 0, recentValues });
    const readers = new SqliteHistory(dir, [recentValues]);
    const filter = { ...ALL, correlationIds: ['run-1'] };
    for (let batch = 0; batch < 60; batch++) {
      for (let i = 0; i < 700; i++) {
        append(log, { correlationId: i % 99 === 0 ? `run-${batch % 3}` : 'others' }, batch);
      }
      if (batch % 7 === 5) log.rollback();
      else log.commit(false, []);
      if (batch % 20 === 19) log.maintain();
      const inReaders = { page: (one: PageRequest) => readers.page(0, one) };
      const found = find(log, filter);
      expect(found).toHaveLength(
        8 * [...Array(batch + 1).keys()].filter((one) => one % 3 === 1 && one % 7 !== 5).length,
      );
      expect(find(log, filter, false, 50, inReaders)).toEqual(found);
    }
    readers.close();
    log.close();
  });

  it('are found on some topics alone', () => {
    const dir = filled();
    const log = open(dir);
    const filter = { topics: ['t.2', 't.5'], correlationIds: ['run-304', 'run-17'] };
    const isOnTopic = (sequence: number) =>
      sequence % KEPT_EVERY !== 0 && [2, 5].includes(sequence % 7);
    expect(find(log, filter)).toEqual(
      matching({ correlationIds: filter.correlationIds }, isOnTopic),
    );
    log.close();
  });

  it('have an index whatever the sizes of batches, and after roll-backs and openings', () => {
    const sizes = fc.array(fc.integer({ min: 700, max: 8192 }), { minLength: 4, maxLength: 9 });
    const steps = fc.constantFrom<('open' | 'maintain' | 'roll back' | 'none')[]>(
      ['none'],
      ['maintain', 'none', 'roll back'],
      ['none', 'none', 'none', 'none', 'none', 'open', 'maintain'],
    );
    fc.assert(
      fc.property(sizes, steps, (batches, between) => {
        const dir = makeDirectory();
        let log = open(dir);
        for (let n = 0; log.head < 2.5 * INDEX_BLOCK_EVENTS; n++) {
          const step = between[n % between.length]!;
          if (step === 'roll back') {
            for (let i = 0; i < 300; i++) append(log, { correlationId: `lost-${i}` }, log.head);
            log.rollback();
          }
          fill(log, log.head + batches[n % batches.length]!, Number.POSITIVE_INFINITY);
          if (step === 'maintain') log.maintain();
          if (step !== 'open') continue;
          log.close();
          log = open(dir);
        }
        finish(log);
        expectAll(log);
        log.close();
        expect(indexedBlocks(dir)).toEqual([0, 1]);
        expect(fieldBlocks(dir)).toBe(2);
        expect([...verifyDirectory(dir)]).toEqual([]);
      }),
      { numRuns: 3 },
    );
  });

  it.each([
    ['missing', 'DELETE FROM field_index WHERE id % 48 IN (3, 20, 35)'],
    ['cut short', 'UPDATE field_index SET postings = substr(postings, 1, length(postings) - 1)'],
    ['empty', "UPDATE field_index SET postings = x'0000'"],
    ['text', "UPDATE field_index SET postings = 'text'"],
    [
      'in the place of others',
      'UPDATE field_index SET id = -1 - id; UPDATE field_index SET id = 144 + id',
    ],
  ])('are all found if rows of the index are %s, and `verify` tells', (_, sql) => {
    const dir = filled();
    change(dir, (database) => database.exec(sql));
    const log = open(dir);
    expectAll(log);
    log.close();
    const errors = errorsOf(dir);
    expect(errors).toHaveLength(BLOCKS);
    expect(errors[0]).toMatch(
      /^the index by correlation id, source and type of block 0 is damaged/,
    );
  });

  it('are told of by `verify` if a sound row does not have them', () => {
    const dir = filled();
    const other = makeDirectory();
    const log = open(other);
    for (let sequence = 1; sequence <= EVENTS; sequence++) {
      const event = everyEvent[sequence === 500 ? 501 : sequence]!;
      append(log, event, sequence);
      if (sequence % 4000 === 0) log.commit(false, []);
    }
    log.commit(true, []);
    finish(log);
    log.close();
    change(dir, (database) => {
      database.exec(`ATTACH '${shardFile(other, 0)}' AS other`);
      database.exec('INSERT OR REPLACE INTO field_index SELECT * FROM other.field_index');
    });
    const sequences = [...verifyDirectory(dir)].map(({ sequence }) => sequence);
    expect(new Set(sequences)).toEqual(new Set([500]));
  });

  it('are found among those that retention leaves; blocks with few events keep no index', () => {
    const dir = filled();
    const mayGo = everySequence.filter((sequence) => sequence % KEPT_EVERY !== 0);
    const leftOf = (keep: number) => (sequence: number) =>
      sequence % KEPT_EVERY === 0 || sequence >= mayGo[mayGo.length - keep]!;
    let log = open(dir, INDEX_BLOCK_EVENTS);
    while (log.pruning.pruneStep(0));
    expectAll(log, leftOf(INDEX_BLOCK_EVENTS));
    log.close();
    expect(indexedBlocks(dir)).toEqual([2]);
    expect([...verifyDirectory(dir)]).toEqual([]);
    log = open(dir, 400);
    while (log.pruning.pruneStep(0));
    expectAll(log, leftOf(400));
    log.close();
    expect(indexedBlocks(dir)).toEqual([]);
    expect([...verifyDirectory(dir)]).toEqual([]);
  });

  it('have an index although the transaction that wrote it was rolled back', () => {
    const database = openForWriting(':memory:', 0);
    database.exec('DROP TABLE field_index');
    const writer = new FieldWriter(database, new RecentValues());
    writer.start(1);
    for (let sequence = 1; sequence < INDEX_BLOCK_EVENTS; sequence++) {
      writer.recent.note(sequence, 1 + (sequence % 999), 1 + (sequence % 99), 1 + (sequence % 9));
    }
    const step = (end: 'COMMIT' | 'ROLLBACK', rows: number): void => {
      database.exec('BEGIN');
      writer.step(rows, 1);
      database.exec(end);
      if (end === 'COMMIT') writer.commit();
      else writer.rollback();
    };
    step('ROLLBACK', 1000);
    step('COMMIT', 1);
    step('ROLLBACK', 1);
    step('ROLLBACK', 1000);
    expect(writer.done).toBe(0);
    step('COMMIT', 1000);
    expect(writer.done).toBe(1);
    const rows = database.prepare('SELECT count(*) FROM field_index').pluck();
    expect(rows.get()).toBe(ROWS_PER_BLOCK);
    database.close();
  });

  it('are found in memory too', () => {
    const log = new SqliteShardLog({ file: ':memory:', shard: 0 });
    fill(log);
    finish(log);
    expectAll(log);
    log.close();
  });
});

describe('a directory of a version without the index by field', () => {
  it('gets it while it is in use, and answers the same at every step', () => {
    const dir = filled();
    forgetIndex(dir);
    expect(errorsOf(dir)).toEqual([]);
    expect([...verifyDirectory(dir)].map(({ message }) => message)).toEqual([
      expect.stringMatching(/^3 of 3 blocks have no index by correlation id, source and type yet/),
    ]);
    const log = open(dir);
    expect(log.unindexedEvents).toBe(3 * INDEX_BLOCK_EVENTS);
    let steps = 0;
    let unindexed = log.unindexedEvents;
    do {
      expect(log.unindexedEvents).toBeLessThanOrEqual(unindexed);
      unindexed = log.unindexedEvents;
      if (steps++ % 150 === 70) expectAll(log, undefined, FILTERS.slice(1, 3));
      append(log, { topic: 'other', correlationId: 'later' }, EVENTS);
      log.commit(false, []);
    } while (log.maintain());
    expect(steps).toBeGreaterThan(BLOCKS * 20);
    expect(log.unindexedEvents).toBe(0);
    expect(find(log, { ...ALL, correlationIds: ['later'] })).toHaveLength(steps);
    log.close();
    expect(indexedBlocks(dir)).toEqual([0, 1, 2]);
    expect([...verifyDirectory(dir)]).toEqual([]);
    for (let block = 0; block < BLOCKS; block++) damageEvent(dir, block * INDEX_BLOCK_EVENTS + 8);
    const again = open(dir);
    expectAll(again);
    again.close();
  });

  it('goes on where it stood after a `kill -9` in the middle', async () => {
    const dir = filled();
    forgetIndex(dir);
    const script = fileURLToPath(new URL('./index-until-killed.mjs', import.meta.url));
    const child = spawn(process.execPath, [script, shardFile(dir, 0)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let steps = 0;
    for await (const line of createInterface(child.stdout)) {
      expect(line).toBe('step');
      // One block and a half.
      if (++steps === 196) child.kill('SIGKILL');
    }
    if (child.signalCode === null) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
    const log = open(dir);
    expect([1, 2]).toContain(fieldBlocks(dir));
    expectAll(log, undefined, FILTERS.slice(1, 3));
    finish(log);
    expectAll(log);
    log.close();
    expect(indexedBlocks(dir)).toEqual([0, 1, 2]);
    expect([...verifyDirectory(dir)]).toEqual([]);
  });

  it('gets none for a block with a damaged event, so that nobody misses that event unnoticed', () => {
    const dir = filled();
    forgetIndex(dir);
    const sequence = INDEX_BLOCK_EVENTS + 1000;
    const { correlationId } = everyEvent[sequence]!;
    change(dir, (database) => {
      database.exec(`UPDATE events SET correlation_id = 'x' WHERE sequence = ${sequence}`);
    });
    const log = open(dir);
    finish(log);
    for (const id of [correlationId!, 'x', 'nobody']) {
      expect(() => find(log, { ...ALL, correlationIds: [id] })).toThrow(
        expect.objectContaining({
          code: 'STORE_CORRUPT',
          details: expect.objectContaining({ sequence }),
        }),
      );
    }
    log.close();
    expect(indexedBlocks(dir)).toEqual([0, 2]);
    expect(errorsOf(dir)).toEqual([expect.stringMatching(/^.*event 17384 is damaged/)]);
  });

  it('gets none for such a block either where the store was full when that was to be noted', () => {
    const dir = filled();
    forgetIndex(dir);
    damageEvent(dir, INDEX_BLOCK_EVENTS + 1000);
    const database = openForWriting(shardFile(dir, 0), 0);
    const names = new NameReader(database, 'names');
    const topics = new NameReader(database, 'topics');
    const decoder = new RowDecoder(database, 0, names, (id) => topics.name(id));
    const writer = new FieldWriter(database, new RecentValues());
    writer.start(EVENTS + 1);
    const backlog = new FieldBacklog(database, writer, new CheckedValues(database, decoder, names));
    while (writer.done < 1) backlog.step(BLOCKS);
    database.exec(`CREATE TEMP TRIGGER full BEFORE INSERT ON meta WHEN NEW.key = '${FIELD_BLOCKS}'
      BEGIN SELECT RAISE(ABORT, 'no room'); END`);
    expect(() => {
      for (;;) backlog.step(BLOCKS);
    }).toThrow('no room');
    expect(writer.done).toBe(1);
    database.exec('DROP TRIGGER full');
    while (backlog.left(BLOCKS) > 0) backlog.step(BLOCKS);
    database.close();
    expect(indexedBlocks(dir)).toEqual([0, 2]);
  });

  it('is sound for `verify` when the damaged event of a block without index was pruned', () => {
    const dir = filled();
    forgetIndex(dir);
    damageEvent(dir, INDEX_BLOCK_EVENTS + 1000);
    let log = open(dir);
    finish(log);
    log.close();
    expect(indexedBlocks(dir)).toEqual([0, 2]);
    const first = INDEX_BLOCK_EVENTS + 2000;
    const kept = everySequence.filter((one) => one % KEPT_EVERY !== 0 && one >= first).length;
    log = open(dir, kept);
    while (log.pruning.pruneStep(0));
    expectAll(log, (sequence) => sequence % KEPT_EVERY === 0 || sequence >= first);
    log.close();
    expect([...verifyDirectory(dir)]).toEqual([]);
  });

  it('gets the rest if that version has appended to it meanwhile', () => {
    const dir = makeDirectory();
    let log = open(dir);
    fill(log, INDEX_BLOCK_EVENTS + 10);
    finish(log);
    log.close();
    log = open(dir);
    fill(log);
    finish(log);
    log.close();
    change(dir, (database) => {
      database.exec(`DELETE FROM field_index WHERE id >= ${ROWS_PER_BLOCK}`);
      new MetaTable(database).set({ [FIELD_BLOCKS]: 1 });
    });
    log = open(dir);
    expectAll(log);
    finish(log);
    expectAll(log);
    log.close();
    expect(indexedBlocks(dir)).toEqual([0, 1, 2]);
    expect([...verifyDirectory(dir)]).toEqual([]);
  });

  it('writes each row again that a crash has left alone', () => {
    const dir = filled();
    change(dir, (database) => {
      const partly = ROWS_PER_BLOCK + PARTS;
      database.exec(`DELETE FROM field_index WHERE id >= ${partly}`);
      new MetaTable(database).set({ [FIELD_BLOCKS]: 1 });
    });
    const log = open(dir);
    expectAll(log);
    finish(log);
    log.close();
    expect(indexedBlocks(dir)).toEqual([0, 1, 2]);
    expect([...verifyDirectory(dir)]).toEqual([]);
  });
});
