import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { AUDIT_LOCK_RETRY_MS, AUDIT_LOCK_STALE_MS } from '../../protocol/limits/audit.js';
import { codeOf } from '../../protocol/thrown.js';

/**
 * Lets one writer at a time append to a trail, for as long as one batch takes: during a deployment the old process and the
 * new one may both have the trail open. A writer at work touches its lock. One that was killed leaves it; whoever waits
 * takes it for stale when it has not changed over many looks. No time of the file system is compared with a clock, as the
 * two may be of different machines, and clocks are set; and no time is measured, as all processes of a machine may stand
 * still together.
 */

/** Whether the lock is still the caller's: a process that was stopped for long has lost it. */
export type IsHeld = () => Promise<boolean>;

export async function withTrailLock<T>(
  dir: string,
  run: (isHeld: IsHeld) => Promise<T>,
  staleMs = AUDIT_LOCK_STALE_MS,
): Promise<T> {
  const path = join(dir, 'audit.lock');
  const token = randomUUID();
  await take(path, token, staleMs);
  const isHeld: IsHeld = async () => (await tokenIn(path)) === token;
  // A slow disk must not make a living writer look dead.
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, staleMs / 5);
  try {
    return await run(isHeld);
  } finally {
    clearInterval(timer);
    if (await isHeld().catch(() => false)) await rm(path, { force: true });
  }
}

async function take(path: string, token: string, staleMs: number): Promise<void> {
  let seen: string | undefined;
  let looks = 0;
  let tries = 0;
  while (!(await make(path, token))) {
    const state = await stateOf(path);
    if (state === undefined) continue;
    if (state !== seen) tries = 0;
    looks = state === seen ? looks + 1 : 0;
    seen = state;
    if (looks * AUDIT_LOCK_RETRY_MS > staleMs) {
      await removeStale(path, state, ++tries > 1);
      looks = 0;
    }
    await new Promise((resolve) => setTimeout(resolve, AUDIT_LOCK_RETRY_MS));
  }
}

/** False: it is there. */
async function make(path: string, token: string): Promise<boolean> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'wx', 0o600);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return false;
  }
  try {
    await handle.writeFile(token);
    return true;
  } catch (error) {
    // The disk is full.
    await rm(path, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/** Changes with each touch, and with each holder; `undefined`: the lock was released just now. */
async function stateOf(path: string): Promise<string | undefined> {
  try {
    const { ino, mtimeMs } = await stat(path);
    return `${ino} ${mtimeMs}`;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Of several that find the lock stale, one at a time removes it: another would remove the lock of whoever came next. A
 * process that was killed while it did so has left its mark: `isAgain` removes that.
 */
async function removeStale(path: string, state: string, isAgain: boolean): Promise<void> {
  const mark = `${path}.stale`;
  if (isAgain) await rm(mark, { force: true });
  if (!(await make(mark, ''))) return;
  try {
    if ((await stateOf(path)) === state) await rm(path, { force: true });
  } finally {
    await rm(mark, { force: true });
  }
}

async function tokenIn(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
