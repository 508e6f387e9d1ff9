import { closeSync, existsSync, fstatSync, openSync, readSync, truncateSync } from 'node:fs';
import { BusError } from '../../protocol/errors.js';
import type { Mark } from './mark.js';
import type { Reserved } from './unflushed-limit.js';

/**
 * Scans a write-ahead log before SQLite opens it. SQLite takes the frames up to the first invalid one and silently
 * ignores the rest. That is right for a write that a power cut tore, but a flipped bit looks the same and drops every
 * commit behind it. The frames behind the break tell the two cases apart. Nobody may write to the log during a scan.
 *
 * The layout is that of https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 *
 * ```
 * header: magic, format, pageSize, checkpoint, salt1, salt2, checksum1, checksum2     8 × 4 bytes, big endian
 * frame:  page, pagesAfterCommit (0: not a commit), salt1, salt2, checksum1, checksum2, then the page
 * ```
 */
const HEADER_BYTES = 32;
const HEADER_CHECKED_BYTES = 24;
const FRAME_HEADER_BYTES = 24;
const FRAME_HEADER_CHECKED_BYTES = 8;
const PAGE_SIZE = 8;
const HEADER_SALT = 16;
const HEADER_CHECKSUM = 24;
const FRAME_PAGES_AFTER_COMMIT = 4;
const FRAME_SALT = 8;
const FRAME_CHECKSUM = 16;
const MAGIC_LITTLE_ENDIAN = 0x377f0682;
const MAGIC_BIG_ENDIAN = 0x377f0683;
const PAGE_SIZE_MIN = 512;
const PAGE_SIZE_MAX = 65_536;

export interface WalScan {
  readonly file: string;
  /** Number of valid frames from the start of the log. */
  readonly frames: number;
  /** Number of valid frames up to the last commit, which are those that SQLite takes. */
  readonly committedFrames: number;
  readonly frameBytes: number;
  readonly broken?: WalBreak;
}

export interface WalBreak {
  /** The first invalid frame, counted from 1; 0: the header is invalid. */
  readonly frame: number;
  /** Number of frames behind the invalid one that were written in the same round of the log. */
  readonly framesBehind: number;
  /** Whether frames of a later transaction follow the transaction that contains the break. */
  readonly isPastTransaction: boolean;
}

/** Scans the WAL of a database; `undefined` if the WAL is missing or empty. */
export function scanWal(databaseFile: string): WalScan | undefined {
  const file = `${databaseFile}-wal`;
  if (!existsSync(file)) return undefined;
  const descriptor = openSync(file, 'r');
  try {
    return new Scanner(file, descriptor).scan();
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Refuses a WAL in which commits lie behind a break. Frames behind a break may be harmless: leftovers of a rolled-back
 * transaction, or of a power cut during a flush. The WAL counts as damaged:
 *
 * - if no power cut has happened since the mark was written: when fewer frames are valid than were committed;
 * - otherwise: when a later transaction follows the torn one, unless commits were allowed to stay unflushed.
 *
 * @returns the scan; `undefined` if there is no WAL
 * @throws BusError `STORE_CORRUPT`
 */
export function assertWalIsSound(
  databaseFile: string,
  mark: Mark | undefined,
  reserved: Reserved | undefined,
): WalScan | undefined {
  const scan = scanWal(databaseFile);
  if (scan?.broken === undefined || !isDamaged(scan, mark, reserved)) return scan;
  const { file, broken } = scan;
  const message =
    `${file}: frame ${broken.frame} is damaged, and ${broken.framesBehind} frames behind it are not; ` +
    'opening would drop them silently';
  throw new BusError('STORE_CORRUPT', message, { details: { file, ...broken } });
}

export function isDamaged(
  scan: WalScan,
  mark: Mark | undefined,
  reserved: Reserved | undefined,
): boolean {
  const { broken, committedFrames } = scan;
  if (broken === undefined || broken.framesBehind === 0) return false;
  if (mark?.isOfThisBoot === true) return committedFrames < mark.walFrames;
  const hadUnflushedCommits =
    (reserved !== undefined && reserved.through > 0) ||
    (mark !== undefined && mark.head > mark.syncedHead);
  return broken.isPastTransaction && !hadUnflushedCommits;
}

/**
 * Cuts off the harmless frames behind the last commit. SQLite would overwrite only some of them, and the rest would
 * look like a break at the next opening.
 */
export function cutWal(databaseFile: string, scan: WalScan | undefined): void {
  if (scan?.broken === undefined || scan.broken.frame === 0) return;
  truncateSync(`${databaseFile}-wal`, HEADER_BYTES + scan.committedFrames * scan.frameBytes);
}

class Scanner {
  readonly #file: string;
  readonly #descriptor: number;
  readonly #size: number;
  #isLittleEndian = true;
  #checksum1 = 0;
  #checksum2 = 0;

  constructor(file: string, descriptor: number) {
    this.#file = file;
    this.#descriptor = descriptor;
    this.#size = fstatSync(descriptor).size;
  }

  scan(): WalScan | undefined {
    const header = Buffer.alloc(HEADER_BYTES);
    if (this.#size < HEADER_BYTES) return undefined;
    readSync(this.#descriptor, header, 0, HEADER_BYTES, 0);
    const magic = header.readUInt32BE(0);
    const pageSize = header.readUInt32BE(PAGE_SIZE);
    this.#isLittleEndian = magic !== MAGIC_BIG_ENDIAN;
    this.#sum(header, 0, HEADER_CHECKED_BYTES);
    const isHeaderRight =
      (magic === MAGIC_LITTLE_ENDIAN || magic === MAGIC_BIG_ENDIAN) &&
      pageSize >= PAGE_SIZE_MIN &&
      pageSize <= PAGE_SIZE_MAX &&
      this.#isChecksumAt(header, HEADER_CHECKSUM);
    if (!isHeaderRight) return this.#brokenHeader(header);
    return this.#scanFrames(header, pageSize);
  }

  /**
   * Without a valid header SQLite takes no frame. If the header's salts are damaged too, the frames may be those of the
   * previous round, which is already in the database; the salts of the first frame identify the round.
   */
  #brokenHeader(header: Buffer): WalScan {
    const pageSize = assumedPageSize(header.readUInt32BE(PAGE_SIZE));
    const first = Buffer.alloc(FRAME_HEADER_BYTES);
    readSync(this.#descriptor, first, 0, FRAME_HEADER_BYTES, HEADER_BYTES);
    const firstSalt = saltOf(first, FRAME_SALT);
    const isSameRound = firstSalt.equals(saltOf(header, HEADER_SALT));
    const behind = this.#framesBehind(firstSalt, pageSize, 0, false);
    const isPastTransaction = isSameRound && behind.isPastTransaction;
    const broken = { frame: 0, framesBehind: behind.framesBehind, isPastTransaction };
    const frameBytes = FRAME_HEADER_BYTES + pageSize;
    return { file: this.#file, frames: 0, committedFrames: 0, frameBytes, broken };
  }

  #scanFrames(header: Buffer, pageSize: number): WalScan {
    const file = this.#file;
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + pageSize);
    const total = Math.floor((this.#size - HEADER_BYTES) / frame.length);
    const salt = saltOf(header, HEADER_SALT);
    const frameBytes = frame.length;
    let committedFrames = 0;
    for (let index = 0; index < total; index++) {
      readSync(this.#descriptor, frame, 0, frame.length, HEADER_BYTES + index * frame.length);
      const isOfRound = saltOf(frame, FRAME_SALT).equals(salt);
      const isCommit = frame.readUInt32BE(FRAME_PAGES_AFTER_COMMIT) !== 0;
      if (!isOfRound || !this.#isFrameRight(frame)) {
        const behind = this.#framesBehind(salt, pageSize, index + 1, isOfRound && isCommit);
        const broken = { frame: index + 1, ...behind };
        return { file, frames: index, committedFrames, frameBytes, broken };
      }
      if (isCommit) committedFrames = index + 1;
    }
    return { file, frames: total, committedFrames, frameBytes };
  }

  #isFrameRight(frame: Buffer): boolean {
    this.#sum(frame, 0, FRAME_HEADER_CHECKED_BYTES);
    this.#sum(frame, FRAME_HEADER_BYTES, frame.length);
    return this.#isChecksumAt(frame, FRAME_CHECKSUM);
  }

  /** Reads the headers of the frames from index `from` on, counted from 0. */
  #framesBehind(
    salt: Buffer,
    pageSize: number,
    from: number,
    isBrokenCommit: boolean,
  ): { framesBehind: number; isPastTransaction: boolean } {
    const frame = Buffer.alloc(FRAME_HEADER_BYTES);
    const stride = FRAME_HEADER_BYTES + pageSize;
    let framesBehind = 0;
    let hasCommit = isBrokenCommit;
    let isPastTransaction = false;
    for (let at = HEADER_BYTES + from * stride; at + stride <= this.#size; at += stride) {
      readSync(this.#descriptor, frame, 0, FRAME_HEADER_BYTES, at);
      if (!saltOf(frame, FRAME_SALT).equals(salt)) continue;
      framesBehind++;
      if (hasCommit) isPastTransaction = true;
      if (frame.readUInt32BE(FRAME_PAGES_AFTER_COMMIT) !== 0) hasCommit = true;
    }
    return { framesBehind, isPastTransaction };
  }

  /** Continues the checksum, which runs on from frame to frame. */
  #sum(bytes: Buffer, from: number, to: number): void {
    let first = this.#checksum1;
    let second = this.#checksum2;
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const isLittleEndian = this.#isLittleEndian;
    for (let at = from; at < to; at += 8) {
      first = (first + words.getUint32(at, isLittleEndian) + second) >>> 0;
      second = (second + words.getUint32(at + 4, isLittleEndian) + first) >>> 0;
    }
    this.#checksum1 = first;
    this.#checksum2 = second;
  }

  #isChecksumAt(bytes: Buffer, offset: number): boolean {
    return (
      bytes.readUInt32BE(offset) === this.#checksum1 &&
      bytes.readUInt32BE(offset + 4) === this.#checksum2
    );
  }
}

/** Every frame carries the salts of its round's header; earlier rounds had other salts. */
function saltOf(bytes: Buffer, offset: number): Buffer {
  return bytes.subarray(offset, offset + 8);
}

function assumedPageSize(pageSize: number): number {
  const isPower =
    pageSize >= PAGE_SIZE_MIN && pageSize <= PAGE_SIZE_MAX && (pageSize & (pageSize - 1)) === 0;
  return isPower ? pageSize : 16 * 1024;
}
