import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { KIB, MIB } from '../protocol/limits/units.js';
import { sqliteVersion } from '../store/sqlite/driver/driver.js';
import { formatBytes } from './table.js';

/**
 * The checks of `millrace doctor`. Each gives a finding: what was checked, the result, and whether it is good enough.
 * The checks change nothing except a folder of their own, in the directory or the nearest folder above it that exists,
 * which they remove.
 */
export interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'failure';
  readonly message: string;
  /** The figures behind the message. */
  readonly details?: Readonly<Record<string, number | string>>;
}

export interface ExaminationOptions {
  readonly dir: string;
  readonly host: string;
  readonly port: number;
}

/** The least version of Node, as in `engines` of package.json. */
const NODE_LEAST = [20, 19] as const;
const SYNC_ROUNDS = 200;
const SYNC_BYTES = 16 * KIB;
/** No medium can write faster, so a disk that confirms a sync sooner has not written it. */
const SYNC_HONEST_MIN_US = 5;
const SYNC_SLOW_US = 10_000;
const FREE_BYTES_MIN = 256 * MIB;
const FREE_BYTES_COMFORTABLE = 2048 * MIB;
const OPEN_FILES_MIN = 1024;
const OPEN_FILES_COMFORTABLE = 12_000;
/** 2026-01-01. An earlier time means that the clock lost its power or was never set. */
const CLOCK_LEAST_MS = Date.UTC(2026, 0, 1);
const TMPFS_MAGIC = 0x01021994;
/**
 * On these, processes cannot share memory through a file, which SQLite's WAL needs. The keys are types of Linux'
 * statfs(2).
 */
const NETWORK_FILE_SYSTEMS = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x00c36400, 'Ceph'],
]);

export async function* examine(options: ExaminationOptions): AsyncGenerator<Finding> {
  yield nodeVersion();
  yield sqlite();
  yield cores();
  yield clock();
  yield openFiles();
  yield* disk(options.dir);
  yield await port(options);
}

function nodeVersion(): Finding {
  const { node } = process.versions;
  const isEnough = isAtLeast(node, NODE_LEAST);
  const message = isEnough ? node : `${node}; ${NODE_LEAST.join('.')} or later is needed`;
  return { check: 'node', state: isEnough ? 'ok' : 'failure', message };
}

function sqlite(): Finding {
  const check = 'sqlite';
  try {
    return { check, state: 'ok', message: sqliteVersion() };
  } catch (error) {
    return { check, state: 'failure', message: (error as Error).message };
  }
}

function isAtLeast(version: string, least: readonly number[]): boolean {
  const parts = version.split('.').map(Number);
  for (const [i, wanted] of least.entries()) {
    const part = parts[i] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}

function cores(): Finding {
  const count = availableParallelism();
  if (count > 1) return { check: 'cores', state: 'ok', message: String(count), details: { count } };
  const message = '1; the main thread and the shards will take turns';
  return { check: 'cores', state: 'warning', message, details: { count } };
}

function clock(): Finding {
  const now = Date.now();
  const message = new Date(now).toISOString();
  if (now >= CLOCK_LEAST_MS) return { check: 'clock', state: 'ok', message };
  return { check: 'clock', state: 'failure', message: `${message} cannot be right` };
}

/** The limit of open files, which can be read on Linux only. */
function openFiles(): Finding {
  const check = 'open files';
  const path = '/proc/self/limits';
  if (!existsSync(path)) return { check, state: 'ok', message: 'not known on this platform' };
  const [, soft = 'unlimited'] = /^Max open files\s+(\S+)/m.exec(readFileSync(path, 'utf8')) ?? [];
  const limit = soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft);
  const details = { limit };
  if (limit < OPEN_FILES_MIN) {
    const message = `${limit}; at least ${OPEN_FILES_MIN} are needed (ulimit -n)`;
    return { check, state: 'failure', message, details };
  }
  if (limit >= OPEN_FILES_COMFORTABLE) return { check, state: 'ok', message: soft, details };
  const message = `${limit}; 10,000 connections need ${OPEN_FILES_COMFORTABLE} (ulimit -n)`;
  return { check, state: 'warning', message, details };
}

function* disk(dir: string): Generator<Finding> {
  const place = nearestExisting(resolve(dir));
  let folder: string;
  try {
    folder = mkdtempSync(join(place, '.millrace-doctor-'));
  } catch (error) {
    const message = `${place} cannot be written to: ${(error as Error).message}`;
    yield { check: 'directory', state: 'failure', message };
    return;
  }
  try {
    yield directory(place);
    yield freeSpace(place);
    yield syncTime(join(folder, 'sync'), place);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function directory(place: string): Finding {
  const check = 'directory';
  const network = NETWORK_FILE_SYSTEMS.get(statfsSync(place).type);
  if (network === undefined) {
    return { check, state: 'ok', message: `${place} can be written to` };
  }
  const message = `${place} is on a network (${network}): the log needs a local disk`;
  return { check, state: 'failure', message };
}

function nearestExisting(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestExisting(dirname(path));
}

function freeSpace(place: string): Finding {
  const { bavail, bsize } = statfsSync(place);
  const bytes = bavail * bsize;
  const finding = { check: 'free space', message: formatBytes(bytes), details: { bytes } };
  if (bytes < FREE_BYTES_MIN) return { ...finding, state: 'failure' };
  return { ...finding, state: bytes < FREE_BYTES_COMFORTABLE ? 'warning' : 'ok' };
}

/** Measures appending a page and syncing it, which each lone `synced` publish waits for. */
function syncTime(path: string, place: string): Finding {
  const check = 'fsync';
  if (statfsSync(place).type === TMPFS_MAGIC) {
    return { check, state: 'warning', message: `${place} is in memory: nothing there is durable` };
  }
  const histogram = createHistogram();
  const page = Buffer.alloc(SYNC_BYTES, 1);
  const file = openSync(path, 'w');
  try {
    for (let round = 0; round < SYNC_ROUNDS; round++) {
      writeSync(file, page, 0, page.length, round * page.length);
      const started = process.hrtime.bigint();
      fdatasyncSync(file);
      const nanoseconds = process.hrtime.bigint() - started;
      histogram.record(nanoseconds > 0n ? nanoseconds : 1n);
    }
  } finally {
    closeSync(file);
  }
  const p50Us = Math.round(histogram.percentile(50) / 1000);
  const p99Us = Math.round(histogram.percentile(99) / 1000);
  const details = { p50Us, p99Us };
  const figures = `p50 ${p50Us} µs, p99 ${p99Us} µs`;
  if (p50Us < SYNC_HONEST_MIN_US) {
    const message = `${figures}: too fast to be true; this disk may not survive a power loss`;
    return { check, state: 'warning', message, details };
  }
  if (p50Us <= SYNC_SLOW_US) return { check, state: 'ok', message: figures, details };
  const message = `${figures}: a lone publish will take as long`;
  return { check, state: 'warning', message, details };
}

async function port({ host, port: number }: ExaminationOptions): Promise<Finding> {
  const check = 'port';
  const server = createServer();
  try {
    await new Promise<void>((done, fail) => {
      server.once('error', fail);
      server.listen(number, host, done);
    });
    return { check, state: 'ok', message: `${number} on ${host} is free` };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isTaken = code === 'EADDRINUSE';
    return {
      check,
      state: isTaken ? 'warning' : 'failure',
      message: isTaken
        ? `${number} on ${host} is in use, perhaps by a server that runs already`
        : `${number} on ${host} cannot be bound: ${message}`,
    };
  } finally {
    server.close();
  }
}
