import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { ownFile, syncDirectory } from './files.js';

/**
 * `shard-000.unflushed` holds the sequence up to which readers may have seen events that are not flushed, because their
 * publishers asked for `written`. The limit is raised in large steps, each flushed before the first event that it
 * covers is committed. It is reset, without a flush, once all events are flushed again, and at opening and close. So a
 * power cut can leave it too high, but never too low. A log without `written` publishes has no such file.
 *
 * ```
 *  0  through (float64, 0: none)     8  epoch (float64)     16  CRC-32 of 0–15
 * ```
 */
const THROUGH = 0;
const EPOCH = THROUGH + 8;
const CHECKSUM = EPOCH + 8;
const RESERVATION_BYTES = CHECKSUM + 4;
/** How many events one step covers, and so how many share one flush of the limit. */
const STEP_EVENTS = 131_072;

export interface Reserved {
  readonly through: number;
  /** `undefined` if the file was torn: the limit may belong to any epoch. */
  readonly epoch: number | undefined;
}

export function unflushedFile(databaseFile: string): string {
  return databaseFile.replace(/\.db$/, '.unflushed');
}

/** Reads the limit; `undefined` if none was ever set. A torn file counts as the highest limit. */
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
  /** Whether the file may hold a limit above 0, of this epoch or another. */
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

  /** Raises the limit to one step above `head` and flushes it. Call it outside a transaction. */
  extend(head: number): void {
    const through = head + STEP_EVENTS;
    this.#isReserved = true;
    this.#write(through);
    fdatasyncSync(this.#descriptor!);
    if (!this.#isNameFlushed) syncDirectory(dirname(this.#file));
    this.#isNameFlushed = true;
    this.#through = through;
  }

  /**
   * Resets the limit. The caller guarantees that every committed event is flushed, and that readers see no later one
   * before it is flushed.
   */
  clear(): void {
    if (!this.#isReserved) return;
    this.#through = 0;
    try {
      this.#write(0);
      this.#isReserved = false;
    } catch {
      // A limit that is too high is safe.
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
