import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { kinds } from '../../fuzz/cases/kinds.js';
import { plants } from '../../fuzz/cases/plants.js';

/** The fuzzers of inputs in short, in a process of their own: they load the built product as it is. */

const SHORT = fileURLToPath(new URL('../../fuzz/cases/short.js', import.meta.url));
const TIMEOUT_MS = 300_000;
const names = Object.keys(kinds);

function short(...flags: string[]): string {
  const { stdout, stderr } = spawnSync(process.execPath, [SHORT, ...flags], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout;
}

describe('random cases of every kind', () => {
  it('hold, those of the corpus first', { timeout: TIMEOUT_MS }, () => {
    const told = short();
    for (const kind of names) expect(told).toMatch(new RegExp(`^${kind}: \\d+ cases, 0 find`, 'm'));
  });

  it('find a fault that is planted into what they look at', { timeout: TIMEOUT_MS }, () => {
    const told = short('--plants');
    for (const kind of names) expect(told).toMatch(new RegExp(`^${kind}: found in`, 'm'));
  });

  it('have a fault to find, each of them', () => {
    expect(Object.keys(plants).sort()).toEqual([...names].sort());
  });
});
