import { resolve } from 'node:path';
import { BusError } from '../protocol/errors.js';
import { type Database, openDatabase } from './driver.js';
import { ownDatabaseFile } from './files.js';
import type { LogIdentity } from './log-identity.js';
import { storeError } from './store-errors.js';

/**
 * The SQLite form of a shard's log: one file per shard, its tables, and the settings that every
 * connection to it must have. Whoever opens a log file opens it here.
 *
 * - `events`: one row per event, appended in sequence order, nothing else indexed per event.
 * - `topics`: the names of topics and their totals, which count what lies at or before `through`.
 * - `names`: types and sources.
 * - `topic_index`: per block of `INDEX_BLOCK_EVENTS` sequences and topic, the sequences of that topic
 *   as varint differences. Its key begins with the block, so that a sealed block is appended. Under topic 0 are those whose
 *   publisher gave the id, under -1 hashes of all ids: see `id-index.ts`.
 * - `pruned_ids`: ids of publishers' own whose events were pruned while the dedupe window still had them; since format 2.
 * - `ring_positions`: how far each publish ring had been consumed when its events were committed.
 * - `meta`: format, shard, how far the index and the totals are complete, what was pruned.
 */
export const FORMAT_VERSION = 2;
/** The oldest that is still read; whoever opens it for writing makes it the newest. */
export const FORMAT_VERSION_MIN = 1;
export const PAGE_BYTES = 16 * 1024;
/** Part of the format: a power of two. See docs/adr/0002 for the measurement behind it. */
export const INDEX_BLOCK_EVENTS = 16_384;
/** A batch is at most half an index block. */
export const BATCH_EVENTS_MAX = INDEX_BLOCK_EVENTS / 2;
/** `events.flags`: the publisher supplied the id, so a repeat is a duplicate. */
export const ROW_FLAG_SUPPLIED_ID = 1;
/** `events.flags`, beside the other: the id is the source's own. */
export const ROW_FLAG_ID_OF_SOURCE = 2;

/** A lock held by a checkpoint or a recovery is short; longer than this is a failure. */
export const BUSY_TIMEOUT_MS = 5_000;
/** After a checkpoint the WAL file is cut back to this, so that one long read leaves no large file. */
const WAL_SIZE_KEPT_BYTES = 64 * 1024 * 1024;
const SYNCHRONOUS_FULL = 2;
const SYNCHRONOUS_NORMAL = 1;

const PRUNED_IDS = `
CREATE TABLE pruned_ids (
  sequence INTEGER PRIMARY KEY,
  recorded_at INTEGER NOT NULL,
  topic TEXT NOT NULL,
  source TEXT,
  id TEXT NOT NULL
);
`;

const TABLES = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE topics (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  events INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  first_sequence INTEGER NOT NULL DEFAULT 0,
  last_sequence INTEGER NOT NULL DEFAULT 0,
  first_at INTEGER NOT NULL DEFAULT 0,
  last_at INTEGER NOT NULL DEFAULT 0,
  pruned_through INTEGER NOT NULL DEFAULT 0,
  through INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY,
  recorded_at INTEGER NOT NULL,
  topic INTEGER NOT NULL,
  type INTEGER NOT NULL,
  source INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  flags INTEGER,
  timestamp INTEGER,
  id TEXT NOT NULL,
  correlation_id TEXT,
  causation_id TEXT,
  attributes TEXT,
  payload BLOB NOT NULL
);
CREATE TABLE topic_index (
  block INTEGER NOT NULL,
  topic INTEGER NOT NULL,
  events INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  sequences BLOB NOT NULL,
  PRIMARY KEY (block, topic)
) WITHOUT ROWID;
${PRUNED_IDS}
CREATE TABLE ring_positions (
  endpoint TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  first_sequence INTEGER NOT NULL
) WITHOUT ROWID;
CREATE VIEW event_view AS SELECT
  e.sequence,
  strftime('%Y-%m-%d %H:%M:%f', e.recorded_at / 1000.0, 'unixepoch') AS time,
  t.name AS topic,
  y.name AS type,
  s.name AS source,
  e.id,
  e.correlation_id AS correlation,
  e.attributes,
  CAST(e.payload AS TEXT) AS payload
FROM events e
LEFT JOIN topics t ON t.id = e.topic
LEFT JOIN names y ON y.id = e.type
LEFT JOIN names s ON s.id = e.source;
`;

/** Absolute, since SQLite's bindings trim what they are given. */
export function shardFile(dir: string, shard: number): string {
  return resolve(dir, `shard-${String(shard).padStart(3, '0')}.db`);
}

export interface OpenForWriting {
  /** Whose the log has to be. */
  readonly identity?: LogIdentity;
  /** Sees it before anything is written. */
  readonly check?: (database: Database) => void;
}

/** Opens, and creates if need be, the log of a shard for writing. `file` may be `:memory:`. */
export function openForWriting(
  file: string,
  shard: number,
  { identity, check }: OpenForWriting = {},
): Database {
  const database = connect(file, false);
  try {
    database.pragma(`page_size = ${PAGE_BYTES}`);
    if (!database.memory) database.pragma('journal_mode = WAL');
    database.pragma('wal_autocheckpoint = 0');
    database.pragma(`journal_size_limit = ${WAL_SIZE_KEPT_BYTES}`);
    database.pragma('cache_size = -16384');
    setSynchronous(database, true);
    if (!database.memory) assertSetting(database, file, 'journal_mode', 'wal');
    check?.(database);
    database.transaction(() => prepareTables(database, file, shard, identity)).immediate();
    return database;
  } catch (error) {
    database.close();
    throw storeError(error, file, 'opening');
  }
}

export function openForReading(file: string, shard: number): Database {
  const database = connect(file, true);
  try {
    database.pragma('query_only = ON');
    checkFormat(database, file, shard);
    return database;
  } catch (error) {
    database.close();
    throw storeError(error, file, 'opening');
  }
}

/**
 * FULL flushes the WAL at each commit, NORMAL only at checkpoints. better-sqlite3 is built to fall back to
 * NORMAL in WAL mode, so the setting is read back. Must be called outside a transaction.
 */
export function setSynchronous(database: Database, full: boolean): void {
  const wanted = full ? SYNCHRONOUS_FULL : SYNCHRONOUS_NORMAL;
  database.pragma(`synchronous = ${wanted}`);
  assertSetting(database, database.name, 'synchronous', wanted);
}

export function readMeta(database: Database, key: string): number {
  const value = database.prepare('SELECT value FROM meta WHERE key = ?').pluck().get(key);
  return typeof value === 'number' ? value : 0;
}

/** The last sequence that was ever committed; what was pruned counts. */
export function readHead(database: Database): number {
  const last = database.prepare('SELECT max(sequence) FROM events').pluck().get();
  return Math.max(typeof last === 'number' ? last : 0, readMeta(database, 'pruned_through'));
}

function connect(file: string, readonly: boolean): Database {
  try {
    if (!readonly && file !== ':memory:') ownDatabaseFile(file);
    return openDatabase(file, { readonly, fileMustExist: readonly, timeout: BUSY_TIMEOUT_MS });
  } catch (error) {
    throw storeError(error, file, 'opening');
  }
}

function assertSetting(
  database: Database,
  file: string,
  name: string,
  expected: string | number,
): void {
  const found = database.pragma(name, { simple: true });
  if (found === expected) return;
  throw new BusError('STORE_FAILED', `${file}: ${name} is ${found}, not ${expected}`, {
    details: { file, setting: name, expected, found },
  });
}

function prepareTables(
  database: Database,
  file: string,
  shard: number,
  identity: LogIdentity | undefined,
): void {
  const isNew = database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
  if (isNew) {
    if (identity?.isNew === false && !database.memory) throw missing(file, shard);
    database.exec(TABLES);
    const insert = database.prepare('INSERT INTO meta (key, value) VALUES (?, ?)');
    insert.run('format', FORMAT_VERSION);
    insert.run('shard', shard);
  }
  checkFormat(database, file, shard);
  upgrade(database);
}

function missing(file: string, shard: number): BusError {
  const reason = 'it is missing or empty';
  return new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, shard, reason } });
}

/** From each format to the next. */
function upgrade(database: Database): void {
  const format = readMeta(database, 'format');
  if (format === FORMAT_VERSION) return;
  if (format < 2) database.exec(PRUNED_IDS);
  const setFormat = database.prepare("UPDATE meta SET value = ? WHERE key = 'format'");
  setFormat.run(FORMAT_VERSION);
}

function checkFormat(database: Database, file: string, shard: number): void {
  const format = readMeta(database, 'format');
  if (format < FORMAT_VERSION_MIN || format > FORMAT_VERSION) {
    throw new BusError('STORE_FAILED', `${file} has format ${format}, not ${FORMAT_VERSION}`, {
      details: { file, expected: FORMAT_VERSION, found: format },
    });
  }
  const found = readMeta(database, 'shard');
  if (found !== shard) {
    throw new BusError('STORE_CORRUPT', `${file} is the log of shard ${found}, not ${shard}`, {
      details: { file, expected: shard, found },
    });
  }
}
