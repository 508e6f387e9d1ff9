import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { getTests } from '@vitest/runner/utils';
import { ThreadsPoolWorker } from 'vitest/node';

/**
 * A thread for tests that outlives the run of one mutant. Vitest starts a thread for each test file of each run, which
 * costs several times what the tests of a small folder take. Here one thread serves all runs of a Stryker process; it
 * loads every module afresh for each test file, so that a mutant at the top of a module counts as well.
 *
 * Vitest starts and stops the thread around each run: from the second run on, both are answered here.
 */
const ANSWER = { __vitest_worker_response__: true };
/** A test of a mutant may take so much longer than the slowest of its file with the original code. */
const TIMES_SLOWER_MAX = 3;
const SPARE_MS = 2_000;
const COSTS = 'mutants-costs.json';

/** @typedef {(argument: any) => void} Listener */

/** @type {ThreadsPoolWorker | undefined} */
let warm;

/**
 * By path of a test file, how long it took to load it and to run its tests with the original code, and how long its slowest
 * test took. They are kept in a file of the copy of the tree: Stryker starts another process after one that hung.
 *
 * @type {Map<string, { wholeMs: number, slowestMs: number }>}
 */
export const costs = new Map(existsSync(COSTS) ? JSON.parse(readFileSync(COSTS, 'utf8')) : []);

/** What Vitest expects of the workers of a pool of its own. */
export const warmThreads = {
  name: 'warm-thread',
  createPoolWorker: (/** @type {import('vitest/node').PoolOptions} */ options) =>
    new WarmThread(options),
};

class WarmThread {
  name = 'warm-thread';
  #options;
  /** @type {{ event: string, listener: Listener, heard: Listener }[]} */
  #listeners = [];
  /** @type {any} */
  #config;
  #isStarted = false;

  constructor(/** @type {import('vitest/node').PoolOptions} */ options) {
    this.#options = options;
  }

  async start() {
    this.#isStarted = warm !== undefined;
    if (warm === undefined) {
      warm = new ThreadsPoolWorker(this.#options);
      await warm.start();
    }
  }

  /** After a run that was broken off, the thread may still be busy: the next run gets another. */
  async stop() {
    if (!this.#isMutant()) this.#noteCosts();
    for (const { event, heard } of this.#listeners) warm?.off(event, heard);
    this.#listeners = [];
  }

  send(/** @type {any} */ message) {
    if (message.type === 'start') {
      this.#config = { ...message.context.config, isolate: true };
      if (this.#isStarted) return this.#answer('started');
    }
    if (message.type === 'stop') return this.#answer('stopped');
    if (message.type === 'run') {
      message.context.config = this.#config;
      if (this.#isMutant()) message.context.providedContext = this.#withLimits();
    }
    warm?.send(message);
  }

  on(/** @type {string} */ event, /** @type {Listener} */ listener) {
    const heard = (/** @type {any} */ argument) => {
      if (argument?.type === 'testfileFinished') this.#tellOfLoading();
      listener(argument);
    };
    this.#listeners.push({ event, listener, heard });
    warm?.on(event, heard);
  }

  off(/** @type {string} */ event, /** @type {Listener} */ listener) {
    for (const entry of this.#listeners) {
      if (entry.event === event && entry.listener === listener) warm?.off(event, entry.heard);
    }
  }

  deserialize(/** @type {unknown} */ data) {
    return data;
  }

  #isMutant() {
    return this.#provided().mode === 'mutant';
  }

  /** @returns {any} */
  #provided() {
    return this.#options.project.getProvidedContext();
  }

  /** By path of a test file, how long a test of it may take: mutants often make one wait for ever. `forget.js` sets it. */
  #withLimits() {
    const provided = this.#provided();
    const limits = [...costs].map(([path, { slowestMs }]) => {
      return [path, provided.longer * (SPARE_MS + TIMES_SLOWER_MAX * slowestMs)];
    });
    return { ...provided, limits: Object.fromEntries(limits) };
  }

  /**
   * A module that throws while it is loaded leaves its test file without tests. Stryker looks at tests, so it would not
   * see that; it does see errors outside of tests.
   */
  #tellOfLoading() {
    const { state } = this.#options.project.vitest;
    for (const file of state.getFiles()) {
      if (file.result?.state !== 'fail' || getTests(file).length > 0) continue;
      // The error itself has no prototype here, and Stryker cannot make a text of it.
      const reason = file.result.errors?.[0]?.message ?? 'it has no tests';
      state.catchError(new Error(`${file.name}: ${reason}`), 'Loading');
    }
  }

  #noteCosts() {
    for (const file of this.#options.project.vitest.state.getFiles()) {
      const wholeMs = (file.collectDuration ?? 0) + (file.result?.duration ?? 0);
      const durations = getTests(file).map(({ result }) => result?.duration ?? 0);
      costs.set(file.filepath, { wholeMs, slowestMs: Math.max(0, ...durations) });
    }
    writeFileSync(COSTS, JSON.stringify([...costs]));
  }

  #answer(/** @type {string} */ type) {
    const listeners = this.#listeners.filter(({ event }) => event === 'message');
    queueMicrotask(() => {
      for (const { listener } of listeners) listener({ ...ANSWER, type });
    });
  }
}
