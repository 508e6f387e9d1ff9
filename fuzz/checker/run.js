import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DIR, list, nameIn, positive, program } from '../program.js';
import { recordResult } from '../record-result.js';
import { faults, USUAL } from './faults.js';
import { plantInto } from './plant.js';
import { plants } from './plants.js';
import { play } from './play.js';
import { countsOf, showProblems } from './report.js';

/**
 * Here is how it works. A server with several shards has clients of every kind: in its own thread, in an attached
 * worker, over WebSockets, over HTTP and Server-Sent Events, in processes of their own. They publish in every way,
 * subscribe, ask, and work for a consumer, and each appends what it sees to a file of its own (`history.js`). A nemesis
 * (`nemesis.js`) injects faults meanwhile: it kills the server, clients, shards, the gateway and the worker, lets
 * processes stand still, and cuts connections. Then the faults stop, everybody comes to an end, and the judge
 * (`judge.js`) decides from the histories and a full replay whether rules C1 to C7 were kept.
 *
 *   node fuzz/checker/run.js [--minutes 2] [--runs N] [--seed N] [--faults kill,client,shard,…] [--plant NAME]
 *                            [--hosts subject,worker,sockets-1,…] [--dir DIR] [--record FILE]
 *
 * A run has half a minute of faults; runs follow each other until the time is over, each with the next seed, which
 * decides options, events and faults, not how threads interleave. `--plant` builds a fault into the server
 * (`plants.js`), which the judge has to find; `--hosts` leaves out all clients of other processes and threads. Exits 0 if all was right, 1 if not, 2 for wrong usage. The folder of a run
 * that failed is kept.
 */
const RUN_MS = 30_000;
/** The kinds of faults in records; of others, a part dies. Without any fault a run is a game against the judge. */
const KINDS = { kill: 'killed', client: 'killed', disconnect: 'network' };

const options = readOptions();
const { seed, minutes, runs, names, plant } = options;
console.log(`fuzz: checker, seed ${seed}${plant ? `, planted: ${plant}` : ''}`);
const end = performance.now() + minutes * 60_000;
const began = performance.now();
/** @type {Awaited<ReturnType<typeof play>>[]} */
const results = [];
while (results.length < runs && (results.length === 0 || performance.now() < end)) {
  results.push(await one(seed + results.length));
}
if (options.record !== undefined) record(options.record);
process.exit(results.every(({ problems }) => problems.length === 0) ? 0 : 1);

async function one(runSeed) {
  const folder = mkdtempSync(join(options.dir, 'millrace-checker-'));
  const dist = plant && plantInto(BUILT(), join(folder, 'planted'), plants[plant]);
  const ms = Math.min(RUN_MS, minutes * 60_000);
  const from = performance.now();
  const result = await play({
    seed: runSeed,
    changes: { hosts: options.hosts, ...(plant ? plants[plant].changes : {}) },
    ms,
    faults: names.map((name) => faults[name]),
    folder,
    dist,
  });
  const seconds = Math.round((performance.now() - from) / 1000);
  const { injections, figures, problems } = result;
  console.log(
    `fuzz: seed ${runSeed}: ${seconds} s, ${JSON.stringify(injections)}, ${JSON.stringify(figures)}, ` +
      `${problems.length} problems`,
  );
  if (problems.length === 0) {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    return result;
  }
  showProblems(problems);
  console.error(`fuzz: what was seen is in ${folder}`);
  const which = `--faults ${names.join() || 'none'}${options.hosts ? ` --hosts ${options.hosts}` : ''}`;
  const flags = `--seed ${runSeed} --runs 1 --minutes ${minutes} ${which}`;
  console.error(`fuzz: again with  node fuzz/checker/run.js ${flags}`);
  return result;
}

/** @param {string} file */
function record(file) {
  const kinds = new Set(names.map((name) => KINDS[name] ?? 'part dies'));
  recordResult(file, {
    campaign: 'checker',
    fault: kinds.size > 1 ? 'together' : ([...kinds][0] ?? 'model'),
    seeds: [seed, results.length],
    ...countsOf(results),
    seconds: Math.round((performance.now() - began) / 1000),
  });
}

function BUILT() {
  return fileURLToPath(new URL('../../dist', import.meta.url));
}

/** @returns {{ names: string[] } & import('commander').OptionValues} */
function readOptions() {
  const options = program(
    'node fuzz/checker/run.js',
    'Clients keep histories of what they saw, and a judge compares them.',
  )
    .option('--minutes <n>', 'begins no run after so many', positive, 2)
    .option('--runs <n>', 'plays at most so many runs', positive, Number.POSITIVE_INFINITY)
    .option('--faults <names>', 'does only these, "none" for none', faultsIn, USUAL)
    .option('--plant <name>', 'plants this fault into the server', nameIn(plants))
    .option('--hosts <names>', 'only these hosts have clients', list)
    .option(...DIR)
    .parse()
    .opts();
  return { ...options, names: options.faults };
}

/** @param {string} text */
function faultsIn(text) {
  return list(text)
    .filter((name) => name !== 'none')
    .map(nameIn(faults));
}
