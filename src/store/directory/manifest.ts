import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { BusError } from '../../protocol/errors.js';
import { TOPIC_SEGMENTS_MAX } from '../../protocol/limits/events.js';
import { SHARDS_MAX } from '../../protocol/limits/shards.js';
import { codeOf } from '../../protocol/thrown.js';
import type { ShardBy } from '../log-store.js';
import { storeError } from '../sqlite/driver/store-errors.js';
import { replaceFile } from './files.js';
import { assertPlainFiles } from './plain-files.js';

/**
 * `manifest.json` describes a directory of logs. Each write replaces the whole file (temporary file, flush, rename,
 * flush of the directory), so a reader finds the old or the new manifest; a checksum covers it. In a directory in use
 * only the main thread writes it, under the lock.
 */
export const FORMAT_VERSION = 5;
/** The oldest format that can be read. Opening such a directory for writing upgrades it to `FORMAT_VERSION`. */
export const FORMAT_VERSION_MIN = 1;

export interface Manifest {
  readonly format: number;
  /** The directory's id, which each of its logs carries too. Absent in format 1. */
  readonly id?: string;
  /** True until every log exists and carries the directory's id. Only until then may a log be missing. */
  readonly isNew?: boolean;
  readonly shards: number;
  /** Which part of a topic decides its shard. Absent: the whole topic. Since format 4, which only manifests had. */
  readonly shardBy?: ShardBy;
  /** The current epoch. */
  readonly epoch: string;
  readonly createdAt: string;
  readonly earlier: readonly EarlierEpoch[];
  /** Per shard, a head that it is known to have had in this epoch: at the last close, or at the epoch's start. */
  readonly heads?: readonly number[];
  /** Present in a backup. Opening a backup begins a new epoch. */
  readonly backup?: BackupNote;
}

export interface BackupNote {
  readonly takenAt: string;
  /** Per shard, the last sequence in the backup. */
  readonly heads: readonly number[];
  /** Cursor of a subscription that has seen every event in the backup. */
  readonly cursor: string;
}

export interface EarlierEpoch {
  readonly epoch: string;
  readonly endedAt: string;
  readonly reason: string;
  /** Per shard, the head that the next epoch took over. Sequences of this epoch beyond it no longer exist. */
  readonly heads: readonly number[];
}

export const MANIFEST = 'manifest.json';

/**
 * Reads the manifest, or returns `undefined` if there is none. Creates nothing. Refuses a directory whose files are not
 * its own.
 * @throws BusError `STORE_CORRUPT`, `STORE_FAILED`
 */
export function readManifest(dir: string): Manifest | undefined {
  assertPlainFiles(dir);
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
  const text = JSON.stringify({ ...manifest, checksum: checksumOf(manifest) }, null, 2);
  try {
    replaceFile(file, `${text}\n`);
  } catch (error) {
    throw storeError(error, file, 'writing');
  }
}

export function corruptManifest(dir: string, reason: string): BusError {
  const file = join(dir, MANIFEST);
  return new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
}

/** Covers the fields in their order, but not the white space. */
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

/**
 * Returns the manifest without its checksum. Format 1 has neither id nor checksum; an id without a checksum is damage.
 */
function checked(dir: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (!('checksum' in value)) {
    if ('id' in value) throw corruptManifest(dir, 'its checksum is missing');
    return value;
  }
  const { checksum, ...manifest } = value;
  if (checksum === checksumOf(manifest)) return manifest;
  throw corruptManifest(dir, 'its checksum does not match: it was damaged, or changed by hand');
}

function isManifest(value: unknown): value is Manifest {
  if (typeof value !== 'object' || value === null) return false;
  const { format, shards, shardBy, epoch, createdAt, earlier, backup } = value as Partial<Manifest>;
  return (
    Number.isInteger(format) &&
    typeof shards === 'number' &&
    Number.isInteger(shards) &&
    shards >= 1 &&
    shards <= SHARDS_MAX &&
    (shardBy === undefined || isShardBy(shardBy)) &&
    typeof epoch === 'string' &&
    typeof createdAt === 'string' &&
    Array.isArray(earlier) &&
    earlier.every((one) => isEarlierEpoch(one, shards)) &&
    (backup === undefined || typeof backup?.takenAt === 'string')
  );
}

function isShardBy({ segments }: ShardBy): boolean {
  return Number.isInteger(segments) && segments >= 1 && segments <= TOPIC_SEGMENTS_MAX;
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
