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
 * The write-ahead log as a file. Of the files of a log this one alone may be opened beside SQLite: it carries no locks,
 * and closing any other would drop those of this process.
 */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Writes the log again, over itself, and flushes it. After a failed flush the operating system may count pages as
 * clean that never reached the disk: they read as they should, and no later flush writes them. Written again they are
 * dirty again. So whatever SQLite goes on from is on the disk, whoever wrote it and however that ended. To be called
 * after the frames were found to be right, and before SQLite adds any. See docs/adr/0010.
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

/** Flushes what SQLite has written to the log, without a write of its own, so on a full disk too. */
export class WalFlusher {
  readonly #descriptor: number;

  /** The log must be there. Its entry in the directory is flushed too: SQLite leaves that to its own first flush. */
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
