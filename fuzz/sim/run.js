import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { recordResult } from '../record-result.js';
import { describe } from './game/describe.js';
import { planOf } from './game/plan.js';
import { scenes } from './game/scenes.js';
import { plants } from './plants.js';
import { Session } from './session.js';
import { shrink } from './shrink.js';
import { real } from './world/real.js';

/**
 * The simulation of the whole bus. Here is how it works.
 *
 * The real code of the bus (endpoints, rings, shards, readers, SQLite's log, supervision) runs in one thread, in a world
 * whose threads, ports, timers, clocks and random numbers are virtual. A scheduler with a seed chooses who runs next, and
 * also lets one thread run amid another one's operation on shared memory. It kills threads at any such point, fails
 * statements and flushes, kills the process, cuts the power, and sets the clock. A judge then compares what publishers and subscribers
 * were told with the log. Whenever nothing can run but clocks, nothing may be owed to anybody: that finds lost wake-ups.
 *
 *   npm run sim -- --seeds 1000            seeds 1 to 1000
 *   npm run sim -- --seeds 1000 --from 5000
 *   npm run sim -- --seeds 1000 --until-failed
 *   npm run sim -- --seed 42 --trace       one seed, each step on a line
 *   npm run sim -- --seed 42 --shrink      writes the smallest case that still fails
 *   npm run sim -- --case FILE             plays such a case; may be given several times
 *   npm run sim -- --scene NAME            each seed a game of this scene (`game/scenes.js`)
 *   npm run sim -- --plant NAME            with a fault built in: stops at the first seed that finds it
 *
 * It exits with 0 if no seed failed, with 1 if one did, and with 2 for wrong usage.
 */
const OPTIONS = /** @type {const} */ ({
  seeds: { type: 'string', default: '1000' },
  from: { type: 'string', default: '1' },
  seed: { type: 'string' },
  minutes: { type: 'string' },
  plant: { type: 'string' },
  scene: { type: 'string' },
  record: { type: 'string' },
  case: { type: 'string', multiple: true },
  shrink: { type: 'boolean', default: false },
  trace: { type: 'boolean', default: false },
  hashes: { type: 'boolean', default: false },
  'until-failed': { type: 'boolean', default: false },
  dist: { type: 'string', default: fileURLToPath(new URL('../../dist', import.meta.url)) },
});

/** @type {any} */
const values = valuesOf();
if (values.plant !== undefined && !(values.plant in plants))
  usage(`no plant is called ${values.plant}`);
if (values.scene !== undefined && !(values.scene in scenes))
  usage(`no scene is called ${values.scene}`);
const first = wholeOf('from');
const count = values.seed === undefined ? wholeOf('seeds') : 1;
const start = values.seed === undefined ? first : wholeOf('seed');
const session = await Session.open(values.dist, values.plant);
const work = values.case !== undefined ? playCases : values.shrink ? shrinkSeed : run;
real.setImmediate(work);

function run() {
  const began = real.elapsed();
  const sums = { seeds: 0, steps: 0, points: 0, publishes: 0, acked: 0, delivered: 0 };
  const injected = {};
  const failing = [];
  const kinds = { lost: 0, repeated: 0, misordered: 0, other: 0 };
  const limitMs =
    values.minutes === undefined ? Number.POSITIVE_INFINITY : Number(values.minutes) * 60_000;
  for (let seed = start; seed < start + count && real.elapsed() - began < limitMs; seed++) {
    const result = session.playSeed(seed, { scene: values.scene, ...tracing() });
    sums.seeds++;
    for (const name of Object.keys(sums).slice(1)) sums[name] += result[name];
    for (const [kind, times] of Object.entries(result.injected))
      injected[kind] = (injected[kind] ?? 0) + times;
    if (values.hashes) console.log(`${seed} ${result.hash}`);
    if (result.problems.length === 0) continue;
    for (const kind of Object.keys(kinds)) kinds[kind] += result.kinds[kind];
    failing.push(seed);
    report(seed, result);
    if (values.plant !== undefined || values['until-failed']) break;
  }
  const seconds = (real.elapsed() - began) / 1000;
  conclude({ ...sums, kinds }, injected, failing, seconds);
}

/** Plays cases that `--shrink` wrote. */
function playCases() {
  let failing = 0;
  for (const file of values.case) {
    const { plan, calmFrom } = JSON.parse(readFileSync(file, 'utf8'));
    const { problems } = session.play(plan, { calmFrom, ...tracing() });
    for (const problem of problems) console.log(problem);
    console.log(`${file}: ${problems.length} problems`);
    if (problems.length > 0) failing++;
  }
  process.exit(failing > 0 ? 1 : 0);
}

function shrinkSeed() {
  const found = shrink((plan, options) => session.play(plan, options), planOf(start, values.scene));
  const file = `sim-${start}.json`;
  writeFileSync(file, `${JSON.stringify({ plant: values.plant, ...found }, null, 1)}\n`);
  const moves = found.plan.processes.flatMap(({ programs }) => programs.flat()).length;
  console.log(found.problem);
  console.log(
    `${moves} moves and ${found.plan.faults.length} faults, after ${found.tries} tries: ${file}`,
  );
  console.log('  move the file to test/sim/cases, which the suite plays');
  process.exit(1);
}

function report(seed, { problems, steps }) {
  console.log(`seed ${seed} failed after ${steps} steps:`);
  for (const problem of problems.slice(0, 5)) console.log(`  ${problem}`);
  const plant = values.plant === undefined ? '' : ` --plant '${values.plant}'`;
  const scene = values.scene === undefined ? '' : ` --scene ${values.scene}`;
  console.log(`  repeat it with: npm run sim -- --seed ${seed}${scene}${plant}`);
}

function conclude(sums, injected, failing, seconds) {
  const { seeds, steps, points, publishes, delivered } = sums;
  const rate = (seeds / seconds).toFixed(1);
  console.log(
    `${seeds} seeds from ${start}, ${failing.length} failed, ${seconds.toFixed(1)} s, ${rate} a second`,
  );
  console.log(`${steps} steps, ${points} points, ${publishes} publishes, ${delivered} deliveries`);
  for (const [kind, times] of Object.entries(injected)) console.log(`  ${kind}: ${times}`);
  if (values.record !== undefined) record(sums, injected, failing, seconds);
  process.exit(failing.length > 0 ? 1 : 0);
}

function record({ seeds, acked, kinds }, injected, failing, seconds) {
  /** @type {[number, number]} */
  const range = [start, seeds];
  const common = { campaign: 'sim', seeds: range, recoveryMs: null, seconds };
  const counted = values.plant === undefined ? countsOf : countsOfPlant;
  recordResult(values.record, { ...common, ...counted(acked, kinds, injected, failing.length) });
}

function countsOf(acked, kinds, injected) {
  const injections = Object.values(injected).reduce((sum, times) => sum + times, 0);
  const { lost, repeated, misordered, other } = kinds;
  const problems = lost + repeated + misordered + other;
  const counts = { injections, acked, lost, repeated, misordered, undetected: 0, problems };
  return { fault: 'simulation', ...counts };
}

/** A line for one plant, of which it says whether a seed has found it. */
function countsOfPlant(_acked, _kinds, _injected, found) {
  const missed = found > 0 ? 0 : 1;
  const counts = { lost: 0, repeated: 0, misordered: 0, undetected: missed, problems: missed };
  return { fault: 'planted', injections: 1, acked: 0, ...counts };
}

function tracing() {
  if (!values.trace) return {};
  return {
    onTrace: (actor, world) =>
      console.log(`${world.steps} ${world.elapsed.toFixed(3)} ${actor.name}`),
    onFailure: (game) => console.log(describe(game)),
  };
}

function valuesOf() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    return usage(error.message);
  }
}

function wholeOf(name) {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 0) usage(`--${name} takes a whole number`);
  return value;
}

function usage(message) {
  console.error(`sim: ${message}`);
  process.exit(2);
}
