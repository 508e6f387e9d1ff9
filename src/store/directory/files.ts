import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { codeOf } from '../../protocol/thrown.js';

/**
 * Files and directories as the log makes them: for their owner alone, whatever the process's umask and whoever made the directory;
 * and durable, which a new name is once the directory that has it was flushed.
 */
const OWNER_ONLY = 0o600;
const OWNER_ONLY_DIRECTORY = 0o700;
const PERMISSIONS = 0o777;

/**
 * Makes an empty file, or takes one that is there from everybody else. One that is there is not opened: if it is a
 * database, closing it would drop the locks that this process has on it.
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

/** Leaves a file to its owner alone. No failure if it is not there, another user's own, or on a disk that cannot be written. */
export function restrictFile(file: string): void {
  try {
    if ((statSync(file).mode & PERMISSIONS) !== OWNER_ONLY) chmodSync(file, OWNER_ONLY);
  } catch (error) {
    if (!['ENOENT', 'EPERM', 'EROFS'].includes(String(codeOf(error)))) throw error;
  }
}

/** A log file with what SQLite keeps beside it. */
export function ownDatabaseFile(file: string): void {
  ownFile(file);
  // SQLite gives new ones the permissions of the database.
  for (const suffix of ['-wal', '-shm', '-journal']) restrictFile(file + suffix);
}

/** Flushes a file that was copied, and leaves it to its owner alone. Nobody may have it open as a database. */
export function syncFile(file: string): void {
  const descriptor = openSync(file, 'r+');
  try {
    fchmodSync(descriptor, OWNER_ONLY);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Copies a file, durably and for its owner alone. */
export function copyOwnFile(source: string, target: string): void {
  ownFile(target);
  copyFileSync(source, target, constants.COPYFILE_FICLONE);
  syncFile(target);
}

/** Makes the directory and those above it, for their owner alone, and flushes their names; unless it is there. */
export function makeDirectory(dir: string): void {
  const own = resolve(dir);
  if (existsSync(own)) return;
  // One by one: `recursive` never ends in Node where a directory is there and takes no new one (`/proc`, an automounter's).
  if (dirname(own) !== own) makeDirectory(dirname(own));
  try {
    mkdirSync(own, { mode: OWNER_ONLY_DIRECTORY });
  } catch (error) {
    // Another process, which makes the same, was faster.
    if (codeOf(error) !== 'EEXIST' || !existsSync(own)) throw error;
    return;
  }
  chmodSync(own, OWNER_ONLY_DIRECTORY);
  syncDirectory(dirname(own));
}

/** A rename or a new file is durable once its directory is. */
export function syncDirectory(dir: string): void {
  const descriptor = openSync(dir, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The names of a directory and of those above it, which somebody may have made just before. Those that this user may not open
 * were not made by this process.
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
