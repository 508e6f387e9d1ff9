import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { play } from '../checker/play.js';
import { DIR, namesArgument, positive, program } from '../program.js';
import { recordResult } from '../record-result.js';
import { campaigns } from './campaigns.js';
import { percentilesOf } from './percentiles.js';

/**
 * Here is how it works. A campaign takes a server and its clients (`fuzz/checker`), and lets one kind of fault happen to
 * them again and again: parts of the server die at each point of their loops, the clock is set, the network between
 * server and clients fails, the server is told to stop under load. Then the faults end, everybody comes to an end, and
 * the judge decides from histories that clients kept, and from a full replay, whether the promises were kept.
 *
 *   node fuzz/faults/run.js [parts|signals|clocks|faketime|network|namespaces|together…]
 *                           [--minutes 5] [--run-minutes 1] [--seed N] [--injections N] [--record FILE] [--dir DIR]
 *
 * Runs follow each other, each with the next campaign of those named (or of all) and the next seed, until the minutes are over or
 * so many faults were injected. Exits 0 if
 * all was right, 1 if not, 2 for wrong usage. The folder of a run that failed is kept.
 */
const SHOWN_OF_A_RULE = 5;

/**
 * @typedef {object} Sum
 * @property {number} runs
 * @property {number} firstSeed
 * @property {number} injections
 * @property {number} acked
 * @property {string[]} problems
 * @property {number[]} recoveriesMs
 * @property {number} seconds
 */

const options = readOptions();
const { seed, minutes, runMinutes, injections: enough } = options;
const names = options.names.filter(isPossible);
console.log(`fuzz: faults, ${names.join(', ')}, seed ${seed}`);
const end = performance.now() + minutes * 60_000;
/** @type {Map<string, Sum>} */
const sums = new Map();
for (
  let n = 0;
  n < names.length || (performance.now() < end && countOf('injections') < enough);
  n++
) {
  if (names.length === 0) break;
  await one(names[n % names.length], seed + n);
}
for (const [name, sum] of sums) tell(name, sum);
process.exit(countOf('problems') === 0 ? 0 : 1);

/** A campaign that cannot be played here is left out loudly, but never in CI. */
function isPossible(name) {
  const obstacle = campaigns[name].obstacle?.();
  if (obstacle === undefined) return true;
  console.error(`fuzz: ${name} SKIPPED: ${obstacle}`);
  if (process.env.CI === 'true') process.exit(1);
  return false;
}

/** @returns {Sum} */
function newSum(firstSeed) {
  const none = { runs: 0, injections: 0, acked: 0, seconds: 0 };
  return { ...none, firstSeed, problems: [], recoveriesMs: [] };
}

function countOf(what) {
  let count = 0;
  for (const sum of sums.values())
    count += what === 'problems' ? sum.problems.length : sum.injections;
  return count;
}

function tell(name, sum) {
  const recoveryMs = percentilesOf(sum.recoveriesMs);
  console.log(
    `fuzz: ${name}: ${sum.runs} runs, ${sum.injections} faults, ${sum.acked} acked, ` +
      `recovery ${JSON.stringify(recoveryMs)} ms, ${sum.problems.length} problems`,
  );
  if (options.record !== undefined) record(options.record, name, sum);
}

/**
 * @param {string} name
 * @param {number} runSeed
 */
async function one(name, runSeed) {
  const campaign = campaigns[name];
  const sum = sums.get(name) ?? newSum(runSeed);
  sums.set(name, sum);
  const folder = mkdtempSync(join(options.dir, `millrace-${name}-`));
  const at = performance.now();
  const setting = campaign.of(runSeed, { folder, built: BUILT() });
  const ms = Math.min(runMinutes * 60_000, Math.max(1000, end - at));
  const result = await play({ seed: runSeed, ms, folder, ...setting });
  const summary = campaign.summary?.(setting.faults, result) ?? {};
  const problems = [...result.problems, ...(summary.problems ?? [])];
  const injected = Object.values(result.injections).reduce((all, count) => all + count, 0);
  sum.runs++;
  sum.injections += summary.injections ?? injected;
  sum.acked += result.figures.acked;
  sum.problems.push(...problems);
  sum.recoveriesMs.push(...(summary.recoveriesMs ?? result.recoveriesMs));
  sum.seconds += (performance.now() - at) / 1000;
  console.log(
    `fuzz: ${name}, seed ${runSeed}: ${Math.round((performance.now() - at) / 1000)} s, ` +
      `${JSON.stringify(result.injections)}, ${JSON.stringify(result.figures)}, ${problems.length} problems`,
  );
  for (const line of summary.lines ?? []) console.log(`fuzz:   ${line}`);
  if (problems.length === 0) {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    return;
  }
  show(problems);
  console.error(`fuzz: what was seen is in ${folder}`);
  const again = `--seed ${runSeed} --minutes ${runMinutes} --run-minutes ${runMinutes}`;
  console.error(`fuzz: again with  node fuzz/faults/run.js ${name} ${again}`);
}

/** Shows some of each rule, as a single cause may break one of them a thousand times. */
function show(problems) {
  const counts = new Map();
  for (const problem of problems) {
    const rule = ruleOf(problem);
    const count = (counts.get(rule) ?? 0) + 1;
    counts.set(rule, count);
    if (count <= SHOWN_OF_A_RULE) console.error(`fuzz: ${problem}`);
  }
}

function ruleOf(problem) {
  return problem.slice(0, Math.max(0, problem.indexOf(':')));
}

function record(file, name, sum) {
  const of = (...rules) => sum.problems.filter((problem) => rules.includes(ruleOf(problem))).length;
  recordResult(file, {
    campaign: `faults ${name}`,
    fault: campaigns[name].fault,
    seeds: [sum.firstSeed, sum.runs],
    injections: sum.injections,
    acked: sum.acked,
    lost: of('C1', 'C5'),
    repeated: of('C7'),
    misordered: of('C3', 'C4'),
    undetected: 0,
    problems: sum.problems.length,
    recoveryMs: percentilesOf(sum.recoveriesMs),
    seconds: Math.round(sum.seconds),
  });
}

function BUILT() {
  return fileURLToPath(new URL('../../dist', import.meta.url));
}

/** @returns {{ names: string[] } & import('commander').OptionValues} */
function readOptions() {
  const command = program(
    'node fuzz/faults/run.js',
    'A server whose parts die, whose clock is set, whose network fails.',
  )
    .addArgument(namesArgument('campaign', campaigns))
    .option('--minutes <n>', 'begins no run of a campaign after so many', positive, 5)
    .option('--run-minutes <n>', 'injects faults for so long in a run', positive, 1)
    .option(
      '--injections <n>',
      'begins no run of a campaign after so many',
      positive,
      Number.POSITIVE_INFINITY,
    )
    .option(...DIR)
    .parse();
  return { ...command.opts(), names: command.processedArgs[0] };
}
