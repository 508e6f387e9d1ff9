import { open, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { AUDIT_LOCK_RETRY_MS, AUDIT_LOCK_STALE_MS } from '../../protocol/limits/audit.js';
import { codeOf } from '../../protocol/thrown.js';

/**
 * Lets one writer at a time append to a trail, for as long as one batch takes: during a deployment the old process and the
 * new one may both have the trail open. A writer that was killed leaves the file of the lock, which is then taken for stale
 * by its age. The lock only keeps writers from meeting; `Trail` notices in any case when another one has written.
 */
export async function withTrailLock<T>(dir: string, run: () => Promise<T>): Promise<T> {
  const path = join(dir, 'audit.lock');
  while (!(await take(path))) {
    await new Promise((resolve) => setTimeout(resolve, AUDIT_LOCK_RETRY_MS));
  }
  // A slow disk must not make a living writer look dead.
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, AUDIT_LOCK_STALE_MS / 5);
  try {
    return await run();
  } finally {
    clearInterval(timer);
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  const changedAt = await stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    // Released just now.
    () => Date.now(),
  );
  if (Date.now() - changedAt > AUDIT_LOCK_STALE_MS) await rm(path, { force: true });
  return false;
}
