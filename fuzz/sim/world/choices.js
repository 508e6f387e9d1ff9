import { Random } from '../../storage/random.js';

/**
 * Every decision of the scheduler, from one seed: who goes next, with which task, where another thread goes first, how
 * long a step takes. From the step `calmFrom` on all decisions are the dullest ones, by which a failing case is shrunk.
 */
const WEIGHTS = [1, 1, 1, 1, 0.3, 0.1, 0.03];
const SLOW_WEIGHT = 0.03;
/** One call in so many, on the whole, is a point at which others go first. */
const PREEMPTS = [0, 0, 0.002, 0.01, 0.03, 0.1];
/** Most seeds look closely at one kind of call: others go first at so many of these. */
const KINDS = [
  'load',
  'store',
  'store',
  'exchange',
  'compareExchange',
  'wait',
  'notify',
  'statement',
  'post',
  'flush',
];
const CLOSELY = 0.3;
/**
 * Other seeds look closely at a few places alone: each operation on each word of shared memory belongs to one of so many
 * classes. A race that two instructions leave open is rarely met otherwise.
 */
const CLASSES = 12;
const VERY_CLOSELY = 0.5;
const SLOW_FLUSH_STEPS = 60;
/** A pause of a whole thread: a garbage collection, another process. */
export const PAUSE_MS_MAX = 12;

export class Choices {
  hash = 0x811c9dc5;
  /** Random numbers of the product itself. */
  chance;
  #random;
  #calmFrom;
  #preempt;
  #closely;
  #closelyBy = CLOSELY;
  /** @type {number | undefined} only those on words of this index */
  #word;
  #class;
  #pauses;
  #decisions = 0;
  #onTrace;
  #turns = new Map();
  /** The beginnings of the names of threads that come late. */
  #slow;

  /**
   * @param {number} seed
   * @param {any} options `look`: the kind of call to look at closely, at how many of them, and perhaps on which word, and `slow`: the threads that come late, and `pauses`: the share of long steps, in games that
   *   want a schedule of their own
   */
  constructor(
    seed,
    { calmFrom = Number.POSITIVE_INFINITY, onTrace, look, slow = [], pauses } = {},
  ) {
    this.#random = new Random(seed * 2 + 1);
    this.chance = new Random(seed * 2 + 0x5eed);
    this.#calmFrom = calmFrom;
    this.#preempt = this.#random.pick(PREEMPTS);
    this.#closely = this.#random.chance(0.5) ? this.#random.pick(KINDS) : undefined;
    const looksAtOne = this.#closely === undefined && this.#random.chance(0.8);
    this.#class = looksAtOne ? this.#random.below(CLASSES) : undefined;
    this.#pauses = this.#random.chance(0.3) ? 0.01 : 0;
    this.#onTrace = onTrace;
    this.#slow = slow;
    if (pauses !== undefined) this.#pauses = pauses;
    if (look === undefined) return;
    this.#closely = look.kind;
    this.#closelyBy = look.chance;
    this.#word = look.word;
    this.#class = undefined;
  }

  get decisions() {
    return this.#decisions;
  }

  get isCalm() {
    return this.#decisions >= this.#calmFrom;
  }

  /** @param {string} name of the thread */
  weight(name) {
    const weight = this.#random.pick(WEIGHTS);
    return this.#slow.some((slow) => name.startsWith(slow)) ? SLOW_WEIGHT : weight;
  }

  actor(ready) {
    this.#decisions++;
    if (ready.length === 1) return ready[0];
    if (this.isCalm) return this.#leastRecent(ready);
    let left = this.#random.next() * ready.reduce((sum, { weight }) => sum + weight, 0);
    for (const one of ready) {
      left -= one.weight;
      if (left < 0) return one;
    }
    return ready[ready.length - 1];
  }

  #leastRecent(ready) {
    const turn = (one) => this.#turns.get(one) ?? 0;
    return ready.reduce((best, one) => (turn(one) < turn(best) ? one : best));
  }

  task(tasks) {
    if (tasks.length <= 1 || this.isCalm) return tasks[0];
    return this.#random.pick(tasks);
  }

  /** @param {string} kind of the point @param {number} index of the word that it works on */
  preempts(kind, index) {
    if (this.isCalm) return false;
    const isLookedAt = kind === this.#closely && (this.#word === undefined || index === this.#word);
    let chance = isLookedAt ? this.#closelyBy : this.#preempt;
    if (this.#class !== undefined && classOf(kind, index) === this.#class) chance = VERY_CLOSELY;
    return chance > 0 && this.#random.next() < chance;
  }

  /** A flush may take long, and others see what is there meanwhile. */
  nestedSteps(kind) {
    if (kind === 'flush' && this.#random.chance(0.5)) return this.#random.below(SLOW_FLUSH_STEPS);
    return this.#random.chance(0.7) ? 1 : 1 + this.#random.below(4);
  }

  nested(ready) {
    return this.#random.pick(ready);
  }

  stepMs() {
    if (this.isCalm) return 0.01;
    if (this.#pauses > 0 && this.#random.next() < this.#pauses) {
      return this.#random.next() * PAUSE_MS_MAX;
    }
    return 0.005 + this.#random.next() * 0.02;
  }

  trace(actor, world) {
    this.#turns.set(actor, world.steps);
    const { name } = actor;
    let { hash } = this;
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ world.points, 0x01000193);
    hash = Math.imul(hash ^ Math.round(world.elapsed * 1000), 0x01000193);
    this.hash = hash >>> 0;
    this.#onTrace?.(actor, world);
  }
}

function classOf(kind, index) {
  const place = kind.charCodeAt(0) * 7 + kind.length * 13 + index * 5;
  return place % CLASSES;
}
