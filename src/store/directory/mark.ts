import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { ownFile, syncDirectory } from './files.js';

/**
 * The high-water mark of a log, kept beside it in `shard-000.mark`: the head after the last commit, the head that was
 * flushed to disk, the number of frames in the WAL, the machine's boot id, and the epoch. Only the first mark of a file
 * and of an epoch is flushed: later ones survive the death of the process, and a power cut may leave an older one. A log
 * whose head is below its mark has lost commits that readers may have seen. A log without a sound mark may have, unless
 * it was closed and ends where the manifest says.
 *
 * ```
 *  0  head (float64)                     8  syncedHead (float64)
 * 16  boot (8 bytes, 0 = unknown)       24  epoch (float64)
 * 32  walFrames (uint32)                36  CRC-32 of 0–35
 * ```
 *
 * In format 1 a boot id of 16 bytes filled bytes 16 to 31, and there was no epoch.
 */
const HEAD = 0;
const SYNCED_HEAD = HEAD + 8;
const BOOT = SYNCED_HEAD + 8;
const EPOCH = BOOT + 8;
const WAL_FRAMES = EPOCH + 8;
const CHECKSUM = WAL_FRAMES + 4;
const MARK_BYTES = CHECKSUM + 4;

export interface Mark {
  readonly head: number;
  readonly syncedHead: number;
  readonly epoch: number;
  /** Number of frames in the WAL after that commit. */
  readonly walFrames: number;
  /** Whether the mark was written since the machine started, so that no power cut has happened in between. */
  readonly isOfThisBoot: boolean;
}

export function markFile(databaseFile: string): string {
  return databaseFile.replace(/\.db$/, '.mark');
}

/** Reads a mark; `undefined` if the file is missing or torn. */
export function readMark(file: string): Mark | undefined {
  const bytes = Buffer.alloc(MARK_BYTES);
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch {
    return undefined;
  }
  try {
    if (readSync(descriptor, bytes, 0, MARK_BYTES, 0) !== MARK_BYTES) return undefined;
  } finally {
    closeSync(descriptor);
  }
  if (bytes.readUInt32LE(CHECKSUM) !== crc32(bytes.subarray(0, CHECKSUM))) return undefined;
  return {
    head: bytes.readDoubleLE(HEAD),
    syncedHead: bytes.readDoubleLE(SYNCED_HEAD),
    epoch: bytes.readDoubleLE(EPOCH),
    walFrames: bytes.readUInt32LE(WAL_FRAMES),
    isOfThisBoot: bootId()?.equals(bytes.subarray(BOOT, EPOCH)) === true,
  };
}

export interface MarkStart {
  readonly syncedHead: number;
  readonly epoch: number;
  /**
   * A head that readers saw and that is lost; 0: none. It stays in the mark until another epoch begins, so that every
   * later opening finds the loss.
   */
  readonly lostHead: number;
}

export class MarkWriter {
  readonly #file: string;
  readonly #bytes = Buffer.alloc(MARK_BYTES);
  readonly #descriptor: number;
  readonly #lostHead: number;
  #syncedHead: number;

  constructor(file: string, { syncedHead, epoch, lostHead }: MarkStart) {
    ownFile(file);
    this.#file = file;
    this.#descriptor = openSync(file, constants.O_RDWR);
    this.#syncedHead = syncedHead;
    this.#lostHead = lostHead;
    bootId()?.copy(this.#bytes, BOOT);
    this.#bytes.writeDoubleLE(epoch, EPOCH);
  }

  write(head: number, synced: boolean, walFrames: number): void {
    const bytes = this.#bytes;
    if (synced) this.#syncedHead = head;
    bytes.writeDoubleLE(Math.max(head, this.#lostHead), HEAD);
    bytes.writeDoubleLE(this.#syncedHead, SYNCED_HEAD);
    bytes.writeUInt32LE(walFrames, WAL_FRAMES);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, CHECKSUM)), CHECKSUM);
    writeSync(this.#descriptor, bytes, 0, MARK_BYTES, 0);
  }

  /** Flushes the mark and its name. Later marks take the place of this one, so that a power cut leaves one of them. */
  flush(): void {
    fsyncSync(this.#descriptor);
    syncDirectory(dirname(this.#file));
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/**
 * The first 8 bytes of Linux's boot id, enough to tell boots apart. `undefined` elsewhere, where a power cut cannot be
 * ruled out.
 */
function bootId(): Buffer | undefined {
  try {
    const text = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1');
    const bytes = Buffer.from(text.replaceAll('-', '').trim(), 'hex');
    return bytes.length === 16 ? bytes.subarray(0, EPOCH - BOOT) : undefined;
  } catch {
    return undefined;
  }
}
