import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BusError } from '../../protocol/errors.js';
import { SHARDS_MAX } from '../../protocol/limits.js';
import type { CursorGap, CursorPositions, ResolvedCursor } from '../cursor-positions.js';
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

/** Earlier epochs kept; a cursor older than that has expired. */
const EARLIER_EPOCHS_MAX = 256;

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
    if (found.id !== undefined) return found;
    // Before the shards are: who cannot read the new format must not get as far as their files.
    const upgraded = { ...found, format: FORMAT_VERSION, id: newId(), isNew: true };
    writeManifest(dir, upgraded);
    return upgraded;
  }
  if (readdirSync(dir).some((name) => /^shard-\d+\.db$/.test(name))) {
    throw corruptManifest(dir, 'there are shard files but no manifest.json');
  }
  const manifest = createManifest(options.shards ?? options.defaultShards);
  syncNames(dir);
  writeManifest(dir, manifest);
  return manifest;
}

/** All logs are there and say whose they are: from now on one that does not is missed. */
export function endNew(dir: string, manifest: Manifest): Manifest {
  const { isNew: _, ...kept } = manifest;
  writeManifest(dir, kept);
  return kept;
}

/** The manifest of a new directory, not yet written. */
export function createManifest(shards: number): Manifest {
  if (!Number.isInteger(shards) || shards < 1 || shards > SHARDS_MAX) {
    throw new BusError('OPTION_INVALID', `shards must be 1 to ${SHARDS_MAX}, not ${shards}`);
  }
  const createdAt = new Date().toISOString();
  return {
    format: FORMAT_VERSION,
    id: newId(),
    isNew: true,
    shards,
    epoch: newId(),
    createdAt,
    earlier: [],
  };
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
  const { backup: _, ...kept } = manifest;
  const next: Manifest = { ...kept, epoch: newId(), earlier, heads: [...heads] };
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

/** Beyond the head nothing of this history exists: the logs were put back from an older copy. */
export function cutToHeads(
  { positions, gaps }: ResolvedCursor,
  heads: readonly number[],
): ResolvedCursor {
  const cut = positions.map((position, shard) => Math.min(position, heads[shard]!));
  for (const [shard, position] of positions.entries()) {
    const from = cut[shard]! + 1;
    if (from <= position) gaps.push({ shard, from, to: position, reason: 'rolled-back' });
  }
  return { positions: cut, gaps };
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

function newId(): string {
  return randomBytes(8).toString('hex');
}
