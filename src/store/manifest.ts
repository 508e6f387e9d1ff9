import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { BusError } from '../protocol/errors.js';
import { SHARDS_MAX } from '../protocol/limits.js';
import { codeOf } from '../protocol/thrown.js';
import { makeDirectory, restrictFile, syncDirectory, syncNames } from './files.js';
import { FORMAT_VERSION, FORMAT_VERSION_MIN } from './schema.js';
import { storeError } from './store-errors.js';

/**
 * `manifest.json`: what a directory of logs is. It is replaced as a whole (temporary file, flush, rename, flush of
 * the directory), so it is always the old one or the new one. The main thread alone writes it, under the lock.
 */
export interface Manifest {
  readonly format: number;
  readonly shards: number;
  /** The identity of the history that is being written. */
  readonly epoch: string;
  readonly createdAt: string;
  readonly earlier: readonly EarlierEpoch[];
  /** It is a backup, not the directory itself: whoever opens it begins a new epoch. */
  readonly backup?: BackupNote;
}

export interface BackupNote {
  readonly takenAt: string;
  /** Per shard, the last sequence that is in it. */
  readonly heads: readonly number[];
  /** Where a subscription goes on that has seen all that is in it. */
  readonly cursor: string;
}

export interface EarlierEpoch {
  readonly epoch: string;
  readonly endedAt: string;
  readonly reason: string;
  /** The head each shard went on from: what an earlier cursor names beyond it no longer exists. */
  readonly heads: readonly number[];
}

export interface CursorPositions {
  readonly epoch: string;
  readonly positions: readonly number[];
}

/** Sequences of one shard that a cursor had been promised and that no longer exist. */
export interface CursorGap {
  readonly shard: number;
  readonly from: number;
  readonly to: number;
  readonly reason: 'rolled-back';
}

export interface ResolvedCursor {
  readonly positions: number[];
  readonly gaps: CursorGap[];
}

/** Earlier epochs kept; a cursor older than that has expired. */
const EARLIER_EPOCHS_MAX = 256;
const MANIFEST = 'manifest.json';

/**
 * Reads the directory's manifest, or makes directory and manifest. `shards` left out: what the directory says.
 * @throws BusError `SHARD_COUNT_MISMATCH`, `STORE_CORRUPT`, `STORE_FAILED`
 */
export function openManifest(
  dir: string,
  options: { shards?: number | undefined; defaultShards: number },
): Manifest {
  ensureDirectory(dir);
  const found = readManifest(dir);
  if (found !== undefined) {
    assertShards(dir, options.shards, found.shards);
    restrictFile(join(dir, MANIFEST));
    if (found.format === FORMAT_VERSION) return found;
    // Before the shards are: who cannot read the new format must not get as far as their files.
    const upgraded = { ...found, format: FORMAT_VERSION };
    writeManifest(dir, upgraded);
    return upgraded;
  }
  if (readdirSync(dir).some((name) => /^shard-\d+\.db$/.test(name))) {
    throw corrupt(dir, 'there are shard files but no manifest.json');
  }
  const manifest = createManifest(options.shards ?? options.defaultShards);
  syncNames(dir);
  writeManifest(dir, manifest);
  return manifest;
}

/** The manifest of a new directory, not yet written. */
export function createManifest(shards: number): Manifest {
  if (!Number.isInteger(shards) || shards < 1 || shards > SHARDS_MAX) {
    throw new BusError('OPTION_INVALID', `shards must be 1 to ${SHARDS_MAX}, not ${shards}`);
  }
  const createdAt = new Date().toISOString();
  return { format: FORMAT_VERSION, shards, epoch: newEpochId(), createdAt, earlier: [] };
}

/** `undefined` where there is none. Does not create anything. */
export function readManifest(dir: string): Manifest | undefined {
  let text: string;
  try {
    text = readFileSync(join(dir, MANIFEST), 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw storeError(error, join(dir, MANIFEST), 'reading');
  }
  return parseManifest(dir, text);
}

export function writeManifest(dir: string, manifest: Manifest): void {
  const file = join(dir, MANIFEST);
  const temporary = `${file}.new`;
  try {
    const descriptor = openSync(temporary, 'w', 0o600);
    try {
      fchmodSync(descriptor, 0o600);
      writeSync(descriptor, `${JSON.stringify(manifest, null, 2)}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
    syncDirectory(dir);
  } catch (error) {
    throw storeError(error, file, 'writing');
  }
}

/**
 * Ends the current epoch: what follows is a history of its own, and cursors of before are mapped.
 * `heads` are the heads that the shards go on from.
 */
export function newEpoch(
  dir: string,
  manifest: Manifest,
  reason: string,
  heads: readonly number[],
): Manifest {
  const ended: EarlierEpoch = {
    epoch: manifest.epoch,
    endedAt: new Date().toISOString(),
    reason,
    heads: [...heads],
  };
  const earlier = [...manifest.earlier, ended].slice(-EARLIER_EPOCHS_MAX);
  const { format, shards, createdAt } = manifest;
  const next: Manifest = { format, shards, epoch: newEpochId(), createdAt, earlier };
  writeManifest(dir, next);
  return next;
}

/**
 * Where a cursor continues in the current epoch. A position past what its epoch, or one after it, kept is
 * cut back to that, with a gap for what is gone.
 * @throws BusError `CURSOR_EXPIRED` for an unknown epoch, `CURSOR_INVALID` for another number of shards
 */
export function resolveCursor(manifest: Manifest, cursor: CursorPositions): ResolvedCursor {
  const { shards, epoch, earlier } = manifest;
  if (cursor.positions.length !== shards) {
    const found = cursor.positions.length;
    throw new BusError('CURSOR_INVALID', `the cursor has ${found} shards, the log ${shards}`, {
      details: { expected: shards, found },
    });
  }
  const positions = [...cursor.positions];
  if (cursor.epoch === epoch) return { positions, gaps: [] };
  const first = earlier.findIndex((one) => one.epoch === cursor.epoch);
  if (first < 0) {
    throw new BusError('CURSOR_EXPIRED', `the cursor is of epoch ${cursor.epoch}, now unknown`, {
      details: { epoch: cursor.epoch, current: epoch },
    });
  }
  const gaps: CursorGap[] = [];
  for (const [shard, position] of positions.entries()) {
    let kept = position;
    for (const { heads } of earlier.slice(first)) kept = Math.min(kept, heads[shard] ?? 0);
    positions[shard] = kept;
    if (kept < position) gaps.push({ shard, from: kept + 1, to: position, reason: 'rolled-back' });
  }
  return { positions, gaps };
}

function assertShards(dir: string, expected: number | undefined, found: number): void {
  if (expected === undefined || expected === found) return;
  throw new BusError(
    'SHARD_COUNT_MISMATCH',
    `${dir} has ${found} shards, not ${expected}; ` +
      `millrace reshard ${dir} --shards ${expected} --to DIR2 converts it`,
    { details: { dir, expected, found } },
  );
}

/** Makes the directory, for its owner alone, unless it is there. */
export function ensureDirectory(dir: string): void {
  assertIsNoFile(dir);
  try {
    makeDirectory(dir);
  } catch (error) {
    throw storeError(error, dir, 'creating');
  }
}

function assertIsNoFile(dir: string): void {
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory() !== false) return;
  const message = `dir ${dir} is a file; a bus needs a directory`;
  throw new BusError('OPTION_INVALID', message, { details: { dir } });
}

function newEpochId(): string {
  return randomBytes(8).toString('hex');
}

function corrupt(dir: string, reason: string): BusError {
  const file = join(dir, MANIFEST);
  return new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
}

function parseManifest(dir: string, text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw corrupt(dir, 'it is not JSON');
  }
  if (!isManifest(value)) throw corrupt(dir, 'it lacks a field or has one of the wrong type');
  if (value.format < FORMAT_VERSION_MIN || value.format > FORMAT_VERSION) {
    const reason = `its format is ${value.format}, not ${FORMAT_VERSION}`;
    throw new BusError('STORE_FAILED', `${join(dir, MANIFEST)}: ${reason}`, {
      details: { expected: FORMAT_VERSION, found: value.format },
    });
  }
  return value;
}

function isManifest(value: unknown): value is Manifest {
  if (typeof value !== 'object' || value === null) return false;
  const { format, shards, epoch, createdAt, earlier, backup } = value as Partial<Manifest>;
  return (
    Number.isInteger(format) &&
    typeof shards === 'number' &&
    Number.isInteger(shards) &&
    shards >= 1 &&
    shards <= SHARDS_MAX &&
    typeof epoch === 'string' &&
    typeof createdAt === 'string' &&
    Array.isArray(earlier) &&
    earlier.every((one) => isEarlierEpoch(one, shards)) &&
    (backup === undefined || typeof backup?.takenAt === 'string')
  );
}

function isEarlierEpoch(value: unknown, shards: number): value is EarlierEpoch {
  if (typeof value !== 'object' || value === null) return false;
  const { epoch, endedAt, reason, heads } = value as Partial<EarlierEpoch>;
  return (
    typeof epoch === 'string' &&
    typeof endedAt === 'string' &&
    typeof reason === 'string' &&
    Array.isArray(heads) &&
    heads.length === shards &&
    heads.every((head) => Number.isSafeInteger(head) && head >= 0)
  );
}
