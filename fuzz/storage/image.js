import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The number of the process that held a directory; it has ended, and no two have the same. */
const HOLDER = /"pid":\d+/;

/**
 * A digest of a directory: of every name in it, whether that is a directory, who may use it, and every byte of every file.
 * Of `lock.json` the number of the process is left out. Two directories of equal digests are the same to whoever opens
 * them, as far as times and inodes of files do not count.
 *
 * @returns {string} `''` if there is no directory
 */
export function imageOf(dir) {
  if (lstatSync(dir, { throwIfNoEntry: false }) === undefined) return '';
  const hash = createHash('sha256');
  for (const name of readdirSync(dir, { recursive: true }).map(String).sort()) {
    const path = join(dir, name);
    const status = lstatSync(path);
    const bytes = status.isDirectory() ? Buffer.alloc(0) : bytesOf(path, name);
    hash.update(`${JSON.stringify([name, status.mode, bytes.length])}\n`).update(bytes);
  }
  return hash.digest('hex');
}

function bytesOf(path, name) {
  const bytes = readFileSync(path);
  if (name !== 'lock.json') return bytes;
  return Buffer.from(bytes.toString('latin1').replace(HOLDER, '"pid":0'), 'latin1');
}
