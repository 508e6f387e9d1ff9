import { createRequire } from 'node:module';
import { BusError } from '../../../protocol/errors.js';
import { messageOf } from '../../../protocol/thrown.js';

/**
 * The only way to SQLite: the smallest interface that the log needs, and the choice of the binding behind it. No other
 * file imports a binding. Any thread may open databases; a thread loads the binding when it opens its first one.
 *
 * `better-sqlite3` 13 is built on Node-API 10, which came with Node 22.14 and 23.6. Its package has one binary per
 * platform; an older Node that loaded it would end in a segmentation fault. An older Node takes `better-sqlite3` 12,
 * which in turn aborts on Node 24. See docs/adr/0015.
 */
export interface Database {
  readonly name: string;
  readonly open: boolean;
  readonly memory: boolean;
  readonly inTransaction: boolean;
  prepare<Parameters extends unknown[] = unknown[], Row = unknown>(
    sql: string,
  ): Statement<Parameters, Row>;
  exec(sql: string): this;
  /** @returns one value if `simple`, else a row for each line of the answer */
  pragma(source: string, options?: { readonly simple?: boolean }): unknown;
  transaction<Result>(work: () => Result): Transaction<Result>;
  /** `progress` returns how many pages to copy next. */
  backup(file: string, options: { progress(step: BackupStep): number }): Promise<BackupStep>;
  close(): this;
}

export interface Statement<Parameters extends unknown[] = unknown[], Row = unknown> {
  run(...parameters: Parameters): RunResult;
  get(...parameters: Parameters): Row | undefined;
  all(...parameters: Parameters): Row[];
  iterate(...parameters: Parameters): IterableIterator<Row>;
  /** From now on a row is the array of its columns. */
  raw(): this;
  /** From now on a row is its first column. */
  pluck(): this;
}

export interface RunResult {
  readonly changes: number;
  readonly lastInsertRowid: number | bigint;
}

export interface Transaction<Result> {
  immediate(): Result;
  deferred(): Result;
}

export interface BackupStep {
  readonly totalPages: number;
  readonly remainingPages: number;
}

export interface OpenOptions {
  readonly readonly?: boolean;
  readonly fileMustExist?: boolean;
  /** How long to wait for a lock that another connection holds, ms. */
  readonly timeout?: number;
}

export interface SqliteError extends Error {
  /** SQLite's extended result code, by name: `SQLITE_IOERR_FSYNC`. */
  readonly code: string;
}

type Binding = new (file: string, options?: OpenOptions) => Database;

interface Loaded {
  readonly Binding: Binding;
  readonly version: string;
}

/**
 * Opens a database; `file` may be `:memory:`.
 * @throws BusError `SQLITE_MISSING`; SQLite's own errors are `SqliteError`
 */
export function openDatabase(file: string, options?: OpenOptions): Database {
  const { Binding } = loadOnce();
  return new Binding(file, options);
}

/** @throws BusError `SQLITE_MISSING` */
export function sqliteVersion(): string {
  return loadOnce().version;
}

/** Goes by the name, since each binding has its own class and each realm its own `Error`. */
export function isSqliteError(error: unknown): error is SqliteError {
  if (typeof error !== 'object' || error === null) return false;
  return 'name' in error && error.name === 'SqliteError' && 'code' in error;
}

/** Older versions of SQLite can lose commits when a WAL is reset while another connection reads it. */
export const SQLITE_VERSION_LEAST = '3.51.3';

const NODE_API_LEAST = 10;
const FOR_NODE_API = 'better-sqlite3-13';
const FOR_OLDER_NODE = 'better-sqlite3';
const OLDER_MAJOR = 12;

const require = createRequire(import.meta.url);
let loaded: Loaded | undefined;

function loadOnce(): Loaded {
  loaded ??= load();
  return loaded;
}

function load(): Loaded {
  const hasNodeApi = Number(process.versions.napi) >= NODE_API_LEAST;
  const name = hasNodeApi ? FOR_NODE_API : FOR_OLDER_NODE;
  let found: Loaded;
  try {
    if (!hasNodeApi) assertOlder(name);
    const Binding = require(name) as Binding;
    // Both bindings load their binary with the first database.
    const database = new Binding(':memory:');
    const version = String(database.prepare('SELECT sqlite_version()').pluck().get());
    database.close();
    found = { Binding, version };
  } catch (error) {
    throw missing(name, error);
  }
  assertVersion(found.version);
  return found;
}

/** Refuses a newer version, which would not throw but end the process. */
function assertOlder(name: string): void {
  const { version } = require(`${name}/package.json`) as { version: string };
  if (Number.parseInt(version, 10) <= OLDER_MAJOR) return;
  throw new Error(`${name} ${version} is installed, and this Node.js needs ${OLDER_MAJOR}`);
}

function missing(name: string, error: unknown): BusError {
  const reason = messageOf(error).split('\n')[0]!;
  const runtime = runtimeName();
  const message = `SQLite cannot be loaded in ${runtime}: ${reason}. ${cureOf(name, reason)}`;
  return new BusError('SQLITE_MISSING', message, {
    details: { package: name, runtime },
    cause: error,
  });
}

/** Bun and Deno also report the version of the Node that they imitate. */
function runtimeName(): string {
  const { bun, deno, node } = process.versions;
  if (bun !== undefined) return `Bun ${bun}`;
  return deno === undefined ? `Node.js ${node}` : `Deno ${deno}`;
}

function cureOf(name: string, reason: string): string {
  const isAbsent = reason.startsWith(`Cannot find module '${name}`);
  if (name === FOR_OLDER_NODE) {
    if (reason.startsWith('Could not locate')) return `It was not built: npm rebuild ${name}`;
    return `Node.js before 22.14 needs one package more: npm install ${name}@${OLDER_MAJOR}`;
  }
  if (isAbsent) return 'It was left out at installation: npm install --include=optional';
  const platform = `${process.platform}-${process.arch}`;
  return `Its binary for ${platform} is missing or does not run: npm explore ${name} -- npm run build-release`;
}

function assertVersion(version: string): void {
  const parts = version.split('.').map(Number);
  for (const [index, part] of SQLITE_VERSION_LEAST.split('.').entries()) {
    const difference = (parts[index] ?? 0) - Number(part);
    if (difference > 0) return;
    if (difference < 0) {
      const needed = SQLITE_VERSION_LEAST;
      throw new BusError('STORE_FAILED', `SQLite ${version} is too old, ${needed} is needed`, {
        details: { found: version, needed },
      });
    }
  }
}
