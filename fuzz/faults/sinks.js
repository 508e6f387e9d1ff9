import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { plantInto } from '../checker/plant.js';
import { DIR, nameIn, positive, program } from '../program.js';
import { recordResult } from '../record-result.js';
import { plants } from './sinks/plants.js';
import { SinksRun } from './sinks/run-sinks.js';
import { BUILT } from './storms/start.js';

/**
 * Here is how it works. A bus forwards all its events to a bus in another process, posts them to a receiver of webhooks,
 * and archives what its retention removes. Both ways lead through networks that fail (`network/proxy.js`), the receiver
 * refuses, hangs up and is slow, and both processes are killed with SIGKILL or stand still. Then the faults end, and when
 * nothing is pending any more the judge compares: the log with its archive has what was acknowledged, the other bus has
 * each of its events once, the receiver at least once, and both have them in the order of each topic.
 *
 *   node fuzz/faults/sinks.js [--minutes 5] [--run-minutes 1] [--seed N] [--plant NAME] [--record FILE] [--dir DIR]
 *
 * Exits 0 if all was right, 1 if not, 2 for wrong usage. The folder of a run that failed is kept.
 */
const SHOWN = 5;
const KINDS = /** @type {const} */ (['lost', 'repeated', 'misordered', 'wrong']);

const { minutes, runMinutes, seed, plant, record, dir } = readOptions();
console.log(`fuzz: sinks, seed ${seed}${plant === undefined ? '' : `, planted: ${plant}`}`);
const began = performance.now();
const sums = { runs: 0, injections: 0, acked: 0, lost: 0, repeated: 0, misordered: 0, wrong: 0 };
do await one(seed + sums.runs);
while (performance.now() - began < minutes * 60_000);
const problems = KINDS.reduce((sum, kind) => sum + sums[kind], 0);
console.log(`fuzz: sinks: ${JSON.stringify(sums)}, ${problems} problems`);
if (record !== undefined) recordAll(record);
process.exit(problems === 0 ? 0 : 1);

async function one(runSeed) {
  const folder = mkdtempSync(join(dir, 'millrace-sinks-'));
  const dist = plant === undefined ? BUILT : plantInto(BUILT, folder, plants[plant]);
  const run = new SinksRun({ seed: runSeed, folder, dist });
  const result = await run.play(runMinutes * 60_000).catch((error) => failed(error));
  const { acked, published, archived, posted } = result;
  const figures = { acked, published, archived, posted };
  console.log(
    `fuzz: sinks, seed ${runSeed}: ${JSON.stringify(run.injections)}, ${JSON.stringify(figures)}`,
  );
  sums.runs++;
  sums.injections += Object.values(run.injections).reduce((sum, times) => sum + times, 0);
  sums.acked += acked;
  let found = 0;
  for (const kind of KINDS) {
    sums[kind] += result[kind].length;
    found += result[kind].length;
    for (const problem of result[kind].slice(0, SHOWN)) console.error(`fuzz: ${kind}: ${problem}`);
  }
  if (found === 0) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  else console.error(`fuzz: what was seen is in ${folder}`);
}

function failed(error) {
  const none = { acked: 0, published: 0, archived: 0, posted: 0 };
  return { ...none, lost: [], repeated: [], misordered: [], wrong: [String(error.stack)] };
}

function recordAll(file) {
  const { runs, injections, acked, lost, repeated, misordered } = sums;
  recordResult(file, {
    campaign: 'faults sinks',
    fault: 'together',
    seeds: [seed, runs],
    injections,
    acked,
    lost,
    repeated,
    misordered,
    undetected: 0,
    problems,
    recoveryMs: null,
    seconds: Math.round((performance.now() - began) / 1000),
  });
}

function readOptions() {
  return program('node fuzz/faults/sinks.js', 'Sinks under faults, judged at their far ends.')
    .option('--minutes <n>', 'begins no run after so many', positive, 5)
    .option('--run-minutes <n>', 'injects faults for so long in a run', positive, 1)
    .option('--plant <name>', 'plants this fault, which has to be found', nameIn(plants))
    .option(...DIR)
    .parse()
    .opts();
}
