import { randomBytes } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { codeOf, isError } from '../../../protocol/thrown.js';

/**
 * Whether there is room, as the file system tells it where it is asked by name. A disk that is full and a quota that is
 * used up are the same to a log: they pass by themselves. What a quota leaves, only a write can tell.
 */
const CHUNK_BYTES = 64 * 1024;

export function isNoRoom(error: unknown): boolean {
  // libuv, and so Node, has no name for EDQUOT: https://docs.libuv.org/en/v1.x/errors.html
  const isQuota = isError(error) && 'errno' in error && error.errno === -constants.errno.EDQUOT;
  return isQuota || codeOf(error) === 'ENOSPC';
}

/** Whether the directory takes no file of so many bytes; false where anything else is wrong with it. */
export function isOutOfRoom(directory: string, bytes = CHUNK_BYTES): boolean {
  const file = join(directory, `room-${process.pid}-${threadId}.probe`);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'w', 0o600);
    // Not zeros, which a file system that packs data would make little of.
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
