import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Versions of Node to test on. The npm package `node` has the binaries; they are kept in a folder of the user's,
 * outside of the project, or in the folder that MILLRACE_NODES names.
 */
const CACHE = process.env.MILLRACE_NODES ?? join(homedir(), '.cache', 'millrace-nodes');

/** The binary of the newest Node of a major version, fetched from the registry the first time. */
export function nodeBinary(version) {
  const folder = join(CACHE, version);
  const binary = join(folder, 'node_modules', 'node', 'bin', 'node');
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const install = ['install', '--no-audit', '--no-fund', `node@${version}`];
  const { status } = spawnSync('npm', install, { cwd: folder, stdio: 'inherit' });
  if (status !== 0 || !existsSync(binary)) throw new Error(`npm has no node@${version} for here`);
  return binary;
}
