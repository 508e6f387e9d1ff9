import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type TestContext } from 'vitest';
import { KIB } from '../../src/protocol/limits/units.js';

/** Runs a test on a disk of so many MiB. Where none can be mounted that is said, and nothing is tried. */
export async function onSmallDisk(
  context: TestContext,
  parent: string,
  run: (directory: string) => void | Promise<void>,
  sizeMib = 6,
): Promise<void> {
  const directory = join(parent, 'disk');
  mkdirSync(directory);
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', directory], {
    encoding: 'utf8',
  });
  if (mount.status !== 0) {
    const reason = (mount.error?.message ?? mount.stderr).trim();
    context.annotate(`a small tmpfs could not be mounted, so nothing was tried: ${reason}`);
    console.warn(`full disk NOT TESTED: cannot mount a tmpfs here: ${reason}`);
    return;
  }
  try {
    await run(directory);
  } finally {
    spawnSync('umount', ['-l', directory]);
  }
}

/** A file that leaves nothing of the disk for others. */
export function takeAllRoom(file: string): void {
  const descriptor = openSync(file, 'w');
  try {
    for (const block = Buffer.alloc(4 * KIB, 1); ; ) writeSync(descriptor, block);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  } finally {
    closeSync(descriptor);
  }
}

/** Gives back so much of what the file takes. */
export function giveBack(file: string, bytes: number): void {
  truncateSync(file, statSync(file).size - bytes);
}
