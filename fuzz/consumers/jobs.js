/**
 * What the jobs of a game are: each has a key, a topic and a fate, all made of the game's seed and its number, so that
 * publisher, members and judge agree without talking to each other.
 */

/** Keys that a game of so many jobs has, about 50 jobs each. */
export function keysOf(jobs) {
  return Math.max(20, Math.round(jobs / 50));
}

/** Events of one key share a topic, so they lie in one shard, in order. */
const TOPICS = 64;

/**
 * - `done`: is acknowledged at its first attempt.
 * - `slow`: the same, after some time, in which a kill may find it in hand.
 * - `flaky`: fails at its first `fails` attempts.
 * - `back`: is handed back at no cost, about every second time.
 * - `poison`: fails at every attempt, so it dies of its last one.
 * - `term`: is given up at its first attempt.
 *
 * @type {readonly [below: number, fate: string][]}
 */
const FATES = [
  [0.85, 'done'],
  [0.9, 'slow'],
  [0.95, 'flaky'],
  [0.98, 'back'],
  [0.99, 'poison'],
  [1, 'term'],
];

export const MAX_ATTEMPTS = 6;

export function jobOf(seed, n, jobs) {
  const [first, second, third] = [mix(seed, 3 * n), mix(seed, 3 * n + 1), mix(seed, 3 * n + 2)];
  const key = Math.floor(first * keysOf(jobs));
  const [, fate] = FATES.find(([below]) => second < below) ?? [1, 'done'];
  return {
    n,
    id: `job-${seed}-${n}`,
    key: `k${key}`,
    topic: `jobs.t${key % TOPICS}`,
    fate,
    fails: fate === 'flaky' ? 1 + Math.floor(third * 2) : 0,
    workMs: fate === 'slow' ? 20 + Math.floor(third * 180) : 0,
  };
}

export function eventOf({ n, id, key, topic, fate, fails, workMs }) {
  return {
    id,
    topic,
    type: 'job',
    source: 'fuzz',
    payload: { n, fate, fails, workMs },
    attributes: { key },
  };
}

/** Why a job that is planned to die does so. */
export function reasonOf({ n, fate }) {
  return `planned: job ${n} is ${fate}`;
}

/** The definition of the consumer. */
export const DEFINITION = {
  filter: 'jobs.*',
  from: 'earliest',
  order: 'attributes.key',
  leaseMs: 30_000,
  maxAttempts: MAX_ATTEMPTS,
  backoffMs: [20, 50, 100],
  deadLetter: 'dead.jobs',
};

/** A number in [0, 1) of two others (a step of mulberry32 after a step of its state). */
function mix(seed, n) {
  let mixed = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(n + 1, 0x6d2b79f5)) >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 15), 1 | mixed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
