import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Random } from '../storage/random.js';
import { Guide } from './guide.js';
import { shown } from './hold.js';
import { shrink } from './shrink.js';

/**
 * Plays one kind of case in this process: a module of `kinds/`. Its `open` is given a loader of the built product, and
 * returns `make(random, pool)`, which makes a case (a value that JSON can hold) and takes parts from `pool`, the cases
 * of the corpus; and `check(case)`, which throws or rejects where the product does what it must not.
 *
 * @typedef {object} Player
 * @property {(random: Random, pool: any[]) => any} make
 * @property {(one: any) => unknown} check
 * @property {() => Promise<void>} [close]
 * @property {boolean} [shrinks] whether cases that fail are made smaller; default true
 * @property {(one: any) => boolean} [isCase] whether a case that was made smaller could still have been made
 *
 * @typedef {object} Played
 * @property {number} cases
 * @property {{ input: any, error: Error }[]} findings each with the smallest case that shows it
 * @property {any[]} reached cases that ran code which no case before had run, if there was a guide
 */

/** The time on a processor that one case may take, ms. A longer one is a finding. */
const CASE_MS_MAX = 1000;
const FINDINGS_MAX = 5;
const CASES_PER_TURN = 1000;
/** So often the clock is looked at. */
const CASES_PER_LOOK = 20;
/**
 * Refusals are errors, and their stacks took from a third to nine tenths of the time. Cases are played without; one that
 * fails is played again with a stack, while it is made smaller.
 */
const STACK_LENGTH = 6;
const CORPUS = fileURLToPath(new URL('corpus/', import.meta.url));
export const BUILT = fileURLToPath(new URL('../../dist', import.meta.url));

/** The cases of the corpus, of all its files in order. */
export function corpusOf(kind) {
  const folder = join(CORPUS, kind);
  return readdirSync(folder)
    .sort()
    .flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** @returns {Promise<Player>} */
export async function openKind(kind, dist = BUILT) {
  const { open } = await import(`./kinds/${kind}.js`);
  return open((file) => import(pathToFileURL(join(dist, file)).href), dist);
}

/**
 * Plays the cases of the corpus and then random ones, until the count is reached, the time is over, or enough was found.
 *
 * @param {string} kind
 * @param {{ seed: number, cases?: number, ms?: number, dist?: string, isGuided?: boolean, shrinks?: boolean,
 *   isEnough?: (finding: { error: Error }) => boolean }} options `isEnough`: the game is over with this finding
 * @returns {Promise<Played>}
 */
export async function play(kind, options) {
  const { seed, cases = Infinity, ms = Infinity, dist = BUILT, isGuided = false } = options;
  const player = await openKind(kind, dist);
  Error.stackTraceLimit = player.shrinks === false ? STACK_LENGTH : 0;
  const pool = corpusOf(kind);
  const guide = isGuided ? await Guide.start(dist) : undefined;
  const game = new Game(player, pool, guide, {
    shrinks: options.shrinks ?? player.shrinks ?? true,
    isEnough: options.isEnough,
  });
  const end = performance.now() + ms;
  for (const input of pool.slice()) {
    if (game.goesOn(Infinity)) await game.playOne(input);
  }
  for (let turn = 0; game.goesOn(cases) && performance.now() < end; turn++) {
    const random = new Random(seed + turn * 0x9e3779b1);
    for (let left = CASES_PER_TURN; left > 0 && game.goesOn(cases); left--) {
      if (left % CASES_PER_LOOK === 0 && performance.now() > end) break;
      const result = game.playOne(player.make(random, pool));
      if (result === undefined) continue;
      await result;
      if (performance.now() > end) break;
    }
    await game.look();
    // Timers and messages of the product get their turn.
    await new Promise(setImmediate);
  }
  await guide?.stop();
  await game.end();
  return game.played;
}

class Game {
  /** @type {Played} */
  played = { cases: 0, findings: [], reached: [] };
  #player;
  #pool;
  #guide;
  #shrinks;
  #isEnough;
  #turn = [];

  constructor(player, pool, guide, { shrinks, isEnough = (_) => false }) {
    this.#shrinks = shrinks;
    this.#isEnough = isEnough;
    this.#player = player;
    this.#pool = pool;
    this.#guide = guide;
  }

  goesOn(cases) {
    const { findings } = this.played;
    const isOver = findings.length >= FINDINGS_MAX || findings.some(this.#isEnough);
    return !isOver && this.played.cases < cases;
  }

  /** @returns {Promise<void> | undefined} a promise where the case is not over at once */
  playOne(input) {
    this.played.cases++;
    if (this.#guide !== undefined) this.#turn.push(input);
    const began = performance.now();
    try {
      const result = this.#player.check(input);
      if (result instanceof Promise) {
        return result.then(
          () => this.#checkTime(input, began),
          (error) => this.#found(input, error),
        );
      }
    } catch (error) {
      return this.#found(input, error);
    }
    return this.#checkTime(input, began);
  }

  /** Keeps the cases of this turn that ran new code, to make further ones of them. */
  async look() {
    const turn = this.#turn.splice(0);
    if (this.#guide !== undefined && (await this.#guide.sawNew())) await this.#keepNew(turn);
  }

  /** Halves the list until a single case runs a new block. */
  async #keepNew(inputs) {
    const runs = async () => {
      for (const input of inputs)
        await Promise.resolve(input)
          .then(this.#player.check)
          .catch(() => {});
    };
    if (!(await this.#guide?.isNewWith(runs, inputs.length === 1))) return;
    if (inputs.length === 1) {
      this.#pool.push(inputs[0]);
      this.played.reached.push(inputs[0]);
      return;
    }
    const half = inputs.length >> 1;
    await this.#keepNew(inputs.slice(0, half));
    await this.#keepNew(inputs.slice(half));
  }

  #checkTime(input, began) {
    if (performance.now() - began < CASE_MS_MAX) return undefined;
    return this.#measure(input);
  }

  /** A busy machine makes any case slow, so the case is played again by the clock of the processor. */
  async #measure(input) {
    for (let left = 3; left > 0; left--) {
      const before = process.cpuUsage();
      await this.#player.check(input);
      const { user, system } = process.cpuUsage(before);
      if ((user + system) / 1000 < CASE_MS_MAX) return;
    }
    await this.#found(input, new Error(`takes more than ${CASE_MS_MAX} ms of a processor`));
  }

  /** The player gives back what it has, and may still find that something is not as it was. */
  async end() {
    try {
      await this.#player.close?.();
    } catch (error) {
      this.played.findings.push({ input: 'the end', error });
    }
  }

  async #found(input, error) {
    if (!this.#shrinks) {
      this.played.findings.push({ input, error });
      return;
    }
    Error.stackTraceLimit = STACK_LENGTH;
    const smallest = await shrink(input, this.#player);
    Error.stackTraceLimit = 0;
    this.played.findings.push({ input: smallest.input, error: smallest.error ?? error });
  }
}

/** @param {Played['findings'][number]} finding */
export function findingText(kind, finding) {
  const { input, error } = finding;
  return `${kind}: ${error.stack?.split('\n').slice(0, 6).join('\n') ?? error}\n  case ${shown(input)}`;
}
