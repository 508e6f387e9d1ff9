import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { monotonicFactory } from 'ulid';
import { openDatabase } from '../dist/store/sqlite/driver/driver.js';
import { check } from './harness.js';
import { makeInput } from './load.js';

/**
 * The loop that the engine is compared with: bare `better-sqlite3` on one thread, which inserts the rows that the
 * engine would, into the same columns, in transactions of the same size, with the same page size, WAL and `synchronous
 * = FULL`. Nothing is published, acknowledged or delivered.
 */

/** How many rows are made before the clock starts, and inserted over and over. */
const READY_ROWS = 4096;

const EVENTS_TABLE = `
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY, recorded_at INTEGER NOT NULL,
  topic INTEGER NOT NULL, type INTEGER NOT NULL, source INTEGER NOT NULL,
  checksum INTEGER NOT NULL, flags INTEGER, timestamp INTEGER, id TEXT NOT NULL,
  correlation_id TEXT, causation_id TEXT, attributes TEXT, payload BLOB NOT NULL
)`;

const COLUMNS = 13;
/** Faster than `ulid()`, which asks the system for random bytes each time, at 40 µs. */
const nextId = monotonicFactory();

/** @param {string} directory */
function open(directory) {
  const database = openDatabase(join(directory, 'bare.db'));
  database.pragma('page_size = 16384');
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('cache_size = -16384');
  check(database.pragma('synchronous', { simple: true }) === 2, 'synchronous is not FULL');
  database.exec(EVENTS_TABLE);
  return database;
}

/**
 * @param {string} directory
 * @param {number} events
 * @param {{ batch: number, topic: string, ready: boolean }} options `ready`: the rows are made beforehand;
 *   otherwise each is made in the loop from its event (id, JSON text, checksum), as a hand-written loop has to
 * @returns {number} rows/s
 */
export function insertBare(directory, events, { batch, topic, ready }) {
  const database = open(directory);
  const insert = database.prepare(
    `INSERT INTO events VALUES (${new Array(COLUMNS).fill('?').join(', ')})`,
  );
  const rows = Array.from({ length: ready ? READY_ROWS : 0 }, (_, n) => makeRow(topic, n));
  let from = 0;
  const insertBatch = database.transaction(() => {
    const to = Math.min(from + batch, events);
    for (; from < to; from += 1) {
      const { id, checksum, payload } = rows[from % READY_ROWS] ?? makeRow(topic, from);
      insert.run(
        from + 1,
        Date.now(),
        1,
        1,
        1,
        checksum,
        null,
        null,
        id,
        null,
        null,
        null,
        payload,
      );
    }
  });
  const started = performance.now();
  while (from < events) insertBatch.deferred();
  const rate = events / ((performance.now() - started) / 1000);
  const stored = database.prepare('SELECT count(*) FROM events').pluck().get();
  database.close();
  check(stored === events, `the bare loop stored ${stored} of ${events} rows`);
  return rate;
}

/**
 * @param {string} topic
 * @param {number} n
 */
function makeRow(topic, n) {
  const payload = Buffer.from(JSON.stringify(makeInput(topic, n).payload));
  return { id: nextId(), checksum: crc32(payload), payload };
}
