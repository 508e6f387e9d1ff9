import { resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { BusError } from '../../../protocol/errors.js';
import { ownDatabaseFile } from '../../directory/files.js';
import { FORMAT_VERSION, FORMAT_VERSION_MIN } from '../../directory/manifest.js';
import { type Database, openDatabase } from '../driver/driver.js';
import { storeError } from '../driver/store-errors.js';
import {
  CHECKED_BLOCKS,
  CHECKED_FROM,
  CONSUMER_DEAD_COUNT,
  CONSUMERS_COUNT,
  EXPIRIES_COUNT,
  FORMAT,
  isChecked,
  MetaTable,
  PAYLOAD_FILES_COUNT,
  PRUNED_IDS_COUNT,
  PRUNED_THROUGH,
  readMeta,
  SCHEDULED_COUNT,
  SCHEDULES_COUNT,
  SCHEMA_CHECKSUM,
  SHARD,
  TOPICS_COUNT,
} from '../tables/meta-table.js';
import { TABLES } from '../tables/tables.js';
import type { LogIdentity } from './log-identity.js';
import { foreignObject } from './schema-objects.js';
import { upgrade } from './upgrade.js';

/**
 * Opens the log of a shard: one SQLite file per shard, with the tables in `tables.ts` and the settings that every
 * connection to it must have.
 */
export const PAGE_BYTES = 16 * 1024;

/** Checkpoints and recoveries hold their locks only briefly; a longer wait is a failure. */
export const BUSY_TIMEOUT_MS = 5_000;
/** The size to which a larger WAL file is cut after a checkpoint, so that one long read leaves no large file. */
const WAL_SIZE_KEPT_BYTES = 64 * 1024 * 1024;
const SYNCHRONOUS_FULL = 2;
const SYNCHRONOUS_NORMAL = 1;

/**
 * The log file of a shard. The path is absolute, because SQLite's bindings trim white space from the name that they
 * get.
 */
export function shardFile(dir: string, shard: number): string {
  return resolve(dir, `shard-${String(shard).padStart(3, '0')}.db`);
}

export interface OpenForWriting {
  /** The identity that the log must have. */
  readonly identity?: LogIdentity;
  /** Called before anything is written; it throws to refuse the log. */
  readonly check?: (database: Database) => void;
}

/** Opens the log of a shard for writing, and creates it if it is missing. `file` may be `:memory:`. */
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

/** The last sequence that was ever committed, pruned ones included. */
export function readHead(database: Database): number {
  const last = database.prepare('SELECT max(sequence) FROM events').pluck().get();
  return Math.max(typeof last === 'number' ? last : 0, readMeta(database, PRUNED_THROUGH));
}

function connect(file: string, readonly: boolean): Database {
  try {
    if (!readonly && file !== ':memory:') ownDatabaseFile(file);
    const options = { readonly, fileMustExist: readonly, timeout: BUSY_TIMEOUT_MS };
    const database = openDatabase(file, options);
    // Definitions in the file call no function with an effect outside it.
    database.pragma('trusted_schema = OFF');
    return database;
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
    new MetaTable(database).set({
      [FORMAT]: FORMAT_VERSION,
      [SHARD]: shard,
      [CHECKED_FROM]: 1,
      [CHECKED_BLOCKS]: 0,
      [TOPICS_COUNT]: 0,
      [PRUNED_IDS_COUNT]: 0,
      [CONSUMERS_COUNT]: 0,
      [CONSUMER_DEAD_COUNT]: 0,
      [SCHEDULED_COUNT]: 0,
      [SCHEDULES_COUNT]: 0,
      [PAYLOAD_FILES_COUNT]: 0,
      [EXPIRIES_COUNT]: 0,
      [SCHEMA_CHECKSUM]: schemaChecksum(database, FORMAT_VERSION),
    });
  }
  const numbers = checkFormat(database, file, shard);
  if (numbers[FORMAT] === FORMAT_VERSION) return;
  upgrade(database, numbers);
  new MetaTable(database).set({
    [FORMAT]: FORMAT_VERSION,
    [SCHEMA_CHECKSUM]: schemaChecksum(database, FORMAT_VERSION),
  });
}

function missing(file: string, shard: number): BusError {
  const reason = 'it is missing or empty';
  return new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, shard, reason } });
}

/** @returns the numbers in `meta` */
function checkFormat(
  database: Database,
  file: string,
  shard: number,
): Readonly<Record<string, number>> {
  // The format is checked before the checksum of `meta`, which another format may compute in another way.
  const format = database.prepare("SELECT value FROM meta WHERE key = 'format'").pluck().get();
  if (typeof format !== 'number' || format < FORMAT_VERSION_MIN || format > FORMAT_VERSION) {
    const found = format ?? 0;
    throw new BusError('STORE_FAILED', `${file} has format ${found}, not ${FORMAT_VERSION}`, {
      details: { file, expected: FORMAT_VERSION, found },
    });
  }
  const numbers = new MetaTable(database).all();
  if (numbers[SHARD] !== shard) {
    const found = numbers[SHARD];
    throw new BusError('STORE_CORRUPT', `${file} is the log of shard ${found}, not ${shard}`, {
      details: { file, expected: shard, found },
    });
  }
  if (isChecked(numbers) && numbers[SCHEMA_CHECKSUM] !== schemaChecksum(database, format)) {
    const reason = 'the definitions of its tables are damaged';
    throw new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
  }
  const foreign = foreignObject(database, [...tablesOf(FORMAT_VERSION), 'field_index']);
  if (foreign !== undefined) {
    const reason = `others have put ${foreign}, into it`;
    throw new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
  }
  return numbers;
}

/** The tables whose definitions are checked, by the first format that has them. */
const CHECKED_TABLES: readonly (readonly [format: number, tables: readonly string[]])[] = [
  [1, ['meta', 'names', 'topics', 'events', 'topic_index', 'ring_positions']],
  [2, ['pruned_ids', 'pruned_blocks']],
  [3, ['consumers', 'consumer_dead']],
  [5, ['scheduled', 'schedules', 'payload_files', 'expiries']],
];

/**
 * A checksum of the tables' definitions: one with a wrong letter may still be valid and give a column another meaning.
 * Tables and views that others have added do not count.
 */
function schemaChecksum(database: Database, format: number): number {
  const names = tablesOf(format);
  const definitions = database
    .prepare<string[], string>(
      `SELECT sql FROM sqlite_schema WHERE type = 'table' AND name IN (${names.map(() => '?').join(', ')})
       ORDER BY name`,
    )
    .pluck();
  return crc32(definitions.all(...names).join('\n'));
}

function tablesOf(format: number): string[] {
  return CHECKED_TABLES.flatMap(([since, tables]) => (since <= format ? tables : []));
}
