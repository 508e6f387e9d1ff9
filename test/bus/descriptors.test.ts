import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryDirectory } from './support/open.js';

/**
 * Node's loader opens the files of a module's imports side by side, a gateway's about 110 at once: with 112 descriptors
 * no gateway starts, whatever else the process holds.
 */
const DESCRIPTORS = 512;
const script = fileURLToPath(new URL('./support/without-descriptors.js', import.meta.url));

test('without free file descriptors, calls that need one fail, the bus goes on, and the calls work later', () => {
  const dir = join(temporaryDirectory(), 'data');
  const shell = `ulimit -n ${DESCRIPTORS}; exec "$0" "$@"`;
  const args = ['-c', shell, process.execPath, script, dir];
  const run = spawnSync('sh', args, { encoding: 'utf8', timeout: 50_000 });
  expect(run.stderr).toBe('');
  const { published, without, later } = JSON.parse(run.stdout);
  expect(published).toBe(2);
  expect(without).toMatchObject({ query: 'STORE_FAILED', subscribe: 'STORE_FAILED' });
  expect(without.backup).toBe('STORE_FAILED');
  // The code may vary, but the error is one of the bus.
  expect(without.serve).toMatch(/^[A-Z_]+$/);
  expect(later).toEqual({ query: 'done', subscribe: 'done', backup: 'done', serve: 'done' });
});
