import { appendFileSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { declareFactoryPlugin, PluginKind } from '@stryker-mutator/api/plugin';
import { strykerPlugins as vitestPlugins } from '@stryker-mutator/vitest-runner';
import { identityOf, placeOf } from './outcomes.js';

/**
 * Stryker's runner for vitest, made fit for a busy machine. A test that runs out of time counts only if it does so again
 * with a limit that is several times as long. And every `CONTROL_EVERY`th time that a test finds a mutant, the same test
 * runs once more without the mutant: it must pass then, or it failed for another reason than the mutant. `run.js` counts
 * these controls. Stryker chooses mutants by places, which may hold others as well: those are not run.
 */
export const LONGER = 4;
const CONTROL_EVERY = 10;
/** An id that no mutant has. */
const NO_MUTANT = 'control';
const only = process.env.MUTANTS_ONLY
  ? new Set(JSON.parse(readFileSync(process.env.MUTANTS_ONLY, 'utf8')))
  : undefined;
const OUT_OF_TIME = /timed out in \d+ ?ms/;

/**
 * @typedef {import('@stryker-mutator/api/test-runner').MutantRunOptions} Options
 * @typedef {import('@stryker-mutator/api/test-runner').MutantRunResult} Result
 */
class PatientRunner {
  #runner;
  #found = 0;
  #runs = 0;

  constructor(/** @type {any} */ runner) {
    this.#runner = runner;
  }

  capabilities() {
    return this.#runner.capabilities();
  }

  init() {
    return this.#runner.init();
  }

  dryRun(/** @type {unknown} */ options) {
    return this.#runner.dryRun(options);
  }

  dispose() {
    return this.#runner.dispose();
  }

  /** @returns {Promise<Result>} */
  async mutantRun(/** @type {Options} */ options) {
    if (only && !only.has(identityOf(fileOf(options), placeOf(options.activeMutant, 1)))) {
      return /** @type {any} */ ({ status: 'survived', nrOfTests: 0 });
    }
    const isFirst = this.#runs === 0;
    let result = await this.#run(options, 1);
    // A process that replaces one which hung begins cold, and what the last mutant left may fail outside of a test.
    if (result.status === 'error' || (isFirst && result.status === 'killed')) {
      result = await this.#run(options, 1);
    }
    if (result.status === 'killed' && OUT_OF_TIME.test(result.failureMessage)) {
      result = await this.#run(options, LONGER);
    }
    if (result.status === 'killed' && this.#found++ % CONTROL_EVERY === 0) {
      await this.#control(options, result.killedBy);
    }
    return result;
  }

  /** @returns {Promise<Result>} */
  #run(/** @type {Options} */ options, /** @type {number} */ longer) {
    this.#runner.ctx.provide('longer', longer);
    this.#runner.ctx.provide('run', ++this.#runs);
    return this.#runner.mutantRun(options);
  }

  async #control(/** @type {Options} */ options, /** @type {string[]} */ testFilter) {
    const { hitLimit: _, ...others } = options;
    const activeMutant = { ...options.activeMutant, id: NO_MUTANT };
    const control = { ...others, activeMutant, testFilter };
    const result = await this.#run(control, 1);
    const line = JSON.stringify({ file: fileOf(options), tests: testFilter, result });
    appendFileSync(/** @type {string} */ (process.env.MUTANTS_CONTROLS), `${line}\n`);
  }
}

/** @param {Options} options */
function fileOf({ sandboxFileName }) {
  return relative(process.cwd(), sandboxFileName);
}

makeRunner.inject = ['$injector'];
function makeRunner(/** @type {any} */ injector) {
  const [vitest] = /** @type {any[]} */ (vitestPlugins);
  return new PatientRunner(vitest.factory(injector));
}

export const strykerPlugins = [
  declareFactoryPlugin(PluginKind.TestRunner, 'patient', /** @type {any} */ (makeRunner)),
];
