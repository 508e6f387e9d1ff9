import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, ftruncateSync, openSync, statfsSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { RESERVE_BYTES_MAX } from '../../../protocol/limits.js';
import { ownFile } from '../../directory/files.js';
import { isOutOfRoom } from '../driver/room.js';

/**
 * Room on the disk that a log keeps for the day on which the disk is full, as a file of its own beside it,
 * `shard-000.reserve`. A removal is written to the WAL before it makes room, and a WAL that holds new pages needs as much
 * room in the file before it can start anew: given back, the reserve is that room. So it has at least as many bytes as the
 * WAL, up to a limit. Its bytes mean nothing; a file system that packs data must not make little of them.
 */
const STEP_BYTES = 1024 * 1024;
/** Left over for others when the reserve is filled. */
const MARGIN_BYTES = 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** Of a small disk, no more than this share. */
const DISK_SHARE = 8;

export class Reserve {
  /** It never has more bytes than this. */
  readonly bytesMax: number;
  readonly #directory: string;
  readonly #descriptor: number;
  #bytes: number;

  constructor(databaseFile: string) {
    this.#directory = dirname(databaseFile);
    const file = databaseFile.replace(/\.db$/, '.reserve');
    ownFile(file);
    this.#descriptor = openSync(file, 'a+');
    this.#bytes = fstatSync(this.#descriptor).size;
    const { blocks, bsize } = statfsSync(this.#directory);
    const share = blocks === 0 ? RESERVE_BYTES_MAX : Math.floor((blocks * bsize) / DISK_SHARE);
    this.bytesMax = Math.min(RESERVE_BYTES_MAX, share);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the disk has less left than so many bytes. */
  isShortOf(bytes: number): boolean {
    const { blocks, bavail, bsize } = statfsSync(this.#directory);
    // A file system that does not know its size does not know what is left either.
    return blocks > 0 && bavail * bsize < bytes + MARGIN_BYTES;
  }

  /** As `isShortOf`, where something has found no room: it may be a quota's, of which the disk says nothing. */
  isNeededFor(bytes: number): boolean {
    if (this.isShortOf(bytes)) return true;
    return isOutOfRoom(this.#directory, Math.min(bytes, this.bytesMax) + CHUNK_BYTES);
  }

  /** Grows so that it covers what the WAL holds. False where the disk has no room for that. */
  cover(walBytes: number): boolean {
    const steps = Math.max(1, Math.ceil(walBytes / STEP_BYTES));
    const wanted = Math.min(steps * STEP_BYTES, this.bytesMax);
    const before = this.#bytes;
    if (before >= wanted) return true;
    if (this.isShortOf(wanted - before)) return false;
    try {
      const chunk = randomBytes(CHUNK_BYTES);
      while (this.#bytes < wanted) this.#bytes += writeSync(this.#descriptor, chunk);
      return true;
    } catch {
      // Somebody else took the room in the meantime.
      ftruncateSync(this.#descriptor, before);
      this.#bytes = before;
      return false;
    }
  }

  /** Gives its room back to the disk. */
  release(): void {
    ftruncateSync(this.#descriptor, 0);
    this.#bytes = 0;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
