import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { faults, gatewayFault } from '../checker/faults.js';
import { packed } from '../checker/pack.js';
import { play } from '../checker/play.js';
import { DIR, list, positive, program } from '../program.js';
import { recordResult } from '../record-result.js';
import { clockFault, SHORT_STEPS_MS, ShiftedClock, suspend } from './clocks/faults.js';
import { NetworkFault } from './network/faults.js';
import { PartDeaths } from './parts/fault.js';
import { pointInto } from './parts/points.js';
import { percentilesOf } from './percentiles.js';
import { slopeOf } from './slope.js';

/**
 * Here is how it works. One server lives through hours of all faults that one process survives: parts that die at each
 * point of their loops, clocks that are set, networks that fail, standstills, clients that are killed. Between the faults
 * it is asked what it holds: heap after a collection, memory, descriptors, threads, and the size of its write-ahead logs.
 * Then the judge of `fuzz/checker` decides whether the promises were kept, and each figure has to be flat: its slope, by
 * least squares over all samples but the first, may exceed its own error three times only where it is too small to count.
 *
 *   node fuzz/faults/soak.js [--minutes 120] [--seed N] [--without parts,clock,…] [--leak] [--record FILE] [--dir DIR]
 *
 * `--leak` lets the harness hold memory in the server, which has to be found. Exits 0 if all was right and flat, 1 if not,
 * 2 for wrong usage.
 */
const CLIENTS = ['sockets-1', 'sockets-2', 'http'];
/** What an hour may add at most, whatever the error of its slope. */
const PER_HOUR = {
  heap: 8 * 2 ** 20,
  external: 8 * 2 ** 20,
  rss: 64 * 2 ** 20,
  descriptors: 8,
  threads: 1,
  walBytes: 16 * 2 ** 20,
};
const ERRORS = 3;
/** The share of the samples, at the beginning, in which caches fill. */
const WARM_SHARE = 0.25;
/** Shorter than the warm part of a run of an hour: ids that are remembered grow in number until the window is full. */
const DEDUPE_WINDOW_MS = 600_000;
const SAMPLES_MIN = 8;

const { minutes, seed, without, leak, record, dir } = readOptions();
console.log(`fuzz: soak, seed ${seed}, ${minutes} min${leak ? ', with a leak' : ''}`);
const folder = mkdtempSync(join(dir, 'millrace-soak-'));
const built = fileURLToPath(new URL('../../dist', import.meta.url));
const parts = new PartDeaths(seed, { spellMs: 3000, mustLast: true });
const samples = [];
const sampling = {
  name: 'look',
  inject: async (_random, { subject, folder: place }) => {
    const census = await subject.ask('census', leak ? { leak: 20_000 } : {});
    if (census === undefined) return undefined;
    const walBytes = walOf(join(place, 'data'));
    const sample = { atHours: performance.now() / 3.6e6, ...census, walBytes };
    samples.push(sample);
    // For whoever looks on.
    appendFileSync(join(folder, 'samples.jsonl'), `${JSON.stringify(sample)}\n`);
    return undefined;
  },
};
const all = {
  parts,
  // Longer steps, and the death of a shard soon after, let an id be forgotten whose event was pruned (GUARANTEES, 3).
  clock: clockFault(new ShiftedClock(), SHORT_STEPS_MS),
  network: new NetworkFault({ clients: CLIENTS }),
  suspend,
  client: faults.client,
  shard: faults.shard,
  gateway: gatewayFault({ crash: 1 }),
  worker: faults.worker,
  disconnect: faults.disconnect,
};
const chosen = Object.entries(all).filter(([name]) => !without.includes(name));
const result = await play({
  seed,
  changes: { bus: { dedupeWindowMs: DEDUPE_WINDOW_MS } },
  ms: minutes * 60_000,
  // It looks about as often as all faults together come, so that there are samples enough.
  faults: [...chosen.map(([, fault]) => fault), ...Array.from({ length: 3 }, () => sampling)],
  folder,
  // As users run it: what threads load and hold depends on it.
  dist: packed(pointInto(built, join(folder, 'pointed'))),
  mayEnd: ['PART_DIED', 'HANDLER_FAILED'],
});
const problems = [...result.problems, ...judgeSamples()];
console.log(
  `fuzz: soak: ${JSON.stringify(result.injections)}, ${parts.deaths.length} deaths of parts`,
);
console.log(`fuzz: soak: ${JSON.stringify(result.figures)}, ${problems.length} problems`);
for (const problem of problems.slice(0, 50)) console.error(`fuzz: ${problem}`);
if (record !== undefined) recordRun(record);
if (problems.length === 0) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
else console.error(`fuzz: what was seen is in ${folder}`);
process.exit(problems.length === 0 ? 0 : 1);

/** Prints each figure with its slope, and says which are not flat. */
function judgeSamples() {
  const processes = new Set(samples.map(({ pid }) => pid)).size;
  // Two processes have two levels, and their samples together a slope that neither has.
  if (processes > 1)
    return [`soak: the server ran in ${processes} processes, so there is no slope`];
  const settled = samples.slice(Math.floor(samples.length * WARM_SHARE));
  if (settled.length < SAMPLES_MIN)
    return [`soak: only ${settled.length} samples; let it run longer`];
  const rising = [];
  for (const [name, most] of Object.entries(PER_HOUR)) {
    const { slope, error } = slopeOf(settled.map((one) => [one.atHours, one[name]]));
    const isFlat = slope <= most || slope <= ERRORS * error;
    const figures = `${name}: ${Math.round(slope)} ± ${Math.round(error)} an hour`;
    const range = `${Math.min(...settled.map((one) => one[name]))} to ${Math.max(...settled.map((one) => one[name]))}`;
    console.log(
      `fuzz: soak: ${figures}, ${range}, ${settled.length} samples: ${isFlat ? 'flat' : 'RISES'}`,
    );
    if (!isFlat) rising.push(`soak: ${figures}`);
  }
  return rising;
}

function walOf(data) {
  return readdirSync(data)
    .filter((file) => file.endsWith('-wal'))
    .reduce((sum, file) => sum + sizeOf(join(data, file)), 0);
}

/** A log may be closed meanwhile. */
function sizeOf(file) {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** @param {string} file */
function recordRun(file) {
  const count = (...rules) =>
    problems.filter((problem) => rules.some((rule) => problem.startsWith(`${rule}:`))).length;
  const injected = Object.values(result.injections).reduce((sum, more) => sum + more, 0);
  const of = (...names) => names.reduce((sum, name) => sum + (result.injections[name] ?? 0), 0);
  recordResult(file, {
    campaign: 'faults soak',
    fault: 'soak',
    seeds: [seed, 1],
    injections: injected + parts.deaths.length,
    within: {
      'part dies': parts.deaths.length + of('shard', 'gateway', 'worker'),
      clocks: of('clock', 'suspend'),
      network: of('network', 'disconnect'),
    },
    acked: result.figures.acked,
    lost: count('C1', 'C5'),
    repeated: count('C7'),
    misordered: count('C3', 'C4'),
    undetected: 0,
    problems: problems.length,
    recoveryMs: percentilesOf(parts.recoveriesMs),
    // Of life among faults, without the end of the game and its judgement.
    seconds: Math.round(minutes * 60),
  });
}

function readOptions() {
  return program(
    'node fuzz/faults/soak.js',
    'One server lives through hours of faults, and what it holds has to stay flat.',
  )
    .option('--minutes <n>', 'lasts so long', positive, 120)
    .option('--without <faults>', 'leaves these out', list, [])
    .option('--leak', 'lets the server leak, which has to be found', false)
    .option(...DIR)
    .parse()
    .opts();
}
