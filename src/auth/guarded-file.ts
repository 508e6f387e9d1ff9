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
 * Reads files that grant access. A file that other users may write to is refused; one that they may read gives a
 * warning. Checks POSIX modes only. Any thread.
 */

export interface GuardedFile {
  readonly bytes: Buffer;
  /** A text that changes whenever the file is replaced or written to. */
  readonly version: string;
  /** A weakness of the file that the server's operator should mend. */
  readonly warning?: string;
}

const WRITABLE_BY_OTHERS = 0o022;
const OPEN_TO_OTHERS = 0o077;

/** @throws Error that says why the file cannot be used; with a `code` if the system refused it */
export function readGuardedFile(path: string, maxBytes: number): GuardedFile {
  // Non-blocking, as opening a pipe would otherwise wait for a writer.
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
    const owner = Number(stats.uid);
    if (isPosix && isOfAnother(owner)) {
      throw new Error(`${path} belongs to another user (uid ${owner}), who can change it`);
    }
    const bytes = readAtMost(descriptor, maxBytes, path);
    const version = versionText(stats);
    if (!isPosix || (mode & OPEN_TO_OTHERS) === 0) return { bytes, version };
    return { bytes, version, warning: `${path} can be read by others (mode ${octal(mode)})` };
  } finally {
    closeSync(descriptor);
  }
}

/** Whether neither this process's user nor root has the file. Root reads what it is told to, of any user. */
function isOfAnother(owner: number): boolean {
  const own = process.geteuid?.() ?? 0;
  return own !== 0 && owner !== own && owner !== 0;
}

/** Says why a file cannot be used; `make` is the command that makes one, named if there is no file. */
export function fileFault(error: unknown, path: string, make?: string): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const cure = make === undefined ? '' : `; ${make} makes one`;
  return code === 'ENOENT' ? `there is no file ${path} (ENOENT)${cure}` : message;
}

/** The `version` that reading the file would give now. @throws Error with the system's `code` */
export function versionOf(path: string): string {
  return versionText(statSync(path, { bigint: true }));
}

function versionText({ dev, ino, size, mode, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mode, mtimeNs, ctimeNs].join(':');
}

/** Reads to the end of the file, which may have grown since its size was read. */
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
