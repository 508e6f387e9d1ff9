import fc from 'fast-check';
import { afterEach, inject } from 'vitest';

/**
 * Runs before each test file of `npm run mutants`, in a thread that has run others (`warm-thread.js`). Clears what they
 * have left, before the modules of the test file are loaded, and keeps a mutant that was found from costing more time.
 */
const provided = (/** @type {string} */ name) => inject(/** @type {never} */ (name));
const namespace = /** @type {any} */ (globalThis)[provided('globalNamespace')];
const mutant = provided('mode') === 'mutant' ? provided('activeMutant') : undefined;

namespace.mutantCoverage = undefined;
if (provided('mutantActivation') !== 'static') namespace.activeMutant = undefined;
fc.configureGlobal({ endOnFailure: true });

if (mutant !== undefined) {
  const { filepath, config } = /** @type {any} */ (globalThis).__vitest_worker__;
  const limit = provided('limits')[filepath];
  // `vi.setConfig` would put the configuration of the thread's first run back after this file, with that run's tests.
  if (limit !== undefined) Object.assign(config, { testTimeout: limit, hookTimeout: limit });
  const run = provided('run');
  if (namespace.foundIn === run) throw new Error('another test file has found this mutant');
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') namespace.foundIn = run;
  });
}
