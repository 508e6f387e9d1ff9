import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  statSync,
} from 'node:fs';

/**
 * Reads files that say who may do what. One that others may write to is no better than none, and is refused; one that
 * others may read is worth a warning. POSIX modes only. Any thread.
 */

export interface GuardedFile {
  readonly bytes: Buffer;
  /** Changes whenever the file is replaced or written to. */
  readonly version: string;
  /** What whoever runs the server should put right. */
  readonly warning?: string;
}

const WRITABLE_BY_OTHERS = 0o022;
const OPEN_TO_OTHERS = 0o077;

/** @throws Error that says why it cannot be used; with a `code` where that is the system's */
export function readGuardedFile(path: string, maxBytes: number): GuardedFile {
  // Not to wait for somebody who writes, if it is a pipe.
  const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = fstatSync(descriptor, { bigint: true });
    if (!stats.isFile()) throw new Error(`${path} is not a file`);
    if (stats.size > maxBytes) {
      throw new Error(`${path} has ${stats.size} bytes; ${maxBytes} is the limit`);
    }
    const mode = Number(stats.mode) & 0o777;
    const isPosix = process.platform !== 'win32';
    if (isPosix && (mode & WRITABLE_BY_OTHERS) !== 0) {
      throw new Error(`${path} can be written by others (mode ${octal(mode)}): chmod 600`);
    }
    const bytes = readAtMost(descriptor, maxBytes, path);
    const version = versionText(stats);
    if (!isPosix || (mode & OPEN_TO_OTHERS) === 0) return { bytes, version };
    return { bytes, version, warning: `${path} can be read by others (mode ${octal(mode)})` };
  } finally {
    closeSync(descriptor);
  }
}

/** In words why a file cannot be used; `make`, the command that makes one, where it is not there. */
export function fileFault(error: unknown, path: string, make?: string): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const cure = make === undefined ? '' : `; ${make} makes one`;
  return code === 'ENOENT' ? `there is no file ${path} (ENOENT)${cure}` : message;
}

/** The version that reading the file would give now. @throws Error with the system's `code` */
export function versionOf(path: string): string {
  return versionText(statSync(path, { bigint: true }));
}

function versionText({ dev, ino, size, mode, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mode, mtimeNs, ctimeNs].join(':');
}

/** To its end, wherever that is by now: it may be written to meanwhile. */
function readAtMost(descriptor: number, maxBytes: number, path: string): Buffer {
  const chunks: Buffer[] = [];
  for (let total = 0; total <= maxBytes; ) {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    const length = readSync(descriptor, chunk, 0, CHUNK_BYTES, null);
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, length));
    total += length;
  }
  throw new Error(`${path} has more than ${maxBytes} bytes`);
}

const CHUNK_BYTES = 65_536;

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
