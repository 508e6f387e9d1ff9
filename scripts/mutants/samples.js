import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Instrumenter } from '@stryker-mutator/instrumenter';
import { strykerPlugins } from './assertions.js';
import { judgeBuilt } from './built.js';
import { SEEDS } from './built-judges.js';
import { shuffled } from './draw.js';
import { digestOf, identityOf, placeOf, placesOf, ROOT, survivorOf, UNSEEN } from './outcomes.js';
import { filesOfPart } from './parts.js';
import {
  addSample,
  linesOf,
  nameOf,
  readSamples,
  survivorsAtFirst,
  withBuilt,
  withPortion,
  withRerun,
} from './sample-lines.js';
import { commitOfTree, countControls, runStryker } from './stryker.js';

/** Samples of the mutants of a part, drawn from all of its files: which they are, and how they are run. */

/** So many mutants are run at a time: each time costs a copy of the tree and a run of all tests. */
const AT_A_TIME = 125;
/** What Stryker's instrumenter says; nobody needs it. */
const SILENT = /** @type {any} */ ({
  debug() {},
  info() {},
  warn() {},
  isDebugEnabled: () => false,
});

/**
 * Draws mutants and runs them, in portions, with all tests of the part. What has been run is a uniform draw after each
 * portion, as the order is random; a sample with the same seed is gone on with.
 *
 * @param {keyof typeof import('./parts.js').PARTS} part
 * @param {{ size: number, seed: number, isQuick: boolean, isOver: () => boolean }} draw Without the slow tests if
 *   `isQuick`; after `isOver` no other portion is begun.
 */
export async function runSample(part, { size, seed, isQuick, isOver }) {
  const digest = digestOfPart(part);
  const commit = commitOfTree();
  const mutants = await mutantsOf(filesOfPart(part));
  const known = readSamples().get(nameOf({ part, seed }));
  if (known?.built) throw new Error('its survivors have been built: draw with another seed');
  let sample = known?.digest === digest ? known : undefined;
  const wanted = shuffled(mutants, seed).slice(0, size);
  while (!isOver()) {
    const begun = sample?.drawn ?? 0;
    const portion = wanted.slice(begun, begun + AT_A_TIME);
    if (portion.length === 0) break;
    const run = await runMutants(part, portion, !isQuick);
    const whole = { part, seed, of: mutants.length, drawn: begun + portion.length };
    sample = withPortion({ ...whole, digest, commit, isQuick }, run, sample);
    addSample(sample);
  }
}

/**
 * Runs the survivors of a sample once more, for tests that were added since.
 *
 * @param {keyof typeof import('./parts.js').PARTS} part
 * @param {number} seed
 */
export async function runSurvivors(part, seed) {
  const known = sampleOf(part, seed);
  const run = await runMutants(part, known.survivors, true);
  addSample(withRerun(known, commitOfTree(), run));
}

/**
 * Builds the survivors of a sample, and judges the builds. First these are all that survived at first, those that tests
 * were added for included, so that the share of the part can be told; later they are those that still survive.
 *
 * @param {keyof typeof import('./parts.js').PARTS} part
 * @param {number} seed
 * @param {() => boolean} isOver
 */
export async function runBuilt(part, seed, isOver) {
  const known = sampleOf(part, seed);
  const began = performance.now();
  const first = known.built?.unjudged ?? survivorsAtFirst(linesOf(known));
  const mutants = first.length > 0 ? first : known.survivors;
  const outcome = await judgeBuilt(mutants, known.commit, isOver);
  const seconds = Math.round((performance.now() - began) / 1000);
  addSample(withBuilt(known, { commit: commitOfTree(), seconds, seeds: SEEDS }, outcome));
}

/** @param {string} part @param {number} seed */
function sampleOf(part, seed) {
  const known = readSamples().get(nameOf({ part, seed }));
  if (known === undefined) throw new Error(`there is no sample of ${part} with seed ${seed}`);
  return known;
}

/** @typedef {import('./outcomes.js').Place & { file: string }} Mutant */

/** All mutants that Stryker would make, without running one. @param {string[]} files @returns {Promise<Mutant[]>} */
async function mutantsOf(files) {
  const sources = files.map((name) => {
    return { name, mutate: true, content: readFileSync(join(ROOT, name), 'utf8') };
  });
  const ignorers = strykerPlugins.map(({ value }) => value);
  const options = { ignorers, plugins: null, excludedMutations: [] };
  const { mutants } = await new Instrumenter(SILENT).instrument(
    sources,
    /** @type {any} */ (options),
  );
  const counted = mutants.filter(({ status }) => status === undefined);
  return counted.map((mutant) => ({ file: mutant.fileName, ...placeOf(mutant, 1) }));
}

/**
 * @param {keyof typeof import('./parts.js').PARTS} part
 * @param {readonly Mutant[]} mutants
 * @param {boolean} isSlowToo
 */
async function runMutants(part, mutants, isSlowToo) {
  const only = new Set(mutants.map((mutant) => identityOf(mutant.file, mutant)));
  const patterns = new Set(mutants.flatMap((mutant) => placesOf(mutant.file, [mutant])));
  const { mutants: results, ...run } = await runStryker(part, [...patterns], {
    isSlowToo,
    only,
  });
  const count = (/** @type {string[]} */ ...statuses) =>
    results.filter(({ status }) => statuses.includes(status)).length;
  const counts = { killed: count('Killed', 'RuntimeError'), timeout: count('Timeout') };
  const unseen = results.filter(({ status }) => UNSEEN.has(status));
  const survivors = unseen.map((mutant) => {
    return { file: relative(ROOT, mutant.fileName), ...survivorOf(mutant) };
  });
  return {
    counts,
    survivors,
    controls: countControls(run.controls),
    seconds: run.seconds,
  };
}

/** @param {string} part */
function digestOfPart(part) {
  const hash = createHash('sha256');
  for (const file of filesOfPart(part)) hash.update(`${file} ${digestOf(file)}\n`);
  return hash.digest('hex').slice(0, 16);
}
