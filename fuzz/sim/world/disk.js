import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/**
 * What the disk is sure to have of a directory: the content of each file at its last flush. After a power cut each sector
 * that has changed since is there or not. Names of files count as kept at once; `npm run fuzz:storage` loses names too.
 */
const SECTOR_BYTES = 512;
const CHECKPOINT = /wal_checkpoint\((?!NOOP)/i;
/** Of a write-ahead log: what its frames have to fit. */
const HEADER_BYTES = 32;
const READS = /^(SELECT|WITH|EXPLAIN|PRAGMA|BEGIN|ROLLBACK)/i;

export class Disk {
  #dir;
  /** @type {Map<string, Buffer>} */
  #kept = new Map();

  constructor(dir) {
    this.#dir = dir;
    if (!existsSync(dir)) return;
    for (const name of readdirSync(dir)) this.#keep(join(dir, name));
  }

  /** A descriptor was flushed. */
  flushed(descriptor) {
    const file = readlinkSync(`/proc/self/fd/${descriptor}`);
    if (file.startsWith(`${this.#dir}/`)) this.#keep(file);
  }

  renamed(from, to) {
    const kept = this.#kept.get(from);
    if (kept !== undefined) this.#kept.set(to, kept);
  }

  /** A statement was done: outside a transaction, a write in `synchronous=FULL` and a checkpoint have flushed. */
  performed({ name, isFull, inTransaction }, sql) {
    if (inTransaction || !name.startsWith(`${this.#dir}/`)) return;
    const isCheckpoint = CHECKPOINT.test(sql);
    if (!isCheckpoint && READS.test(sql)) return;
    if (!isCheckpoint && !isFull) {
      this.#keepHeader(`${name}-wal`);
      return;
    }
    this.#keep(`${name}-wal`);
    if (isCheckpoint) this.#keep(name);
  }

  /** A connection was closed; the last one has copied the write-ahead log into the file. */
  closed(name) {
    if (!name.startsWith(`${this.#dir}/`) || existsSync(`${name}-wal`)) return;
    this.#kept.delete(`${name}-wal`);
    this.#keep(name);
  }

  /**
   * The power fails: leaves in the directory what is kept, and some of the sectors that are not.
   * @param {import('../../storage/random.js').Random} random
   */
  cut(random) {
    const luck = random.pick([0, 0.5, 0.9, 1]);
    for (const name of readdirSync(this.#dir)) {
      const file = join(this.#dir, name);
      if (name.endsWith('-shm')) rmSync(file);
      else writeFileSync(file, torn(this.#kept.get(file), readFileSync(file), random, luck));
    }
  }

  /**
   * Whoever begins a write-ahead log anew flushes its header before the first frame, in `synchronous=NORMAL` too: of the
   * frames of before none is valid then.
   */
  #keepHeader(wal) {
    if (!existsSync(wal)) return;
    const header = Buffer.alloc(HEADER_BYTES);
    const descriptor = openSync(wal, 'r');
    const length = readSync(descriptor, header, 0, HEADER_BYTES, 0);
    closeSync(descriptor);
    const kept = this.#kept.get(wal) ?? Buffer.alloc(0);
    if (length < HEADER_BYTES || header.equals(kept.subarray(0, HEADER_BYTES))) return;
    this.#kept.set(wal, Buffer.concat([header, kept.subarray(HEADER_BYTES)]));
  }

  #keep(file) {
    if (existsSync(file) && !file.endsWith('-shm')) this.#kept.set(file, readFileSync(file));
  }
}

/** @param {any} kept */
function torn(kept = Buffer.alloc(0), present, random, luck) {
  const bytes = Buffer.alloc(Math.max(kept.length, present.length));
  kept.copy(bytes);
  let length = kept.length;
  for (let at = 0; at < present.length; at += SECTOR_BYTES) {
    const end = Math.min(at + SECTOR_BYTES, present.length);
    if (random.next() >= luck) continue;
    present.copy(bytes, at, at, end);
    length = Math.max(length, end);
  }
  return bytes.subarray(0, length);
}
