import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/**
 * Opens the write-ahead log as a plain file. It is the only file of a log that may be opened beside SQLite: it carries
 * no locks, whereas closing any other one would drop this process's locks.
 */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Rewrites the log in place and flushes it. After a failed flush the operating system may regard pages as clean that
 * never reached the disk: they still read correctly, but no later flush writes them. Rewriting marks them dirty again,
 * so that everything from which SQLite continues is on disk, whichever process wrote it. Call it after the frames were
 * checked and before SQLite adds any. See docs/adr/0010.
 */
export function rewriteWal(databaseFile: string): void {
  const file = walFile(databaseFile);
  if (!existsSync(file)) return;
  const descriptor = openSync(file, 'r+');
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let at = 0; ; ) {
      const length = readSync(descriptor, chunk, 0, CHUNK_BYTES, at);
      if (length === 0) break;
      for (let done = 0; done < length; ) {
        done += writeSync(descriptor, chunk, done, length - done, at + done);
      }
      at += length;
    }
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Flushes the frames that SQLite has written. It writes nothing itself, so it works on a full disk too. */
export class WalFlusher {
  readonly #descriptor: number;

  /** The log must exist. Also flushes its directory entry, which SQLite does only at its own first flush. */
  constructor(databaseFile: string) {
    this.#descriptor = openSync(walFile(databaseFile), 'r+');
    const directory = openSync(dirname(databaseFile), 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  }

  flush(): void {
    fdatasyncSync(this.#descriptor);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

function walFile(databaseFile: string): string {
  return `${databaseFile}-wal`;
}
