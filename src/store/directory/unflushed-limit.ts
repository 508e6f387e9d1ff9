import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { ownFile, syncDirectory } from './files.js';

/**
 * `shard-000.unflushed`: up to which sequence events may have been shown that no flush has reached, because their
 * publishers asked for `written`. It is flushed before the first of them is committed, in large steps, and taken back
 * without a flush once all is flushed again, as at opening and at close: so after a power cut it says too much at worst. A log that nobody
 * writes to that way has no such file.
 *
 * ```
 *  0  through (float64, 0: none)     8  epoch (float64)     16  CRC-32 of 0–15
 * ```
 */
const THROUGH = 0;
const EPOCH = THROUGH + 8;
const CHECKSUM = EPOCH + 8;
const RESERVATION_BYTES = CHECKSUM + 4;
/** One flush for so many events. */
const STEP_EVENTS = 131_072;

export interface Reserved {
  readonly through: number;
  /** `undefined`: it was torn, and may be of any. */
  readonly epoch: number | undefined;
}

export function unflushedFile(databaseFile: string): string {
  return databaseFile.replace(/\.db$/, '.unflushed');
}

/** `undefined` where nothing was ever reserved. */
export function readUnflushedLimit(databaseFile: string): Reserved | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(unflushedFile(databaseFile));
  } catch {
    return undefined;
  }
  const isWhole =
    bytes.length >= RESERVATION_BYTES &&
    bytes.readUInt32LE(CHECKSUM) === crc32(bytes.subarray(0, CHECKSUM));
  if (!isWhole) return { through: Number.MAX_SAFE_INTEGER, epoch: undefined };
  return { through: bytes.readDoubleLE(THROUGH), epoch: bytes.readDoubleLE(EPOCH) };
}

export class UnflushedLimit {
  readonly #file: string;
  readonly #epoch: number;
  readonly #bytes = Buffer.alloc(RESERVATION_BYTES);
  #descriptor: number | undefined;
  #isNameFlushed = false;
  #through: number;
  /** What the file says of any epoch, or may say. */
  #isReserved: boolean;

  constructor(databaseFile: string, epoch: number) {
    this.#file = unflushedFile(databaseFile);
    this.#epoch = epoch;
    const found = readUnflushedLimit(databaseFile);
    this.#through = found?.epoch === epoch ? found.through : 0;
    this.#isReserved = (found?.through ?? 0) > 0;
  }

  /** Whether events up to `sequence` may be committed without a flush. */
  covers(sequence: number): boolean {
    return sequence <= this.#through;
  }

  /** Flushed when it returns. Outside a transaction. */
  extend(head: number): void {
    const through = head + STEP_EVENTS;
    this.#isReserved = true;
    this.#write(through);
    fdatasyncSync(this.#descriptor!);
    if (!this.#isNameFlushed) syncDirectory(dirname(this.#file));
    this.#isNameFlushed = true;
    this.#through = through;
  }

  /** All that was committed is flushed, and nothing else will be shown before it is. */
  clear(): void {
    if (!this.#isReserved) return;
    this.#through = 0;
    try {
      this.#write(0);
      this.#isReserved = false;
    } catch {
      // It says too much, which is never wrong.
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #write(through: number): void {
    if (this.#descriptor === undefined) {
      ownFile(this.#file);
      this.#descriptor = openSync(this.#file, 'r+');
    }
    const bytes = this.#bytes;
    bytes.writeDoubleLE(through, THROUGH);
    bytes.writeDoubleLE(this.#epoch, EPOCH);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, CHECKSUM)), CHECKSUM);
    writeSync(this.#descriptor, bytes, 0, RESERVATION_BYTES, 0);
  }
}
