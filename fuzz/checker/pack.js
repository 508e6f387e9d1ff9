import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Packs the threads of a copy of a build, as those of the build are, with what was planted into it.
 *
 * @param {string} dist the folder of the copy
 * @returns the folder
 * @throws Error with what the packer has said
 */
export function packed(dist) {
  const args = ['node_modules/vite/bin/vite.js', 'build', '--config', 'scripts/threads.config.js'];
  const run = spawnSync(process.execPath, args, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, MILLRACE_DIST: dist },
  });
  if (run.status !== 0) throw new Error(`the threads of ${dist} were not packed: ${run.stderr}`);
  return dist;
}
