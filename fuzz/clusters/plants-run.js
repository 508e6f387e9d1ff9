import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plantInto } from '../checker/plant.js';
import { namesArgument, positive, program } from '../program.js';
import { recordResult } from '../record-result.js';
import { faults } from './faults.js';
import { plants } from './plants.js';
import { play } from './play.js';

/**
 * Here is how it works. Each of the planted faults (`plants.js`) is built into a copy of the nodes, a short round is played with it
 * on its broker, and the judge has to find it, under the rule that the plant names.
 *
 *   node fuzz/clusters/plants-run.js [PLANT…] [--seed N] [--tries 3] [--record FILE]
 *
 * A plant that is not found is tried again with the next seed. Exits 0 if all were found, 1 if not, 2 for wrong usage.
 */
const BUILT = fileURLToPath(new URL('../../dist', import.meta.url));
/** Long enough for some faults of those that a plant needs. */
const FAULTS_MS = 15_000;
const CALM_MS = 4000;
const PAUSE_MS = 1000;
const LASTS_MS = 3000;

const options = readOptions();
const began = performance.now();
let missed = 0;
for (const name of options.names) if (!(await isFound(name))) missed++;
console.log(`fuzz: ${options.names.length - missed} of ${options.names.length} plants found`);
if (options.record !== undefined) {
  recordResult(options.record, {
    campaign: 'clusters-plants',
    fault: 'planted',
    seeds: [options.seed, 1],
    injections: options.names.length,
    acked: 0,
    lost: 0,
    repeated: 0,
    misordered: 0,
    undetected: missed,
    problems: missed,
    recoveryMs: null,
    seconds: Math.round((performance.now() - began) / 1000),
  });
}
process.exit(missed === 0 ? 0 : 1);

async function isFound(name) {
  const plant = plants[name];
  for (let turn = 0; turn < options.tries; turn++) {
    const seed = options.seed + turn;
    const problems = await playOne(plant, seed);
    const rules = [...new Set(problems.map((text) => text.split(':')[0]))].sort();
    const isRight = rules.includes(plant.rule);
    const by = rules.join(' ') || 'none';
    console.log(`${isRight ? 'found ' : 'MISSED'}  ${plant.rule}  by ${by}  seed ${seed}  ${name}`);
    if (isRight) return true;
    for (const problem of problems.slice(0, 3)) console.log(`        ${problem.slice(0, 200)}`);
  }
  return false;
}

/**
 * @param {import('./plants.js').Plant} plant
 * @param {number} seed
 * @returns {Promise<string[]>} the problems that the judge finds
 */
async function playOne({ on, faults: names = [], ...plant }, seed) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-cluster-plant-'));
  try {
    const { problems } = await play({
      on,
      seed,
      ms: names.length > 0 ? FAULTS_MS : CALM_MS,
      pauseMs: PAUSE_MS,
      lastsMs: LASTS_MS,
      faults: names.map((name) => faults[name]),
      folder,
      dist: plantInto(BUILT, join(folder, 'planted'), plant),
      endMs: 30_000,
    });
    return problems;
  } catch (error) {
    // Whatever a plant does to the nodes, the next one is played.
    return [`run: ${error.stack}`];
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function readOptions() {
  const command = program(
    'node fuzz/clusters/plants-run.js',
    'Plants faults into the nodes, each of which the judge has to find.',
  )
    .addArgument(namesArgument('plant', plants))
    .option('--tries <n>', 'plays at most so many rounds for a plant', positive, 3)
    .parse();
  const { seed, tries, record } = command.opts();
  // Results are compared with those of before, so the seed is not by chance.
  const isGiven = command.getOptionValueSource('seed') === 'cli';
  return { names: command.processedArgs[0], seed: isGiven ? seed : 1, tries, record };
}
