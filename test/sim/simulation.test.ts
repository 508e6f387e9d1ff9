import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/** A short part of `npm run sim`: the whole bus in one thread, under a scheduler with a seed. */

const RUNNER = fileURLToPath(new URL('../../fuzz/sim/run.js', import.meta.url));
const CASES = fileURLToPath(new URL('cases', import.meta.url));
/** As `npm run sim` has them: a game makes much garbage, and runs much code few times. */
const FLAGS = ['--min-semi-space-size=32', '--max-semi-space-size=64', '--always-sparkplug'];
/** Two halves, side by side. */
const HALF = 500;
const TIME_MS = 480_000;

interface Run {
  readonly status: number | null;
  readonly output: string;
  /** By seed, the hash of all that the scheduler did. */
  readonly hashes: ReadonlyMap<string, string>;
}

async function simulate(...args: string[]): Promise<Run> {
  const run = spawn(process.execPath, [...FLAGS, RUNNER, ...args], { timeout: TIME_MS });
  const closed = once(run, 'close');
  let output = '';
  for (const stream of [run.stdout, run.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const [status] = await closed;
  const pairs = [...output.matchAll(/^(\d+) (\d+)$/gm)];
  return { status, output, hashes: new Map(pairs.map(([, seed, hash]) => [seed!, hash!])) };
}

describe('the simulation', () => {
  const halfFrom = (first: number): Promise<Run> =>
    simulate('--hashes', '--from', String(first), '--seeds', String(HALF));
  let halves: Run[] = [];

  it(
    'finds nothing owed and nothing wrong, whoever runs first and whoever dies',
    async () => {
      halves = await Promise.all([halfFrom(1), halfFrom(1 + HALF)]);
      for (const [i, { status, output }] of halves.entries()) {
        expect(output).toContain(`${HALF} seeds from ${1 + i * HALF}, 0 failed`);
        expect(status, output).toBe(0);
      }
    },
    TIME_MS,
  );

  it(
    'replays a seed exactly, whatever was played before it',
    async () => {
      const [first, second] = halves;
      const again = await simulate('--hashes', '--from', String(HALF - 4), '--seeds', '10');
      expect(again.hashes.size).toBe(10);
      for (const [seed, hash] of again.hashes) {
        expect(hash, seed).toBe(first?.hashes.get(seed) ?? second?.hashes.get(seed));
      }
    },
    TIME_MS,
  );

  it(
    'plays the cases that it has found, and finds nothing any more',
    async () => {
      const files = readdirSync(CASES);
      expect(files.length).toBeGreaterThan(0);
      const { status, output } = await simulate(
        ...files.flatMap((file) => ['--case', join(CASES, file)]),
      );
      for (const file of files) expect(output).toContain(`${file}: 0 problems`);
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );

  it.each([
    'the ring is released before the commit',
    'an endpoint parks without another look',
    'a client begins anew after each connection',
  ])(
    'is red where %s',
    async (plant) => {
      const { status, output } = await simulate('--plant', plant, '--seeds', '300');
      expect(output).toContain(`--plant '${plant}'`);
      expect(status, output).toBe(1);
    },
    TIME_MS,
  );

  it.each([
    ['steppedClocks', 'the next thread believes a clock at once'],
    ['waitingPublishes', 'a shard sleeps on when something is due'],
    ['changedSchedules', 'how far a schedule is done is not stored with its event'],
  ])(
    'comes to one situation at once in the scene %s, and is red where %s',
    async (scene, plant) => {
      const { status, output } = await simulate(
        ...['--scene', scene, '--plant', plant, '--seeds', '60'],
      );
      expect(output).toContain(`--scene ${scene} --plant '${plant}'`);
      expect(status, output).toBe(1);
    },
    TIME_MS,
  );
});
