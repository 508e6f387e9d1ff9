import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BusError } from '../../protocol/errors.js';
import { SHARDS_MAX } from '../../protocol/limits/shards.js';
import type { CursorGap, CursorPositions, ResolvedCursor } from '../cursor-positions.js';
import type { ShardBy } from '../log-store.js';
import { storeError } from '../sqlite/driver/store-errors.js';
import { makeDirectory, restrictFile, syncNames } from './files.js';
import {
  corruptManifest,
  type EarlierEpoch,
  FORMAT_VERSION,
  MANIFEST,
  type Manifest,
  readManifest,
  writeManifest,
} from './manifest.js';

/** How many ended epochs a manifest keeps. A cursor of an epoch before them has expired. */
const EARLIER_EPOCHS_MAX = 256;

/**
 * Reads the directory's manifest, or makes the directory and a new manifest.
 * @param options `shards`: the number that the manifest must have, or any if left out; `defaultShards`: for a new
 * directory
 * @throws BusError `SHARD_COUNT_MISMATCH`, `STORE_CORRUPT`, `STORE_FAILED`
 */
export function openManifest(
  dir: string,
  options: {
    shards?: number | undefined;
    defaultShards: number;
    shardBy?: ShardBy | undefined;
  },
): Manifest {
  ensureDirectory(dir);
  const found = readManifest(dir);
  if (found !== undefined) {
    assertShards(dir, options.shards, found.shards);
    restrictFile(join(dir, MANIFEST));
    if (found.format === FORMAT_VERSION && found.id !== undefined) return found;
    // The manifest is upgraded before the shards' files, so that an older version refuses the directory before it opens
    // a file that it cannot read.
    const named = found.id === undefined ? { ...found, id: newId(), isNew: true } : found;
    const upgraded = { ...named, format: FORMAT_VERSION };
    writeManifest(dir, upgraded);
    return upgraded;
  }
  if (readdirSync(dir).some((name) => /^shard-\d+\.db$/.test(name))) {
    throw corruptManifest(dir, 'there are shard files but no manifest.json');
  }
  const manifest = createManifest(options.shards ?? options.defaultShards, options.shardBy);
  syncNames(dir);
  writeManifest(dir, manifest);
  return manifest;
}

/**
 * Ends the making of a directory, once every log exists and carries the directory's id. From now on a missing log is an
 * error.
 */
export function endNew(dir: string, manifest: Manifest): Manifest {
  const { isNew: _, ...kept } = manifest;
  writeManifest(dir, kept);
  return kept;
}

/** The manifest of a new directory, not yet written. */
export function createManifest(shards: number, shardBy?: ShardBy): Manifest {
  if (!Number.isInteger(shards) || shards < 1 || shards > SHARDS_MAX) {
    throw new BusError('OPTION_INVALID', `shards must be 1 to ${SHARDS_MAX}, not ${shards}`);
  }
  const createdAt = new Date().toISOString();
  return {
    format: FORMAT_VERSION,
    id: newId(),
    isNew: true,
    shards,
    ...(shardBy === undefined ? {} : { shardBy: { segments: shardBy.segments } }),
    epoch: newId(),
    createdAt,
    earlier: [],
  };
}

/**
 * Ends the current epoch and writes a manifest with a new one. `resolveCursor` maps cursors of the ended epoch.
 * @param heads per shard, the last sequence that the new epoch takes over
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
  const { backup: _, ...kept } = manifest;
  const next: Manifest = { ...kept, epoch: newId(), earlier, heads: [...heads] };
  writeManifest(dir, next);
  return next;
}

/**
 * Maps a cursor to the current epoch. A position beyond the head that the cursor's epoch, or a later one, handed on is
 * cut back to that head, and a gap covers the sequences that are gone.
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

/**
 * Makes the directory, accessible to its owner only, unless it exists.
 * @throws BusError `OPTION_INVALID` if it is a file
 */
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

function newId(): string {
  return randomBytes(8).toString('hex');
}
