import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { planted } from '../../fuzz/checker/plant.js';
import { plants } from '../../fuzz/redteam/plants.js';

/** A red team that gets nothing out of a server with holes would show nothing about one without. */

const BUILT = fileURLToPath(new URL('../../dist', import.meta.url));
const RUNNER = fileURLToPath(new URL('../../fuzz/redteam/run.js', import.meta.url));

function run(...flags: string[]) {
  return spawnSync(process.execPath, [RUNNER, ...flags], { encoding: 'utf8' });
}

it.each([
  ['who sees masks may name dead letters', "the dead letters of one's own consumer"],
  ["a lease is anybody's", 'the text of a lease of others'],
])('the red team gets in where %s', (plant, attack) => {
  const { status, stdout } = run('--short', '--seed', '1', '--only', attack, '--plant', plant);
  expect(stdout).toContain(`GOT IT  grants: ${attack}`);
  expect(status).toBe(1);
});

it.each(Object.entries(plants))('a hole has its place in the build: %s', (_, plant) => {
  for (const [file, text] of planted(BUILT, plant)) expect(text, file).not.toBe('');
});

it('the red team refuses flags that it does not know', () => {
  expect(run('--hole').status).toBe(2);
  expect(run('--plant', 'nothing').status).toBe(2);
  expect(run('--seed', 'x').status).toBe(2);
});
