import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { BusError } from '../../protocol/errors.js';
import { codeOf } from '../../protocol/thrown.js';
import { storeError } from '../sqlite/driver/store-errors.js';

/**
 * Sees that the names that a directory of logs uses are files and folders of its own. A symbolic link would lead writes
 * to a file of somebody else, a folder of payload files that two directories share would be swept by both, and a pipe
 * would be waited for. The directory itself may be reached over a link. Files of other names do not matter.
 */
const NAMES = /^(manifest|lock|alerts|consumers|archive)\.|^shard-\d+\./;
/** Written anew, and by its own name, whatever is there. */
const TEMPORARY = /\.new$/;
const FOLDER = /\.payloads$/;

/** @throws BusError `STORE_CORRUPT` */
export function assertPlainFiles(dir: string): void {
  for (const entry of entriesOf(dir)) {
    if (!NAMES.test(entry.name) || TEMPORARY.test(entry.name)) continue;
    const reason = faultOf(entry);
    if (reason === undefined) continue;
    const file = join(dir, entry.name);
    throw new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
  }
}

function entriesOf(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true });
  } catch (error) {
    // Whoever asks tells it in a better way.
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return [];
    throw storeError(error, dir, 'reading');
  }
}

function faultOf(entry: Dirent): string | undefined {
  if (entry.isSymbolicLink()) return 'it is a symbolic link, and has to be in the directory itself';
  if (entry.isFile() || (FOLDER.test(entry.name) && entry.isDirectory())) return undefined;
  // Some file systems do not tell; what it is then shows when it is opened.
  const isKnown =
    entry.isDirectory() ||
    entry.isFIFO() ||
    entry.isSocket() ||
    entry.isBlockDevice() ||
    entry.isCharacterDevice();
  return isKnown ? 'it is no file' : undefined;
}
