import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { table } from './harness.js';

/**
 * Runs the benches one after the other, each in its own process, and prints their output, then the tables of all that
 * reported one. Flags are not passed on: to change the counts of a bench, run it by itself. Exits 1 if any bench was
 * wrong or failed.
 */

const BENCHES = [
  'publish-to-handler.js',
  'topics-1000-vs-1.js',
  'shards-1-2-4.js',
  'alerts.js',
  'fan-out.js',
  'slow-subscriber.js',
  'workers.js',
  'million.js',
  'sdk-kills.js',
  'gateway-fanout.js',
  'gateway-connections.js',
  'ring-spsc.js',
  'store-append.js',
  'small-parts.js',
  'consumer-machine.js',
  'consumer-backlog.js',
  'consumers.js',
  'requests.js',
  'match-million-patterns.js',
];

/** @typedef {{ title: string, rows: import('./harness.js').Row[] }} Report */

/** @type {Report[]} */
const reports = [];
/** @type {string[]} */
const failed = [];
for (const bench of BENCHES) {
  const child = fork(fileURLToPath(new URL(bench, import.meta.url)));
  child.on('message', (report) => reports.push(/** @type {Report} */ (report)));
  const [code] = await once(child, 'exit');
  if (code !== 0) failed.push(bench);
}

process.stdout.write(
  `\nAll of it, ${availableParallelism()} cores, Node ${process.versions.node}, ${new Date().toISOString()}\n`,
);
for (const { title, rows } of reports) process.stdout.write(`\n${title}\n${table(rows)}\n`);
if (failed.length > 0) {
  process.stderr.write(`\nwrong or failed: ${failed.join(', ')}\n`);
  process.exitCode = 1;
}
