import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { identityOf, ROOT } from './outcomes.js';

/**
 * What became of the mutants that were drawn from all files of a part: `fuzz/mutant-samples.jsonl` has a line for each run
 * of such a sample, and the last line of a part and seed counts.
 *
 * @typedef {import('./outcomes.js').Survivor & { file: string }} SampleSurvivor
 *
 * @typedef {object} Sample
 * @property {string} part
 * @property {number} seed
 * @property {number} of So many mutants the part has.
 * @property {number} drawn So many of them were run.
 * @property {string} digest Of all files of the part, as they were drawn from.
 * @property {string} commit The places of the survivors are those of its code.
 * @property {boolean} isQuick The slow test files did not run when it was drawn, so `atFirst` is too high.
 * @property {string} date
 * @property {number} seconds
 * @property {number} killed By a failing test, or by an error outside of one.
 * @property {number} timeout
 * @property {number} controls
 * @property {number} failedControls
 * @property {{ survived: number, noCoverage: number }} atFirst When the sample was drawn. Tests that were added for its
 *   survivors say nothing of other mutants, so this alone tells of the part.
 * @property {SampleSurvivor[]} survivors
 * @property {Built} [built] Once its survivors have been built and judged as well.
 *
 * @typedef {object} Built What the builds of survivors added (`built.js`).
 * @property {string} commit
 * @property {string} date
 * @property {number} seconds
 * @property {number} seeds That the simulation plays with each.
 * @property {SampleSurvivor[]} unjudged Of those that survived at first, what a run that was cut short has left for the next.
 * @property {number} doubtful
 * @property {Record<'simulation' | 'suites', number>} foundAtFirst Of all that survived at first, those that have a test of
 *   their own since included. Like `atFirst` it tells of the part.
 * @property {(SampleSurvivor & import('./built.js').Finding)[]} found By later runs as well.
 */
const SAMPLES = join(ROOT, 'fuzz/mutant-samples.jsonl');

/** @returns {Map<string, Sample>} by part and seed */
export function readSamples() {
  return new Map(readLines().map((sample) => [nameOf(sample), sample]));
}

/** All lines of a sample, in their order. @param {{ part: string, seed: number }} sample */
export function linesOf(sample) {
  return readLines().filter((line) => nameOf(line) === nameOf(sample));
}

function readLines() {
  if (!existsSync(SAMPLES)) return [];
  const lines = readFileSync(SAMPLES, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => /** @type {Sample} */ (JSON.parse(line)));
}

/** @param {{ part: string, seed: number }} sample */
export function nameOf({ part, seed }) {
  return `${part} ${seed}`;
}

/**
 * What one run adds to a sample.
 *
 * @typedef {object} SampleRun
 * @property {Record<'killed' | 'timeout', number>} counts
 * @property {Record<'controls' | 'failedControls', number>} controls
 * @property {SampleSurvivor[]} survivors
 * @property {number} seconds
 */

/** @typedef {Pick<Sample, 'part' | 'seed' | 'of' | 'drawn' | 'digest' | 'commit' | 'isQuick'>} Whole */

/**
 * A sample with the next portion of what was drawn.
 *
 * @param {Whole} whole
 * @param {SampleRun} run
 * @param {Sample} [before]
 * @returns {Sample}
 */
export function withPortion(whole, run, before) {
  const unseen = countUnseen(run.survivors);
  return {
    ...withRun(whole, run, before),
    killed: run.counts.killed + (before?.killed ?? 0),
    timeout: run.counts.timeout + (before?.timeout ?? 0),
    atFirst: {
      survived: unseen.survived + (before?.atFirst.survived ?? 0),
      noCoverage: unseen.noCoverage + (before?.atFirst.noCoverage ?? 0),
    },
    survivors: [...(before?.survivors ?? []), ...run.survivors],
  };
}

/**
 * A sample whose survivors have run once more.
 *
 * @param {Sample} known
 * @param {string} commit
 * @param {SampleRun} run
 * @returns {Sample}
 */
export function withRerun(known, commit, run) {
  return {
    ...withRun({ ...known, commit }, run, known),
    killed: known.killed + run.counts.killed,
    timeout: known.timeout + run.counts.timeout,
    atFirst: known.atFirst,
    survivors: run.survivors,
  };
}

/**
 * A sample whose survivors have been built and judged.
 *
 * @param {Sample} known
 * @param {Pick<Built, 'commit' | 'seconds' | 'seeds'>} run
 * @param {import('./built.js').Judged} outcome
 * @returns {Sample}
 */
export function withBuilt(known, run, { found, unjudged, doubtful }) {
  const { built } = known;
  const before = built?.foundAtFirst ?? { simulation: 0, suites: 0 };
  const isFirst = built === undefined || built.unjudged.length > 0;
  const count = (/** @type {string} */ judge) => found.filter(({ by }) => by === judge).length;
  const all = [...(built?.found ?? []), .../** @type {Built['found']} */ (found)];
  const names = new Set(all.map((one) => identityOf(one.file, one)));
  return {
    ...known,
    survivors: known.survivors.filter((one) => !names.has(identityOf(one.file, one))),
    built: {
      ...run,
      date: new Date().toISOString(),
      seconds: run.seconds + (built?.seconds ?? 0),
      unjudged: isFirst ? /** @type {SampleSurvivor[]} */ (unjudged) : [],
      doubtful: doubtful + (built?.doubtful ?? 0),
      foundAtFirst: isFirst
        ? {
            simulation: before.simulation + count('simulation'),
            suites: before.suites + count('suites'),
          }
        : before,
      found: all,
    },
  };
}

/**
 * All that survived of a sample at first: what was found since is gone from its last line, and stands in one before.
 *
 * @param {readonly Sample[]} lines
 */
export function survivorsAtFirst(lines) {
  const all = lines.flatMap(({ survivors }) => survivors);
  return [...new Map(all.map((one) => [identityOf(one.file, one), one])).values()];
}

/** @param {Sample} sample */
export function addSample(sample) {
  const counts = countUnseen(sample.survivors);
  appendFileSync(SAMPLES, `${JSON.stringify(sample)}\n`);
  const { part, seed, of, drawn } = sample;
  const found = drawn - sample.survivors.length;
  console.log(
    `${part}, seed ${seed}: ${drawn} of ${of} mutants: ${found} found, ` +
      `${counts.survived} survived, ${counts.noCoverage} reached by no test`,
  );
}

/** @param {Whole} whole @param {SampleRun} run @param {Sample} [before] */
function withRun(whole, { controls, seconds }, before) {
  const { part, seed, of, drawn, digest, commit, isQuick } = whole;
  return {
    part,
    seed,
    of,
    drawn,
    digest,
    commit,
    isQuick,
    date: new Date().toISOString(),
    seconds: seconds + (before?.seconds ?? 0),
    controls: controls.controls + (before?.controls ?? 0),
    failedControls: controls.failedControls + (before?.failedControls ?? 0),
    ...(before?.built && { built: before.built }),
  };
}

/** @param {readonly { status: string }[]} survivors */
function countUnseen(survivors) {
  const noCoverage = survivors.filter(({ status }) => status === 'NoCoverage').length;
  return { survived: survivors.length - noCoverage, noCoverage };
}
