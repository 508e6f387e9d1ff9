/**
 * The fuzzers that `npm run fuzz` plays, by name. Each takes `--minutes`, `--seed` and
 * `--record`.
 *
 * @type {Readonly<Record<string, { about: string, script: string }>>}
 */
export const fuzzers = {
  bus: {
    about: 'random games on a whole bus, compared with a model in plain arrays',
    script: 'bus/run.js',
  },
  checker: {
    about: 'clients of every kind keep histories of what they saw, while everything dies',
    script: 'checker/run.js',
  },
  clusters: {
    about: 'four nodes share a broker whose servers are killed, paused, parted and emptied',
    script: 'clusters/run.js',
  },
  consumers: {
    about: 'jobs of one consumer, while its server, workers and browsers are killed',
    script: 'consumers/run.js',
  },
  redteam: {
    about: 'attacks from outside on a server with several principals',
    script: 'redteam/run.js',
  },
  faults: {
    about:
      'a server whose parts die, whose clock is set, whose network fails, and that is told to stop',
    script: 'faults/run.js',
  },
  cases: {
    about: 'random inputs of every kind that strangers can give to the bus',
    script: 'cases/run.js',
  },
};
