import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, ftruncateSync, openSync, statfsSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { RESERVE_BYTES_MAX } from '../../../protocol/limits/store.js';
import { ownFile } from '../../directory/files.js';
import { isOutOfRoom } from '../driver/room.js';

/**
 * Disk space that a log reserves for the time when the disk is full, as a file beside it, `shard-000.reserve`. A
 * removal is written to the WAL before it frees anything, and the WAL can start anew only when its new pages fit into
 * the database file. Releasing the reserve makes that room, so the reserve is kept at least as large as the WAL, up to
 * a limit. It holds random bytes, which a file system that compresses data cannot shrink.
 */
const STEP_BYTES = 1024 * 1024;
/** Space that filling the reserve leaves to others. */
const MARGIN_BYTES = 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** The reserve takes at most one part in this many of the disk. */
const DISK_SHARE = 8;

export class Reserve {
  /** The upper limit of `bytes`. */
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

  /** Whether the disk has less than `bytes` and a margin left. */
  isShortOf(bytes: number): boolean {
    const { blocks, bavail, bsize } = statfsSync(this.#directory);
    // A file system that reports no size reports no free space either.
    return blocks > 0 && bavail * bsize < bytes + MARGIN_BYTES;
  }

  /**
   * As `isShortOf`, for use after a write has found no room. It also tries a write, since a quota may be used up, which
   * the file system's numbers do not show.
   */
  isNeededFor(bytes: number): boolean {
    if (this.isShortOf(bytes)) return true;
    return isOutOfRoom(this.#directory, Math.min(bytes, this.bytesMax) + CHUNK_BYTES);
  }

  /** Grows to cover the bytes of the WAL. Returns false if the disk has no room for that. */
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
      // Another process took the room in the meantime, or a quota is used up.
      ftruncateSync(this.#descriptor, before);
      this.#bytes = before;
      return false;
    }
  }

  /** Gives the reserved space back to the disk. */
  release(): void {
    ftruncateSync(this.#descriptor, 0);
    this.#bytes = 0;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
