import { runKills } from './kills.js';

/**
 * Here is how it works. A process writes orders and the rows of an outbox in one transaction each, and publishes the rows;
 * it is killed with SIGKILL 500 times. After each start it publishes what is left, and compares the log with the orders:
 * each has one event, and those of a topic are in their order (`kills.js`, `outbox-child.js`).
 *
 *   node fuzz/sinks/outbox.js [--kills 500] [--seed N] [--record FILE]
 *
 * With MILLRACE_CANARY=1 in the environment the rows get new ids at each start; the run must then fail.
 */
await runKills('outbox');
