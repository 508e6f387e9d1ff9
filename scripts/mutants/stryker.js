import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Stryker } from '@stryker-mutator/core';
import { identityOf, placeOf, ROOT } from './outcomes.js';
import { BLIND, PARTS, SLOW } from './parts.js';

/** One run of Stryker: one copy of the tree, one run of the tests without a mutant, and then the mutants. */

/** Not needed by the tests, and not copied. */
export const LEFT_OUT = [
  'bench',
  'data',
  'docs',
  'profile',
  'reference',
  'screenshots',
  'coverage',
];

/**
 * @typedef {object} Run
 * @property {readonly import('@stryker-mutator/api/core').MutantResult[]} mutants
 * @property {{ file: string, result: { status: string } }[]} controls
 * @property {number} seconds
 *
 * @param {keyof typeof PARTS} part
 * @param {string[]} places Files, or places in files, as Stryker wants them.
 * @param {{ isSlowToo: boolean, only?: ReadonlySet<string> }} choice `only` has the identities of the mutants that are run:
 *   a place holds all mutants within it, and the others are passed over.
 * @returns {Promise<Run>}
 */
export async function runStryker(part, places, { isSlowToo, only }) {
  const folder = mkdtempSync(join(tmpdir(), 'mutants-'));
  const controls = join(folder, 'controls.jsonl');
  writeFileSync(controls, '');
  process.env.MUTANTS_CONTROLS = controls;
  process.env.MUTANTS_TESTS = PARTS[part].join(',');
  process.env.MUTANTS_WITHOUT = [...BLIND, ...(isSlowToo ? [] : SLOW)].join(',');
  delete process.env.MUTANTS_ONLY;
  if (only !== undefined) {
    process.env.MUTANTS_ONLY = join(folder, 'only.json');
    writeFileSync(process.env.MUTANTS_ONLY, JSON.stringify([...only]));
  }
  const began = performance.now();
  const stryker = new Stryker({
    mutate: places,
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
    dryRunTimeoutMinutes: 30,
    timeoutFactor: 5,
    logLevel: /** @type {any} */ ('warn'), // a constant of a package that is not ours to import
    allowEmpty: true,
  });
  const all = await stryker.runMutationTest();
  const mutants = all.filter((mutant) => {
    const identity = identityOf(relative(ROOT, mutant.fileName), placeOf(mutant, 0));
    return only?.has(identity) ?? true;
  });
  if (only && mutants.length !== only.size) {
    throw new Error(
      `of ${only.size} mutants ${mutants.length} have a result: has the code changed?`,
    );
  }
  const seconds = Math.round((performance.now() - began) / 1000);
  const lines = readFileSync(controls, 'utf8').split('\n').filter(Boolean);
  rmSync(folder, { recursive: true });
  return { mutants, controls: lines.map((line) => JSON.parse(line)), seconds };
}

/** How many controls there were, and how many failed. @param {Run['controls']} controls */
export function countControls(controls) {
  const failed = controls.filter(({ result }) => result.status !== 'survived');
  for (const control of failed) console.error(`a control failed: ${JSON.stringify(control)}`);
  return { controls: controls.length, failedControls: failed.length };
}

export function commitOfTree() {
  const { stdout } = spawnSync('git', ['rev-parse', '--short=8', 'HEAD'], { cwd: ROOT });
  return stdout.toString().trim();
}
