import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { Stryker } from '@stryker-mutator/core';
import { addOutcome, digestOf, placesOf, ROOT, readOutcomes } from './outcomes.js';

/**
 * Mutation testing with Stryker: changes one place of a source file after the other and runs the tests that reach it. A
 * mutant that no test notices has survived.
 *
 *   npm run mutants [-- PART|FILE…] [--minutes 60] [--again | --survivors]
 *
 * The parts are `ring`, `auth`, `shards` and `store`; without a name all four. A few files are mutated at a time, and each
 * one's outcome becomes a line of `fuzz/mutants.jsonl` when they are done, so that a run may end at any time: a file that is
 * there as it is now is left out, unless `--again`. With `--survivors` only the mutants that survived in such a file run
 * once more, for tests that were added since. After `--minutes` no other files are begun. docs/adr/0076 says what counts.
 */

/** By part, the folders of tests that run its code in their own thread; Stryker does not see code of other threads. */
const PARTS = {
  ring: ['test/ring'],
  auth: ['test/auth'],
  shards: ['test/shards', 'test/consumers'],
  store: ['test/store'],
};
/**
 * Test files that take seconds. The first run of a file goes without them, as each mutant that survives runs all tests
 * that reach it; `--survivors` runs them too.
 */
const SLOW = [
  'test/consumers/machine.property.test.ts',
  'test/shards/commands.test.ts',
  'test/shards/consumers/reading/backlog.test.ts',
  'test/shards/consumers/reading/record-cache.test.ts',
  'test/shards/expiry-clock.property.test.ts',
  'test/shards/introspection.test.ts',
  'test/shards/late-relink.test.ts',
  'test/shards/later.property.test.ts',
  'test/shards/publish-terms.property.test.ts',
  'test/shards/schedules.property.test.ts',
  'test/store/sqlite/damage.test.ts',
  'test/store/sqlite/expiry.property.test.ts',
  'test/store/sqlite/field-index.test.ts',
  'test/store/sqlite/keep-per-topic-faults.test.ts',
  'test/store/sqlite/keep-per-topic.test.ts',
  'test/store/sqlite/payloads/claimed-payloads.property.test.ts',
  'test/store/sqlite/removal.test.ts',
];
/** These run code in other threads, or change it themselves: they find no mutant. */
const BLIND = [
  'test/consumers/planted-faults.test.ts',
  'test/shards/churn.test.ts',
  'test/shards/supervision.test.ts',
  'test/store/storage-campaign.test.ts',
  'test/store/storage-cuts.test.ts',
];
/** So many lines are mutated at a time: each time costs a copy of the tree and a run of all tests. */
const LINES_AT_A_TIME = 900;
/** Not needed by the tests, and not copied. */
const LEFT_OUT = ['bench', 'data', 'docs', 'profile', 'reference', 'screenshots', 'coverage'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '60' },
    again: { type: 'boolean', default: false },
    survivors: { type: 'boolean', default: false },
  },
});
const end = performance.now() + Number(values.minutes) * 60_000;
const outcomes = readOutcomes();
for (const files of portionsOf(filesOf(positionals).filter(isWanted))) {
  if (performance.now() > end) break;
  await mutate(files);
}

/** @param {string} file */
function isWanted(file) {
  const known = outcomes.get(file);
  const isKnown = known?.digest === digestOf(file);
  if (values.survivors) return isKnown && known.survivors.length > 0;
  return values.again || !isKnown;
}

/** @param {string[]} names */
function filesOf(names) {
  const chosen = names.length > 0 ? names : Object.keys(PARTS);
  return chosen.flatMap((name) => {
    if (name.endsWith('.ts')) return [name];
    if (!Object.hasOwn(PARTS, name)) {
      console.error(`mutants: no part ${name}; there are ${Object.keys(PARTS).join(', ')}`);
      process.exit(2);
    }
    const entries = readdirSync(join(ROOT, 'src', name), { recursive: true, encoding: 'utf8' });
    const files = entries.filter((entry) => entry.endsWith('.ts')).sort();
    return files.map((entry) => `src/${name}/${entry}`);
  });
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

/** @param {string | undefined} file */
function partOf(file) {
  return /** @type {keyof typeof PARTS} */ (file?.split('/')[1]);
}

/** @param {string} file */
function survivorsOf(file) {
  const outcome = outcomes.get(file);
  return outcome === undefined ? [] : placesOf(outcome);
}

/** @param {string[]} files */
async function mutate(files) {
  const folder = mkdtempSync(join(tmpdir(), 'mutants-'));
  const controls = join(folder, 'controls.jsonl');
  writeFileSync(controls, '');
  process.env.MUTANTS_CONTROLS = controls;
  process.env.MUTANTS_TESTS = PARTS[partOf(files[0])].join(',');
  process.env.MUTANTS_WITHOUT = [...BLIND, ...(values.survivors ? [] : SLOW)].join(',');
  const began = performance.now();
  const commit = spawnSync('git', ['rev-parse', '--short=8', 'HEAD'], { cwd: ROOT }).stdout;
  const digests = new Map(files.map((file) => [file, digestOf(file)]));
  const stryker = new Stryker({
    mutate: files.flatMap((file) => (values.survivors ? survivorsOf(file) : [file])),
    testRunner: 'patient',
    plugins: [
      '@stryker-mutator/vitest-runner',
      './scripts/mutants/patient-runner.js',
      './scripts/mutants/assertions.js',
    ],
    ignorers: ['assertions'],
    vitest: { configFile: 'scripts/mutants/vitest.config.ts', related: false },
    coverageAnalysis: 'perTest',
    concurrency: 1,
    ignorePatterns: LEFT_OUT,
    reporters: ['progress-append-only'],
    // TypeScript 7 has no API for Stryker, which would rewrite its configuration for the copy.
    tsconfigFile: 'none.json',
    // Ends a mutant that blocks its thread. Tests end by their own limits, and may use the longer ones before.
    timeoutMS: 30_000,
    timeoutFactor: 5,
    logLevel: /** @type {any} */ ('warn'), // a constant of a package that is not ours to import
    allowEmpty: true,
  });
  const mutants = await stryker.runMutationTest();
  const seconds = Math.round((performance.now() - began) / 1000);
  for (const file of files) {
    const own = mutants.filter(({ fileName }) => relative(ROOT, fileName) === file);
    const digest = /** @type {string} */ (digests.get(file));
    const share = Math.round((seconds * own.length) / Math.max(1, mutants.length));
    const shortCommit = commit.toString().trim();
    const run = { digest, commit: shortCommit, seconds: share, ...controlsOf(controls, file) };
    const before = values.survivors ? outcomes.get(file) : undefined;
    const outcome = addOutcome(file, own, run, before);
    const { killed, timeout, survived, noCoverage } = outcome;
    console.log(
      `${file}: ${killed + timeout} found, ${survived} survived, ${noCoverage} reached by no test`,
    );
  }
  rmSync(folder, { recursive: true });
  console.log(`${seconds} s for ${mutants.length} mutants`);
}

/** @param {string} path @param {string} file */
function controlsOf(path, file) {
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  const own = lines.map((line) => JSON.parse(line)).filter((control) => control.file === file);
  const failed = own.filter(({ result }) => result.status !== 'survived');
  for (const control of failed) console.error(`a control failed: ${JSON.stringify(control)}`);
  return { controls: own.length, failedControls: failed.length };
}
