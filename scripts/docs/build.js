/**
 * Makes the reference of the public API from its docstrings, as pages in `reference`: `npm run docs`. TypeDoc needs a
 * TypeScript that has a programming interface, so it is installed here, apart from the project's own packages.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const TYPEDOC = join(HERE, 'node_modules', 'typedoc', 'bin', 'typedoc');

if (!existsSync(TYPEDOC)) run('npm', ['ci', '--no-audit', '--no-fund']);
run(process.execPath, [TYPEDOC]);

/** @param {string} command @param {string[]} args */
function run(command, args) {
  const shell = process.platform === 'win32' && command === 'npm';
  const { status } = spawnSync(command, args, { cwd: HERE, stdio: 'inherit', shell });
  if (status !== 0) process.exit(status ?? 1);
}
