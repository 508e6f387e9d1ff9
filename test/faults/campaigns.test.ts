import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { obstacleToNamespaces } from '../../fuzz/faults/network/namespaces.js';
import { readResults } from '../../fuzz/record-result.js';

/** A little of each campaign of fuzz/faults, and leaks that they have to find. */
const TIME_MS = 400_000;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-faults-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

function play(script: string, ...args: string[]): { status: number | null; output: string } {
  const program = fileURLToPath(new URL(`../../fuzz/faults/${script}.js`, import.meta.url));
  const run = spawnSync(process.execPath, [program, ...args, '--dir', folder], {
    encoding: 'utf8',
    timeout: TIME_MS,
  });
  return { status: run.status, output: run.stdout + run.stderr };
}

describe('a server and its clients', () => {
  it(
    'lose nothing while parts die at their points, networks fail and clients are killed, all at once',
    () => {
      const file = join(folder, 'results.jsonl');
      const short = ['--minutes', '0.1', '--run-minutes', '0.1', '--seed', '7'];
      const { status, output } = play('run', 'together', ...short, '--record', file);
      expect(status, output).toBe(0);
      expect(output).toMatch(/together: 1 runs, [1-9]\d* faults/);
      const [result] = readResults(file);
      expect(result).toMatchObject({ campaign: 'faults together', problems: 0, lost: 0 });
    },
    TIME_MS,
  );

  it(
    'lose nothing when the server is told to stop under load, and it exits with 0',
    () => {
      const short = ['--minutes', '0.06', '--run-minutes', '0.06', '--seed', '11'];
      const { status, output } = play('run', 'signals', ...short);
      expect(status, output).toBe(0);
      expect(output).toMatch(/stops by SIGTERM/);
    },
    TIME_MS,
  );

  it(
    'keep order, cursors, ids and leases while the clock is set',
    () => {
      const short = ['--minutes', '0.06', '--run-minutes', '0.06', '--seed', '3'];
      const { status, output } = play('run', 'clocks', ...short);
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );

  it.skipIf(obstacleToNamespaces() !== undefined && process.env.CI !== 'true')(
    'catch up when two network namespaces have been parted',
    () => {
      const short = ['--minutes', '0.05', '--run-minutes', '0.05', '--seed', '5'];
      const { status, output } = play('run', 'namespaces', ...short);
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );
});

describe('sinks behind networks that fail', () => {
  const short = ['--minutes', '0.1', '--run-minutes', '0.1', '--seed', '4'];

  it(
    'bring everything to its places, while both ends are killed',
    () => {
      const { status, output } = play('sinks', ...short);
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );

  it(
    'are found out if an event goes under another name',
    () => {
      const plant = 'forward publishes under another id';
      const { status, output } = play('sinks', ...short, '--plant', plant);
      expect(output).toMatch(/wrong: the other bus has \S+, which is not in its origin/);
      expect(status).toBe(1);
    },
    TIME_MS,
  );
});

describe('storms over a server', () => {
  it(
    'leave nothing behind',
    () => {
      // A shard goes on to remember the names of topics in the second round, up to its limit: the long form has more rounds.
      const names = ['reconnects', 'churn', 'ids', 'consumers'];
      const { status, output } = play(
        'storms',
        ...names,
        '--scale',
        '0.02',
        '--rounds',
        '2',
        '--seed',
        '3',
      );
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );

  it(
    'are found to leave something, if they do',
    () => {
      const { status, output } = play(
        'storms',
        'churn',
        '--scale',
        '0.001',
        '--rounds',
        '2',
        '--leak',
      );
      expect(output).toMatch(/churn: external grew from \d+ to \d+/);
      expect(status).toBe(1);
    },
    TIME_MS,
  );
});

describe('subscribers that are stuck', () => {
  it(
    'hurt nobody, and get everything when they go on',
    () => {
      const { status, output } = play('stuck', '--events', '3000', '--bytes', '4000');
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );
});

describe('packages of these suites', () => {
  it('are named where they are installed', () => {
    const names = readFileSync(
      new URL('../../scripts/system-packages.js', import.meta.url),
      'utf8',
    );
    for (const name of ['faketime', 'iproute2']) expect(names).toContain(`package: '${name}'`);
  });
});
