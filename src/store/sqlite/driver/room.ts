import { randomBytes } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { codeOf, isError } from '../../../protocol/thrown.js';

/**
 * Tells whether the file system has room. A full disk and a quota that is used up are the same to a log: it goes on
 * once there is room again. Only a write can tell how much a quota leaves.
 */
const CHUNK_BYTES = 64 * 1024;

export function isNoRoom(error: unknown): boolean {
  // libuv, and so Node, has no name for EDQUOT: https://docs.libuv.org/en/v1.x/errors.html
  const isQuota = isError(error) && 'errno' in error && error.errno === -constants.errno.EDQUOT;
  return isQuota || codeOf(error) === 'ENOSPC';
}

/** Whether the directory has no room for a file of so many bytes. False if the attempt fails for any other reason. */
export function isOutOfRoom(directory: string, bytes = CHUNK_BYTES): boolean {
  const file = join(directory, `room-${process.pid}-${threadId}.probe`);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'w', 0o600);
    // Random bytes, since a file system that compresses data would shrink zeros.
    const chunk = randomBytes(CHUNK_BYTES);
    for (let written = 0; written < bytes; ) written += writeSync(descriptor, chunk);
    return false;
  } catch (error) {
    return isNoRoom(error);
  } finally {
    if (descriptor !== undefined) {
      closeSync(descriptor);
      rmSync(file, { force: true });
    }
  }
}
