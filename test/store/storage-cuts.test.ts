import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { volumesLacking } from '../../fuzz/storage/volume.js';
import { neededCommand } from '../support/needed-command.js';

/**
 * A little of the storage campaigns that need more than a directory: `cuts` shuts real file systems down under a process
 * and `full` fills one, which takes root and loop devices; `recover` kills processes that hold logs alone.
 */
const runner = fileURLToPath(new URL('../../fuzz/storage/run.js', import.meta.url));
const SUITE = 'test/store: power cuts of real file systems, and kills of processes';
const TIME_MS = 240_000;
const gcc = process.platform === 'linux' ? neededCommand('gcc', SUITE) : undefined;
const canCut = gcc !== undefined && hasVolumes();

let folder: string;

/** Without root or loop devices that is said loudly, and in CI it is a failure. */
function hasVolumes(): boolean {
  const commands = ['mkfs.xfs', 'xfs_io', 'mkfs.ext4', 'losetup'];
  if (commands.some((command) => neededCommand(command, SUITE) === undefined)) return false;
  const lacking = volumesLacking(['xfs', 'ext4'], tmpdir());
  if (lacking === undefined) return true;
  const told = `NOT TESTED: ${SUITE}, for this machine mounts no file systems on loop devices: ${lacking}`;
  if (process.env.CI === 'true') throw new Error(told);
  console.error(told);
  return false;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-cuts-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function campaign(...args: string[]): { status: number | null; output: string } {
  const run = spawnSync(process.execPath, [runner, ...args, '--bases', join(folder, 'bases')], {
    encoding: 'utf8',
    timeout: TIME_MS,
    env: { ...process.env, TMPDIR: folder },
  });
  return { status: run.status, output: run.stdout + run.stderr };
}

describe.runIf(canCut)('a file system that is shut down under a process', () => {
  test(
    'keeps every event that was acknowledged as flushed',
    () => {
      const { status, output } = campaign('cuts', '--seed', '5', '--count', '6');
      expect(output).toMatch(/cuts: 6 cuts, .* 0 problems, 0 hung/);
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );

  test(
    'fails the campaign if flushes are confirmed and not made',
    () => {
      const { status, output } = campaign('cuts', '--seed', '26', '--count', '3', '--canary');
      expect(output).toMatch(/lost: k/);
      expect(status, output).toBe(1);
    },
    TIME_MS,
  );
});

describe.runIf(canCut)('a file system in memory that is full', () => {
  test.each([
    ['loses nothing, and goes on when there is room', [], /full: 1 full disks, .* 0 problems/, 0],
    ['fails the campaign if an event is missing', ['--canary'], /tmpfs: lost: full/, 1],
  ])(
    '%s',
    (_, more, told, expected) => {
      const { status, output } = campaign('full', '--seed', '7', '--count', '1', ...more);
      expect(output).toMatch(told);
      expect(status, output).toBe(expected);
    },
    TIME_MS,
  );
});

describe.runIf(gcc !== undefined)('processes that are killed, again and again', () => {
  test(
    'leave all that they had acknowledged',
    () => {
      const { status, output } = campaign('recover', '--seed', '16', '--count', '12');
      expect(output).toMatch(/recover: 12 cases, \d\d kills: 0 problems, 0 hung/);
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );

  test(
    'fail the campaign if an event is missing',
    () => {
      const { status, output } = campaign('recover', '--canary', '--seed', '16', '--count', '3');
      expect(output).toMatch(/recover: seed 16: (lost|hole)/);
      expect(status, output).toBe(1);
    },
    TIME_MS,
  );
});
