import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('./support/other-realm', import.meta.url));
const vitest = join(
  dirname(createRequire(import.meta.url).resolve('vitest/package.json')),
  'vitest.mjs',
);

test('a bus works in a test runner that gives each file a realm of its own', () => {
  const { VITEST: _, ...env } = process.env;
  const args = [vitest, 'run', '--root', root];
  const run = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 55_000, env });
  expect(`${run.stdout}${run.stderr}`).toMatch(/5 passed/);
  expect(run.status).toBe(0);
});
