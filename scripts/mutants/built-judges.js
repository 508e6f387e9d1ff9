import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './outcomes.js';
import { suitesOf } from './parts.js';

/**
 * The judges of mutants that are built: the simulation, and suites of whole buses. A judge plays all that it has, or only
 * what its first verdict named.
 *
 * @typedef {object} Verdict
 * @property {'passed' | 'failed' | 'out of time'} outcome
 * @property {string[]} where What failed: a seed, or files of tests. Of a judge that ran out of time, what it was at.
 * @property {string} [words] The first of what it said.
 *
 * @typedef {object} Judge
 * @property {'simulation' | 'suites'} name
 * @property {(where?: string[]) => Promise<Verdict>} play
 */

/** What `fuzz/sim/build.js` says of a limit that it cannot set. */
const NO_LIMIT = /^Error: \S+ has no [A-Z_]+$/m;
/** The seeds that a mutant is played with. */
export const SEEDS = 60;
const SIMULATION = [
  '--min-semi-space-size=32',
  '--max-semi-space-size=64',
  '--always-sparkplug',
  join(ROOT, 'fuzz/sim/run.js'),
];

/** @param {string} dist @param {number} limitMs @returns {Judge} */
export function simulationOf(dist, limitMs) {
  const play = async (/** @type {string[]} */ where = []) => {
    const [seed] = where;
    const seeds = seed === undefined ? ['--seeds', String(SEEDS)] : ['--seed', seed];
    const args = [...SIMULATION, '--dist', dist, '--hashes', '--until-failed', ...seeds];
    return verdictOfSimulation(await run(args, ROOT, limitMs), seed);
  };
  return { name: 'simulation', play };
}

/** @param {{ status: number | null, isOver: boolean, output: string }} run @param {string} [seed] @returns {Verdict} */
export function verdictOfSimulation({ status, isOver, output }, seed) {
  if (status === 0) return { outcome: 'passed', where: [] };
  const played = [...output.matchAll(/^(\d+) [\da-f]+$/gm)].map(([, number]) => Number(number));
  const [, failed, words = ''] = /^seed (\d+) failed[^\n]*\n {2}([^\n]*)/m.exec(output) ?? [];
  if (failed !== undefined) return { outcome: 'failed', where: [failed], words };
  const next = seed ?? String(Math.max(0, ...played) + 1);
  if (isOver) return { outcome: 'out of time', where: [next] };
  // A mutant of a line that holds a limit: the simulation has nothing to say of it.
  if (NO_LIMIT.test(output)) return { outcome: 'passed', where: [] };
  // No game began: the build cannot be loaded.
  const error = /^\s*(?:\w*Error\b[^\n]*)/m.exec(output)?.[0] ?? `it ended with ${status}`;
  return { outcome: 'failed', where: [next], words: error.trim() };
}

/** @param {string} folder @param {string} file that is mutated @param {number} limitMs @returns {Judge} */
export function suitesFor(folder, file, limitMs) {
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const report = join(folder, 'suites.json');
  const play = async (/** @type {string[]} */ where = suitesOf(file)) => {
    rmSync(report, { force: true });
    const args = [vitest, 'run', '--bail=1', '--reporter=json', `--outputFile=${report}`];
    const end = await run([...args, ...where], folder, limitMs);
    if (end.isOver) return { outcome: 'out of time', where };
    if (end.status === 0) return { outcome: 'passed', where: [] };
    return verdictOfReport(JSON.parse(readFileSync(report, 'utf8')), folder);
  };
  return { name: 'suites', play: /** @type {Judge['play']} */ (play) };
}

/** @param {any} report of Vitest, in Jest's form @param {string} folder @returns {Verdict} */
export function verdictOfReport({ testResults }, folder) {
  const failed = testResults.filter((/** @type {any} */ { status }) => status === 'failed');
  const tests = failed.flatMap((/** @type {any} */ { assertionResults }) => assertionResults);
  const first = tests.find((/** @type {any} */ { status }) => status === 'failed');
  const files = failed.map((/** @type {any} */ { name }) => name.replace(`${folder}/`, ''));
  return { outcome: 'failed', where: files, words: first?.fullName ?? failed[0]?.message };
}

/** @param {string[]} args @param {string} cwd @param {number} limitMs */
async function run(args, cwd, limitMs) {
  const child = spawn(process.execPath, args, {
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (/** @type {Buffer} */ data) => {
      output += data;
    });
  }
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    // Its whole group: suites start processes of their own.
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, limitMs);
  /** @type {number | null} */
  const status = await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  return { status, isOver, output };
}
