import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { BusError } from '../../protocol/errors.js';
import { SHARDS_MAX } from '../../protocol/limits.js';
import { codeOf } from '../../protocol/thrown.js';
import { storeError } from '../sqlite/driver/store-errors.js';
import { syncDirectory } from './files.js';

/**
 * `manifest.json`: what a directory of logs is. It is replaced as a whole (temporary file, flush, rename, flush of
 * the directory), so it is always the old one or the new one, and carries a checksum. The main thread alone writes it,
 * under the lock.
 */
export const FORMAT_VERSION = 2;
/** The oldest that is still read; whoever opens it for writing makes it the newest. */
export const FORMAT_VERSION_MIN = 1;

export interface Manifest {
  readonly format: number;
  /** Of the directory, and of its logs, which have it too. Since format 2. */
  readonly id?: string;
  /** Until all logs are there, and say that they are this directory's: a log may be missing only then. */
  readonly isNew?: boolean;
  readonly shards: number;
  /** The identity of the history that is being written. */
  readonly epoch: string;
  readonly createdAt: string;
  readonly earlier: readonly EarlierEpoch[];
  /** Per shard, a head that it had in this epoch: as of the last close. */
  readonly heads?: readonly number[];
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

export const MANIFEST = 'manifest.json';

/** `undefined` where there is none. Does not create anything. @throws BusError `STORE_CORRUPT`, `STORE_FAILED` */
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
  const text = JSON.stringify({ ...manifest, checksum: checksumOf(manifest) }, null, 2);
  try {
    const descriptor = openSync(temporary, 'w', 0o600);
    try {
      fchmodSync(descriptor, 0o600);
      // All of it: what a disk has room for may be less, and a plain write is content with that.
      writeFileSync(descriptor, `${text}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
    syncDirectory(dir);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw storeError(error, file, 'writing');
  }
}

export function corruptManifest(dir: string, reason: string): BusError {
  const file = join(dir, MANIFEST);
  return new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
}

/** Of the fields in their order, whatever the white space. */
function checksumOf(manifest: object): string {
  return crc32(JSON.stringify(manifest)).toString(16).padStart(8, '0');
}

function parseManifest(dir: string, text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw corruptManifest(dir, 'it is not JSON');
  }
  const manifest = checked(dir, value);
  if (!isManifest(manifest)) {
    throw corruptManifest(dir, 'it lacks a field or has one of the wrong type');
  }
  if (manifest.format < FORMAT_VERSION_MIN || manifest.format > FORMAT_VERSION) {
    const reason = `its format is ${manifest.format}, not ${FORMAT_VERSION}`;
    throw new BusError('STORE_FAILED', `${join(dir, MANIFEST)}: ${reason}`, {
      details: { expected: FORMAT_VERSION, found: manifest.format },
    });
  }
  return manifest;
}

/** Format 1 had neither an id nor a checksum; one without the other is damage. */
function checked(dir: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (!('checksum' in value)) {
    if ('id' in value) throw corruptManifest(dir, 'its checksum is missing');
    return value;
  }
  const { checksum, ...manifest } = value;
  if (checksum === checksumOf(manifest)) return manifest;
  throw corruptManifest(dir, 'its checksum does not fit: it was damaged, or changed by hand');
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
