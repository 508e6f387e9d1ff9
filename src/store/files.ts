import { chmodSync, closeSync, fsyncSync, openSync } from 'node:fs';

/** Flushes a file that was copied, and leaves it to its owner alone. Nobody may have it open as a database. */
export function syncFile(file: string): void {
  chmodSync(file, 0o600);
  const descriptor = openSync(file, 'r+');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
