import { runKills } from './kills.js';

/**
 * Here is how it works. A process projects a log that it also writes, and is killed with SIGKILL 500 times. After each
 * start it catches up and compares its table with the fold of the whole log (`kills.js`, `projector-child.js`).
 *
 *   node fuzz/sinks/projector.js [--kills 500] [--seed N] [--record FILE]
 *
 * With MILLRACE_CANARY=1 in the environment the rows and the position are committed apart; the run must then fail.
 */
await runKills('projector');
