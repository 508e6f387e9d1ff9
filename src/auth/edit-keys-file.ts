import {
  chownSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { KEYS_FILE_BYTES_MAX, REVOKED_FILE_BYTES_MAX } from '../protocol/limits/auth.js';
import { faultsText } from './auth-options.js';
import type { Fault } from './grants.js';
import { readGuardedFile } from './guarded-file.js';
import { keysFileText, parseKeysFile, type StoredKey } from './keys-file.js';
import { parseRevokedFile, type RevokedToken, revokedFileText } from './revoked-file.js';

/**
 * Reads and changes the files of keys and of revoked JWTs, for the commands that mint and revoke them. The new content
 * is written to a file beside the old one, which it then replaces in one step. Any thread; a second writer is refused,
 * as the file beside it already exists.
 */

const PRIVATE = 0o600;
const NOT_FOR_OTHERS_TO_WRITE = 0o755;

/** @throws Error with a message that names all faults of the file */
export function readKeysFile(path: string): readonly StoredKey[] {
  if (statsOf(path) === undefined) throw new Error(`there is no keys file ${path}`);
  const { bytes } = readGuardedFile(path, KEYS_FILE_BYTES_MAX);
  const faults: Fault[] = [];
  const keys = parseKeysFile(bytes.toString('utf8'), faults);
  if (keys === undefined) throw new Error(`${path} has faults: ${faultsText(faults)}`);
  return keys;
}

/**
 * Replaces the keys in the file by the result of `edit`. If the file does not exist, `edit` gets an empty list, and the
 * file is created, readable for its owner only; otherwise owner and mode stay. If `edit` throws, nothing changes.
 *
 * @throws Error if the file cannot be read or written, has faults, or is being changed already
 */
export function editKeysFile(
  path: string,
  edit: (keys: readonly StoredKey[]) => readonly StoredKey[],
): void {
  editFile(path, (target) => keysFileText(edit(target === undefined ? [] : readKeysFile(target))));
}

/** As `readKeysFile`. */
export function readRevokedFile(path: string): readonly RevokedToken[] {
  const { bytes } = readGuardedFile(path, REVOKED_FILE_BYTES_MAX);
  const faults: Fault[] = [];
  const tokens = parseRevokedFile(bytes.toString('utf8'), faults);
  if (tokens === undefined) throw new Error(`${path} has faults: ${faultsText(faults)}`);
  return tokens;
}

/** As `editKeysFile`. */
export function editRevokedFile(
  path: string,
  edit: (tokens: readonly RevokedToken[]) => readonly RevokedToken[],
): void {
  editFile(path, (target) =>
    revokedFileText(edit(target === undefined ? [] : readRevokedFile(target))),
  );
}

/** Replaces the file's text. `textOf` gets the file's path, or `undefined` if the file does not exist. */
function editFile(path: string, textOf: (target: string | undefined) => string): void {
  // The link is resolved, as a rename onto it would replace the link and leave its target unchanged.
  const target = resolved(path);
  const beside = `${target}.new`;
  const descriptor = openBeside(beside);
  try {
    try {
      const before = statsOf(target);
      writeFileSync(descriptor, textOf(before === undefined ? undefined : target));
      if (before !== undefined) keepOwner(descriptor, beside, before);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(beside, target);
  } catch (error) {
    unlinkSync(beside);
    throw error;
  }
  syncFolder(dirname(target));
}

function resolved(path: string): string {
  return statsOf(path) === undefined ? path : realpathSync(path);
}

function statsOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

function openBeside(path: string): number {
  try {
    return openSync(path, 'wx', PRIVATE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new Error(
      `${path} exists: another process is changing the file; if none is, delete ${path}`,
    );
  }
}

/** Keeps owner and mode, so that the server can still read the file. */
function keepOwner(descriptor: number, path: string, { uid, gid, mode }: Stats): void {
  const own = statSync(path);
  if (own.uid !== uid || own.gid !== gid) chownSync(path, uid, gid);
  fchmodSync(descriptor, mode & NOT_FOR_OTHERS_TO_WRITE);
}

function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
