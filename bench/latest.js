/**
 * Asks for the newest event of each topic of a log with many events, by `bus.latest`, beside a read of the same log
 * from its start, which stops after a share of the events. The answers are checked. The directory is filled through the
 * shards' logs, without rings, and stays: a second start uses it again.
 *
 * node bench/latest.js --dir data/latest [--events 10000000] [--topics 1000] [--shards 2] [--rounds 10]
 */
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openBus } from '../dist/index.js';
import { check, median } from './harness.js';
import { fillOnce } from './many-runs.js';

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: 'data/latest' },
    events: { type: 'string', default: '10000000' },
    topics: { type: 'string', default: '1000' },
    shards: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '10' },
  },
});
const [events = 0, topics = 0, shards = 0, rounds = 0] = [
  values.events,
  values.topics,
  values.shards,
  values.rounds,
].map(Number);
const dir = resolve(values.dir);
/** The share of the log that is read for comparison. */
const READ_SHARE = 20;

fillOnce(dir, { events, shards, topics });
const bus = await openBus({ dir });

/** How long it takes, ms, and how many events come. */
async function timed(/** @type {AsyncIterable<unknown>} */ source) {
  const started = performance.now();
  let count = 0;
  for await (const _ of source) count++;
  return { count, ms: performance.now() - started };
}

const times = [];
for (let round = 0; round <= rounds; round++) {
  const { count, ms } = await timed(bus.latest('agents.*'));
  check(count === topics, `${count} topics, not ${topics}`);
  times.push(ms);
}
const [first = 0, ...later] = times;
const part = Math.floor(events / READ_SHARE);
const read = await timed(bus.read({ topic: 'agents.*', limit: part }));
check(read.count === part, `${read.count} events, not ${part}`);
console.log(`cores ${cpus().length}, ${events} events, ${topics} topics, ${shards} shards`);
console.log(`latest  first ${first.toFixed(0)} ms  later p50 ${median(later).toFixed(1)} ms`);
console.log(`read    ${part} events ${read.ms.toFixed(0)} ms`);
await bus.close();
