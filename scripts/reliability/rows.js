import { campaigns as faultCampaigns } from '../../fuzz/faults/campaigns.js';
import { fuzzers } from '../../fuzz/fuzzers.js';

/**
 * What each row of docs/RELIABILITY.md stands for, and how each campaign is run.
 *
 * @typedef {object} Reach How far the campaigns of a row should go.
 * @property {number} [count] The least number of injections. Without one, `words` alone say it.
 * @property {string} words What is counted.
 * @property {string[]} [of] The campaigns that count; all of the row if absent.
 * @property {'seeds' | 'longest run'} [by] What is counted instead of injections: seeds, or the seconds of the longest run.
 *
 * @typedef {{ fault: string, title: string, reach: Reach[], trials?: 'seeds' }} Row With `trials`, each seed is an
 *   independent case, in which many faults may be injected.
 */

/** @type {readonly Row[]} The faults that are injected, in the order of the page. */
export const FAULT_ROWS = [
  {
    fault: 'killed',
    title: 'process killed at every step',
    reach: [{ count: 10_000, words: 'kills' }],
  },
  {
    fault: 'power lost',
    title: 'power lost',
    reach: [
      { count: 10_000, words: 'images of a disk', of: ['power', 'payloads'] },
      { count: 200, words: 'real cuts', of: ['cuts'] },
    ],
  },
  {
    fault: 'part dies',
    title: 'shard, gateway, reader, worker or handler dies',
    reach: [{ count: 5_000, words: 'deaths, those in soaks too' }],
  },
  {
    fault: 'disk fails',
    title: 'disk full, quota used up, calls that fail or write half',
    reach: [{ words: 'every call of a run' }],
  },
  {
    fault: 'damage',
    title: 'files torn, cut, flipped, exchanged, deleted',
    reach: [{ count: 10_000, words: 'damaged directories' }],
  },
  {
    fault: 'clocks',
    title: 'clocks that step, drift and sleep',
    reach: [{ words: 'steps of an hour and of ten years, drift, sleep' }],
  },
  {
    fault: 'network',
    title: 'rings full, sockets that never read, networks that lose, delay and cut',
    reach: [{ words: 'every kind of link fault' }],
  },
  {
    fault: 'storm',
    title: 'storms of connections, subscriptions, topics and ids',
    reach: [{ words: '2,000 reconnects at once, a million topics, 100,000 ids' }],
  },
  {
    fault: 'together',
    title: 'ends under load, faults during recovery, several faults at once',
    reach: [{ words: 'combinations at random' }],
  },
  {
    fault: 'cluster',
    title: 'servers of a broker killed, paused, parted and emptied',
    reach: [{ words: 'every kind of fault of one server, on each broker' }],
  },
];

/** The rounds on clusters of brokers, by campaign. */
export const CLUSTERS = {
  'clusters nats': 'NATS, `replicas: 3`',
  'clusters redis': 'Redis, `replicas: 2`',
  'clusters redis 1': 'Redis, `replicas: 1`',
};

/** The kinds of faults of these rounds. */
export const CLUSTER_FAULTS = {
  kill: 'server killed',
  wipe: 'killed, its disk emptied',
  pause: 'stands still',
  cut: 'cut off',
  part: 'parted from the others',
  node: 'node or clients killed',
  freeze: 'node stands still',
};

/** @type {readonly Row[]} What plays at random, and is judged by a model or by rules. */
export const GAME_ROWS = [
  { fault: 'model', title: 'random games against a model', reach: [{ words: 'games' }] },
  {
    fault: 'simulation',
    title: 'deterministic simulation',
    reach: [{ count: 100_000, words: 'seeds', by: 'seeds' }],
    trials: 'seeds',
  },
  { fault: 'inputs', title: 'input fuzzers', reach: [{ count: 100_000_000, words: 'cases' }] },
  { fault: 'hostile', title: 'red team', reach: [{ words: 'attempts, each of them a test' }] },
  {
    fault: 'soak',
    title: 'soak with faults',
    reach: [{ count: 7_200, words: 'seconds in one run', by: 'longest run' }],
  },
];

/** @type {readonly Row[]} What tests the tests: faults that were built in, and have to be found. */
export const CHECK_ROWS = [
  {
    fault: 'planted',
    title: 'planted bugs',
    reach: [{ count: 20, words: 'bugs, each found by the right rule' }],
  },
];

/** The command of each campaign that is none of `fuzzers`, without its seed and its count. */
const OWN_COMMANDS = {
  kill: 'npm run fuzz:storage -- kill',
  power: 'npm run fuzz:storage -- power',
  payloads: 'npm run fuzz:storage -- payloads',
  recover: 'npm run fuzz:storage -- recover',
  cuts: 'npm run fuzz:storage -- cuts',
  errnos: 'npm run fuzz:storage -- errnos',
  full: 'npm run fuzz:storage -- full',
  inject: 'npm run fuzz:storage -- inject',
  mutate: 'npm run fuzz:storage -- mutate',
  'checker-plants': 'node fuzz/checker/plants-run.js',
  'clusters-plants': 'node fuzz/clusters/plants-run.js',
  'clusters nats': 'node fuzz/clusters/run.js --on nats',
  'clusters redis': 'node fuzz/clusters/run.js --on redis',
  'clusters redis 1': 'node fuzz/clusters/run.js --on redis --replicas 1',
  sim: 'npm run sim',
  projector: 'node fuzz/sinks/projector.js',
  outbox: 'node fuzz/sinks/outbox.js',
  ...Object.fromEntries(
    Object.keys(faultCampaigns).map((name) => [
      `faults ${name}`,
      `node fuzz/faults/run.js ${name}`,
    ]),
  ),
  'cases all': 'node fuzz/cases/run.js',
  'cases websocket': 'node fuzz/cases/run.js',
  'faults sinks': 'node fuzz/faults/sinks.js',
  'faults storms': 'node fuzz/faults/storms.js',
  'faults stuck': 'node fuzz/faults/stuck.js',
  'faults soak': 'node fuzz/faults/soak.js',
};

/** The command of each campaign. @type {Readonly<Record<string, string>>} */
export const COMMANDS = {
  ...Object.fromEntries(Object.keys(fuzzers).map((name) => [name, `npm run fuzz -- ${name}`])),
  ...OWN_COMMANDS,
};

/** The campaigns that a row has a command for before anything of it was recorded. */
export const CAMPAIGNS_OF = {
  killed: ['kill', 'consumers', 'projector', 'outbox'],
  'power lost': ['power', 'payloads'],
  'disk fails': ['inject'],
  damage: ['mutate'],
  model: ['bus'],
  simulation: ['sim'],
};
