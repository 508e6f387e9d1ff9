import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { codeOf } from '../../protocol/thrown.js';

/**
 * Makes files and directories for logs. Each is accessible to its owner only, whatever the process's umask, and
 * durable: a new name is flushed with the directory that holds it.
 */
const OWNER_ONLY = 0o600;
const OWNER_ONLY_DIRECTORY = 0o700;
const PERMISSIONS = 0o777;

/**
 * Makes an empty file, or restricts an existing one to its owner. An existing file is not opened: closing a database
 * file would drop the locks that this process holds on it.
 */
export function ownFile(file: string): void {
  try {
    const descriptor = openSync(file, 'wx', OWNER_ONLY);
    try {
      fchmodSync(descriptor, OWNER_ONLY);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    restrictFile(file);
  }
}

/**
 * Restricts a file to its owner. Does nothing if the file is missing, belongs to another user or is on a read-only file
 * system.
 */
export function restrictFile(file: string): void {
  try {
    const stats = lstatSync(file);
    // The target of a link may be anybody's.
    if (stats.isSymbolicLink()) return;
    if ((stats.mode & PERMISSIONS) !== OWNER_ONLY) chmodSync(file, OWNER_ONLY);
  } catch (error) {
    if (!['ENOENT', 'EPERM', 'EROFS'].includes(String(codeOf(error)))) throw error;
  }
}

/** Makes or restricts a log file, and restricts the files that SQLite keeps beside it. */
export function ownDatabaseFile(file: string): void {
  ownFile(file);
  // Only existing ones need this: SQLite makes new ones with the permissions of the database.
  for (const suffix of ['-wal', '-shm', '-journal']) restrictFile(file + suffix);
}

/**
 * Flushes a copied file and restricts it to its owner. This process must not have the file open as a database: closing
 * it here would drop SQLite's locks.
 */
export function syncFile(file: string): void {
  const descriptor = openSync(file, 'r+');
  try {
    fchmodSync(descriptor, OWNER_ONLY);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Ends the name of a file that is being written, and that nobody reads. */
export const TEMPORARY_SUFFIX = '.new';

/**
 * Writes a whole file in one step (temporary file, flush, rename, flush of the directory), so that a reader finds the
 * old text or the new one. After an error the old one stays.
 */
export function replaceFile(file: string, text: string): void {
  placeFile(file, text);
  syncDirectory(dirname(file));
}

/**
 * As `replaceFile`, but leaves the flush of the directory to the caller: until then a power cut may bring back what had
 * the name before. A temporary file of an earlier attempt is removed first: a link of its name would lead elsewhere.
 */
export function placeFile(file: string, content: string | Uint8Array): void {
  const temporary = file + TEMPORARY_SUFFIX;
  try {
    rmSync(temporary, { force: true });
    const descriptor = openSync(temporary, 'wx', OWNER_ONLY);
    try {
      fchmodSync(descriptor, OWNER_ONLY);
      // `writeFileSync` writes everything or throws; a plain `write` on a nearly full disk may write only a part.
      writeFileSync(descriptor, content);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
  } catch (error) {
    removeIfPossible(temporary);
    throw error;
  }
}

/** Removes a file that nobody reads; where that fails it stays. */
export function removeIfPossible(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // Whoever finds it later removes it.
  }
}

/** Copies a file, flushes the copy and restricts it to its owner. */
export function copyOwnFile(source: string, target: string): void {
  ownFile(target);
  copyFileSync(source, target, constants.COPYFILE_FICLONE);
  syncFile(target);
}

/**
 * Makes the directory and its missing parents, restricts them to their owner and flushes their names. Does nothing if
 * the directory exists.
 */
export function makeDirectory(dir: string): void {
  const own = resolve(dir);
  if (existsSync(own)) return;
  // Parents are made one by one, because Node's `recursive` option never returns where a parent exists but takes no new
  // directory (`/proc`, an automounter's).
  if (dirname(own) !== own) makeDirectory(dirname(own));
  try {
    mkdirSync(own, { mode: OWNER_ONLY_DIRECTORY });
  } catch (error) {
    // Another process has made the directory first.
    if (codeOf(error) !== 'EEXIST' || !existsSync(own)) throw error;
    return;
  }
  chmodSync(own, OWNER_ONLY_DIRECTORY);
  syncDirectory(dirname(own));
}

/** Flushes a directory, which makes renames and new files in it durable. */
export function syncDirectory(dir: string): void {
  const descriptor = openSync(dir, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Flushes the names of a directory and of its parents, in case somebody has just made them. A parent that this user may
 * not open ends the walk, because this process cannot have made it.
 */
export function syncNames(dir: string): void {
  const own = resolve(dir);
  for (let at = own; ; at = dirname(at)) {
    try {
      syncDirectory(at);
    } catch (error) {
      if (at === own) throw error;
      return;
    }
    if (at === dirname(at)) return;
  }
}
