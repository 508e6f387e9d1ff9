import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { planted } from '../../fuzz/checker/plant.js';
import { plants } from '../../fuzz/checker/plants.js';

/**
 * Plays a short run of the checker (`npm run fuzz:checker`), and a run with one of the planted faults.
 * `node fuzz/checker/plants-run.js` plays all of them.
 */
const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const TIME_MS = 480_000;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-checker-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

function play(...args: string[]): { status: number | null; output: string } {
  const run = spawnSync(process.execPath, [path('fuzz/checker/run.js'), ...args, '--dir', folder], {
    encoding: 'utf8',
    timeout: TIME_MS,
    env: { ...process.env, TMPDIR: folder },
  });
  return { status: run.status, output: run.stdout + run.stderr };
}

/** Three seconds of work with a part of the clients, and of the faults: whole runs take too long for the suite. */
const short = ['--minutes', '0.05', '--runs', '1'];

describe('a server whose threads, clients and itself are killed', () => {
  test(
    'keeps its promises to everybody',
    () => {
      const { status, output } = play(
        ...short,
        ...['--hosts', 'subject,worker,sockets-1', '--faults', 'kill,client,shard,disconnect'],
        ...['--seed', '7'],
      );
      expect(output).toMatch(/seed 7: .* 0 problems/);
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );

  test.each([['an event comes twice', 'C4']])(
    'is found out if %s',
    (plant, rule) => {
      const { status, output } = play(
        ...short,
        ...['--hosts', 'subject', '--faults', 'none', '--seed', '1', '--plant', plant],
      );
      expect(output).toMatch(new RegExp(`^fuzz: ${rule}: `, 'm'));
      expect(status, output).toBe(1);
    },
    TIME_MS,
  );
});

describe('the planted faults', () => {
  test('are more than thirty, of all rules', () => {
    const all = Object.values(plants);
    expect(all.length).toBeGreaterThan(30);
    expect([...new Set(all.map(({ rule }) => rule))].sort()).toEqual([
      'C1',
      'C2',
      'C3',
      'C4',
      'C5',
      'C6',
      'C7',
    ]);
  });

  test.each(Object.entries(plants))('have their places in the build: %s', (_, plant) => {
    for (const [file, text] of planted(path('dist'), plant)) expect(text, file).not.toBe('');
  });
});

describe('the runner', () => {
  test('refuses wrong arguments', () => {
    expect(play('--faults', 'moles').status).toBe(2);
    expect(play('--plant', 'moles').status).toBe(2);
    expect(play('--minutes', 'many').status).toBe(2);
  });
});
