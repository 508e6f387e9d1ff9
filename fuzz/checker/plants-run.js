import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { namesArgument, positive, program } from '../program.js';
import { recordResult } from '../record-result.js';
import { faults } from './faults.js';
import { plantInto } from './plant.js';
import { plants } from './plants.js';
import { play } from './play.js';
import { powerCuts } from './power.js';

/**
 * Here is how it works. Each of the planted faults (`plants.js`) is built into a copy of the server, a run is played with it,
 * and the judge has to find it, under the rule that the plant names. A plant that nobody finds, or that only other
 * rules find, is a failure of the judge. First a run without any plant has to be right.
 *
 *   node fuzz/checker/plants-run.js [PLANT…] [--seed N] [--tries 3] [--record FILE]
 *
 * A plant that is not found is tried again with the next seed, since some show only where threads interleave in one of
 * several ways. Prints a line for each: the rule that was to find it, all that found it, the seed, and the seconds. Exits 0
 * if all were found, 1 if not, 2 for wrong usage.
 */
const BUILT = fileURLToPath(new URL('../../dist', import.meta.url));
const USUAL_MS = 3000;
/** The faults of the server show to a few clients as well as to many. */
const HOSTS = ['subject', 'sockets-1'];
/** Of a plant that lets somebody wait for ever: everybody else has long come to an end by then. */
const END_MS = 60_000;

const options = readOptions();
const began = performance.now();
let found = 0;
let missed = 0;
if (options.names.length === Object.keys(plants).length) await playNone();
for (const name of options.names) {
  if (await isFound(name)) found++;
  else missed++;
}
console.log(`fuzz: ${found} of ${found + missed} plants found`);
if (options.record !== undefined) {
  recordResult(options.record, {
    campaign: 'checker-plants',
    fault: 'planted',
    seeds: [options.seed, 1],
    injections: found + missed,
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

async function playNone() {
  const problems = await playOne({}, options.seed);
  console.log(`fuzz: without a plant: ${problems.length} problems`);
  for (const problem of problems) console.log(`        ${problem.slice(0, 300)}`);
  if (problems.length > 0) missed++;
}

/** @returns {Promise<boolean>} whether the plant was found under its rule */
async function isFound(name) {
  const plant = plants[name];
  for (let turn = 0; turn < options.tries; turn++) {
    const seed = options.seed + turn;
    const from = performance.now();
    const problems = await playOne(plant, seed);
    const rules = [...new Set(problems.map((text) => text.split(':')[0]))].sort();
    const isRight = rules.includes(plant.rule);
    const seconds = Math.round((performance.now() - from) / 1000);
    const by = rules.join(' ') || 'none';
    console.log(
      `${isRight ? 'found ' : 'MISSED'}  ${plant.rule}  by ${by}  seed ${seed}  ${seconds} s  ${name}`,
    );
    if (isRight) return true;
    for (const problem of problems.slice(0, 3)) console.log(`        ${problem.slice(0, 200)}`);
  }
  return false;
}

/** @returns {Promise<string[]>} the problems that the judge finds */
async function playOne(plant, seed) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-plant-'));
  try {
    const isPlant = plant.file !== undefined;
    const dist = isPlant ? plantInto(BUILT, join(folder, 'planted'), plant) : BUILT;
    if (plant.by === 'power') return await powerCuts({ seed, folder, dist });
    const { problems } = await play({
      seed,
      changes: { hosts: HOSTS, ...plant.changes },
      ms: plant.ms ?? USUAL_MS,
      faults: (plant.faults ?? []).map((name) => faults[name]),
      folder,
      dist,
      endMs: END_MS,
    });
    return problems;
  } catch (error) {
    // Whatever a plant does to the server, the next one is played.
    return [`run: ${error.stack}`];
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function readOptions() {
  const command = program(
    'node fuzz/checker/plants-run.js',
    'Plants faults into the server, each of which the judge has to find.',
  )
    .addArgument(namesArgument('plant', plants))
    .option('--tries <n>', 'plays at most so many runs for a plant', positive, 3)
    .parse();
  const { seed, tries, record } = command.opts();
  // Results are compared with those of before, so the seed is not by chance.
  return {
    names: command.processedArgs[0],
    seed: command.getOptionValueSource('seed') === 'cli' ? seed : 1,
    tries,
    record,
  };
}
