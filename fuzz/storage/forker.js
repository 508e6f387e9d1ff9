import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { callsOf } from './calls.js';
import { shimEnvironment } from './shim.js';
import { SubjectProxy } from './subject-proxy.js';

/** Processes that fork others, see `inChild` in `tell.js`: nothing that Node does in other threads is in those. */
export const FORKER_FLAGS = ['--single-threaded', '--v8-pool-size=0'];
/** Stands for the calls of an operation that makes none. */
export const NO_CALL = 'no call';
const NO_FAULT = { kind: 'any', n: 0, how: 'once' };

/**
 * One for each lane; their disk is `folder`. `random`: the file that stands in for random bytes, if any.
 *
 * @param {number} lanes
 * @param {string} library
 * @param {string} folder
 * @param {string} [random]
 */
export function forkers(lanes, library, folder, random) {
  return Array.from({ length: lanes }, (_, lane) => {
    const marks = join(folder, `marks-${lane}`);
    const env = shimEnvironment({ library, root: folder, marks, random });
    return { marks, proxy: new SubjectProxy({ marks, env, flags: FORKER_FLAGS }) };
  });
}

/** The calls to the disk that the operations of `kill-logs.js` make on copies of bases, counted once each. */
export class CallsOfLogs {
  #setting;
  #counted = new Map();

  /**
   * `random`, `at`: for operations that are made repeatable, see `repeatable.js`.
   *
   * @param {{ library: string, folder: string, bases: any, random?: string, at?: number }} setting
   */
  constructor({ library, folder, bases, random, at }) {
    this.#setting = { library, folder, bases, random, at };
  }

  /** @returns {Promise<string[]>} a promise of the calls, in words; of one at least */
  of(operation, base) {
    const name = `calls-${operation}-${base}`;
    if (!this.#counted.has(name)) this.#counted.set(name, this.#count(operation, base, name));
    return this.#counted.get(name);
  }

  async #count(operation, base, name) {
    const { library, folder, bases, random, at } = this.#setting;
    const options = (root) => {
      cpSync(bases[base].dir, join(root, 'data'), { recursive: true });
      const target = join(root, 'copy');
      return { dir: join(root, 'data'), target, operation, fault: NO_FAULT, seed: 1, at };
    };
    const into = join(folder, name);
    const { begin } = await callsOf({
      library,
      folder: into,
      call: 'operateOnLogs',
      options,
      random,
    });
    return begin.length > 0 ? begin : [NO_CALL];
  }
}
