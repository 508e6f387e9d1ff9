import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { addOutcome, digestOf, identityOf, placesOf, ROOT, readOutcomes } from './outcomes.js';
import { filesOfPart, PARTS, partOf } from './parts.js';
import { runBuilt, runSample, runSurvivors } from './samples.js';
import { commitOfTree, countControls, runStryker } from './stryker.js';

/**
 * Mutation testing with Stryker: changes one place of a source file after the other and runs the tests that reach it. A
 * mutant that no test notices has survived.
 *
 *   npm run mutants [-- PART|FILE…] [--minutes 60] [--again | --survivors]
 *   npm run mutants -- PART… --sample 300 [--seed 1] [--minutes 60] [--quick | --survivors | --built]
 *
 * The parts are `ring`, `auth`, `shards` and `store`; without a name all four. A few files are mutated at a time, and each
 * one's outcome becomes a line of `fuzz/mutants.jsonl` when they are done, so that a run may end at any time: a file that is
 * there as it is now is left out, unless `--again`. With `--survivors` only the mutants that survived in such a file run
 * once more, for tests that were added since. After `--minutes` no other files are begun.
 *
 * With `--sample` so many mutants are drawn at random from all files of a part. The sample becomes a line of
 * `fuzz/mutant-samples.jsonl`, and with `--survivors` those of it that survived run once more. With `--quick` it goes without
 * the test files that take seconds, so more mutants survive than would. With `--built` those that survived are built into
 * a copy of the tree, one at a time, and judged by the simulation and by suites of whole buses. docs/adr/0076 says what counts.
 */

/** So many lines are mutated at a time: each time costs a copy of the tree and a run of all tests. */
const LINES_AT_A_TIME = 900;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '60' },
    again: { type: 'boolean', default: false },
    survivors: { type: 'boolean', default: false },
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    built: { type: 'boolean', default: false },
  },
});
const end = performance.now() + Number(values.minutes) * 60_000;
const isOver = () => performance.now() > end;
const outcomes = readOutcomes();
const names = positionals.length > 0 ? positionals : Object.keys(PARTS);
if (values.sample === undefined) {
  for (const files of portionsOf(filesOf().filter(isWanted))) {
    if (isOver()) break;
    await mutate(files);
  }
} else {
  const seed = Number(values.seed);
  const draw = { size: Number(values.sample), seed, isQuick: values.quick, isOver };
  for (const part of /** @type {(keyof typeof PARTS)[]} */ (names)) {
    if (values.built) await runBuilt(part, seed, isOver);
    else if (values.survivors) await runSurvivors(part, seed);
    else await runSample(part, draw);
  }
}

/** @param {string} file */
function isWanted(file) {
  const known = outcomes.get(file);
  const isKnown = known?.digest === digestOf(file);
  if (values.survivors) return isKnown && known.survivors.length > 0;
  return values.again || !isKnown;
}

function filesOf() {
  return names.flatMap((name) => (name.endsWith('.ts') ? [name] : filesOfPart(name)));
}

/** Files of one part, as many together as `LINES_AT_A_TIME` allows. @param {string[]} files */
function portionsOf(files) {
  /** @type {string[][]} */
  const portions = [];
  let lines = 0;
  for (const file of files) {
    const length = readFileSync(join(ROOT, file), 'utf8').split('\n').length;
    const last = portions.at(-1);
    lines += length;
    if (last && partOf(last[0]) === partOf(file) && lines <= LINES_AT_A_TIME) {
      last.push(file);
    } else {
      portions.push([file]);
      lines = length;
    }
  }
  return portions;
}

/** @param {string} file */
function survivorsOf(file) {
  return outcomes.get(file)?.survivors ?? [];
}

/** @param {string[]} files */
async function mutate(files) {
  const commit = commitOfTree();
  const digests = new Map(files.map((file) => [file, digestOf(file)]));
  const again = files.flatMap((file) => survivorsOf(file).map((one) => identityOf(file, one)));
  const { mutants, controls, seconds } = values.survivors
    ? await runStryker(
        partOf(files[0]),
        files.flatMap((file) => placesOf(file, survivorsOf(file))),
        { isSlowToo: true, only: new Set(again) },
      )
    : await runStryker(partOf(files[0]), files, { isSlowToo: false });
  for (const file of files) {
    const own = mutants.filter(({ fileName }) => relative(ROOT, fileName) === file);
    const digest = /** @type {string} */ (digests.get(file));
    const share = Math.round((seconds * own.length) / Math.max(1, mutants.length));
    const ownControls = countControls(controls.filter((control) => control.file === file));
    const run = { digest, commit, seconds: share, ...ownControls };
    const before = values.survivors ? outcomes.get(file) : undefined;
    const outcome = addOutcome(file, own, run, before);
    const { killed, timeout, survived, noCoverage } = outcome;
    console.log(
      `${file}: ${killed + timeout} found, ${survived} survived, ${noCoverage} reached by no test`,
    );
  }
  console.log(`${seconds} s for ${mutants.length} mutants`);
}
