import { describe, expect, it } from 'vitest';
import { openManifest } from '../../../src/store/directory/directory.js';
import { decodePage } from '../../../src/store/page.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { hashOfText } from '../../../src/store/sqlite/encoding/text-hash.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { INDEX_BLOCK_EVENTS } from '../../../src/store/sqlite/tables/tables.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { temporaryDirectory } from '../directories.js';
import { record } from '../records.js';

const BLOCKS = 3;
const EVENTS = BLOCKS * INDEX_BLOCK_EVENTS;
/** Ids repeat, so that most have several events. */
const idOf = (sequence: number): string => `id-${(sequence * 7919) % 5003}`;
const KEPT_EVERY = 100;

function open(dir: string, keep?: number): SqliteShardLog {
  openManifest(dir, { shards: 1, defaultShards: 1 });
  const retention = keep === undefined ? [] : [{ pattern: 'gone', maxEvents: keep }];
  return new SqliteShardLog({ file: shardFile(dir, 0), shard: 0, retention, dedupeWindowMs: 0 });
}

function fill(log: SqliteShardLog): void {
  for (let sequence = 1; sequence <= EVENTS; sequence++) {
    const topic = sequence % KEPT_EVERY === 0 ? 'kept' : 'gone';
    log.append(record({ topic, id: idOf(sequence) }), 0, sequence);
    if (sequence % 4000 === 0) log.commit(false, []);
    // Some batches are rolled back, and the events appended in their place have other ids.
    if (sequence % 12_000 !== 0) continue;
    for (let n = 0; n < 50; n++)
      log.append(record({ topic: 'gone', id: `lost-${n}` }), 0, sequence);
    log.rollback();
  }
  log.commit(true, []);
  while (log.maintain());
}

/** Finds an id page by page, in either direction. */
function find(log: SqliteShardLog, id: string, topic = '*', reverse = false): number[] {
  const found: number[] = [];
  let [after, until] = [0, log.head];
  for (;;) {
    const filter = { topics: [topic] };
    const page = log.page({ filter, id, after, until, limit: 3, reverse });
    decodePage(page, ({ sequence }) => void found.push(sequence));
    if (page.done) return found;
    if (reverse) until = page.next;
    else after = page.next;
  }
}

const all = Array.from({ length: EVENTS }, (_, n) => n + 1);
const withId = (id: string, left = (_: number) => true) =>
  all.filter((sequence) => idOf(sequence) === id && left(sequence));

function change(dir: string, sql: string): void {
  const database = openDatabase(shardFile(dir, 0));
  database.exec(sql);
  database.close();
}

const countOf = (dir: string): unknown => {
  const database = openDatabase(shardFile(dir, 0));
  const found = database.prepare('SELECT count(*) FROM topic_index WHERE topic = -1').pluck().get();
  database.close();
  return found;
};

describe('events by their id', () => {
  it('are all found, in either order, of all topics or one, after every opening', () => {
    const dir = temporaryDirectory();
    let log = open(dir);
    fill(log);
    for (let round = 0; round < 2; round++) {
      for (const sequence of [
        1,
        2,
        100,
        5000,
        INDEX_BLOCK_EVENTS - 1,
        INDEX_BLOCK_EVENTS,
        EVENTS,
      ]) {
        const id = idOf(sequence);
        expect(find(log, id)).toEqual(withId(id));
        expect(find(log, id, '*', true)).toEqual(withId(id).reverse());
        expect(find(log, id, 'kept')).toEqual(withId(id, (one) => one % KEPT_EVERY === 0));
      }
      expect(find(log, 'lost-3')).toEqual([]);
      expect(find(log, 'id-5003')).toEqual([]);
      log.close();
      log = open(dir);
    }
    log.close();
    expect(countOf(dir)).toBe(BLOCKS);
    expect([...verifyDirectory(dir)]).toEqual([]);
  });

  it.each([
    ['was written before there was one', 'DELETE FROM topic_index WHERE topic = -1'],
    ['is cut short', 'UPDATE topic_index SET sequences = zeroblob(8) WHERE topic = -1'],
    ['is damaged', 'UPDATE topic_index SET sequences = zeroblob(65536) WHERE topic = -1'],
  ])('are found even if their index %s', (_, sql) => {
    const dir = temporaryDirectory();
    let log = open(dir);
    fill(log);
    log.close();
    change(dir, sql);
    log = open(dir);
    for (const sequence of [1, 5000, EVENTS]) {
      expect(find(log, idOf(sequence))).toEqual(withId(idOf(sequence)));
    }
    log.close();
  });

  it('are found among those that retention leaves; sparse blocks keep no hashes', () => {
    const dir = temporaryDirectory();
    let log = open(dir);
    fill(log);
    log.close();
    log = open(dir, 20_000);
    while (log.pruning.pruneStep(0));
    const gone = all.filter((sequence) => sequence % KEPT_EVERY !== 0);
    const first = gone[gone.length - 20_000]!;
    for (const sequence of [100, 5000, EVENTS]) {
      const id = idOf(sequence);
      const left = withId(id, (one) => one >= first || one % KEPT_EVERY === 0);
      expect(find(log, id)).toEqual(left);
    }
    log.close();
    expect(countOf(dir)).toBe(2);
    expect([...verifyDirectory(dir)]).toEqual([]);
  });

  it('are hashed in a way that never changes, since the hashes are on disk', () => {
    const hashes = ['', 'a', 'hello', 'hello, world'].map((id) => hashOfText(id) >>> 0);
    expect(hashes).toEqual([0, 0x3c2569b2, 0x248bfa47, 0x149bbb7f]);
  });
});
