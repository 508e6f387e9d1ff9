import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { applySteps, isRecorded } from './disk.js';

/**
 * Images that a disk may hold after a power cut. Flushed changes are all there. Of a directory's other changes, the
 * image has none, all, the first few, or any subset. Of a file's other writes it has none, all, or the first few; or
 * each page or sector has the first few, independently of its neighbours. The file's size is that after any of the
 * writes.
 */
const SECTOR_BYTES = 512;
const PAGE_BYTES = 4096;
const KEPT_NAMES = ['none', 'all', 'first', 'any'];
const KEPT_WRITES = ['none', 'all', 'first', 'pages', 'sectors'];

/** Writes an image of `disk` to `target`. @returns how it was made, in words */
export function writeImage(disk, target, random) {
  const names = random.pick(KEPT_NAMES);
  const writes = random.pick([...KEPT_WRITES, 'mixed']);
  const choice = { names, writes, random };
  writeDirectory(disk, disk.root, target, choice);
  return `names: ${names}, writes: ${writes}`;
}

function writeDirectory(disk, path, target, choice) {
  mkdirSync(target, { recursive: true });
  for (const [name, file] of keptNames(disk.directories.get(path), choice)) {
    if (file === 'directory') {
      writeDirectory(disk, join(path, name), join(target, name), choice);
    } else if (isRecorded(name)) {
      writeFileSync(join(target, name), keptBytes(file, choice));
    }
  }
}

function keptNames(directory, { names, random }) {
  const kept = new Map(directory.durable);
  const count = directory.pending.length;
  const first = names === 'first' ? random.below(count + 1) : names === 'none' ? 0 : count;
  for (const steps of directory.pending.slice(0, first)) {
    if (names !== 'any' || random.chance(0.5)) applySteps(kept, steps);
  }
  return kept;
}

/** The bytes of one file in the image. */
export function keptBytes(file, { writes, random }) {
  const how = writes === 'mixed' ? random.pick(KEPT_WRITES) : writes;
  const count = file.pending.length;
  if (how === 'none' || count === 0) return file.read(0);
  if (how === 'all') return file.read(count);
  if (how === 'first') return file.read(random.below(count + 1));
  return torn(file, how === 'pages' ? PAGE_BYTES : SECTOR_BYTES, random);
}

/** Each piece is as after any number of the writes; most are as after all of them, or as before any. */
function torn(file, piece, random) {
  const states = [file.read(0), file.read(file.pending.length)];
  for (let n = 0; n < 3; n++) states.push(file.read(random.below(file.pending.length + 1)));
  const size = random.pick(states).length;
  const bytes = Buffer.alloc(size);
  const keeps = random.pick([0.05, 0.5, 0.95]);
  for (let at = 0; at < size; at += piece) {
    const state = random.chance(0.8) ? states[random.chance(keeps) ? 1 : 0] : random.pick(states);
    if (at < state.length) state.copy(bytes, at, at, Math.min(at + piece, state.length));
  }
  return bytes;
}
