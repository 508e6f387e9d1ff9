import { openBus } from 'millrace';
import { insertBare } from './bare-log.js';
import {
  againstTarget,
  check,
  Latencies,
  median,
  perSecond,
  readOptions,
  runBench,
} from './harness.js';
import { Counter, deferred, makeInput, publishWindowed } from './load.js';

/**
 * One publisher → one shard → fsync → one handler, publisher and handler in the main thread.
 *
 * - Throughput with a bounded window in flight, by `publishMany` and by single `publish` calls, compared with a bare
 *   insert loop with transactions as large as the engine's (`bench/bare-log.js`).
 * - The round trip of a single event with nothing else under way.
 * - Latency at a steady rate, from when each event was meant to be sent.
 */

const TARGET = 0.6;
const TOPIC = 'load.0000';
const options = readOptions('Publish → fsync → handler, and the ratio to a bare insert loop.', {
  events: 200_000,
  batch: 256,
  window: 8192,
  trips: 5000,
  rate: 2000,
  rounds: 5,
});

/**
 * @param {import('./harness.js').Bench} bench
 * @param {number} batch events per `publishMany`; 1: single `publish` calls
 * @param {number[]} commitSizes
 */
async function throughput(bench, batch, commitSizes) {
  const { events, window } = options;
  const bus = await openBus({ dir: bench.directory(), shards: 1 });
  const counter = new Counter(events);
  await bus.subscribe('load.*', counter.see).ready;
  const started = performance.now();
  await publishWindowed(bus, events, { batch, window, input: (n) => makeInput(TOPIC, n) });
  await counter.done;
  const rate = events / ((performance.now() - started) / 1000);
  const { commits = 1 } = (await bus.stats()).shards[0] ?? {};
  commitSizes.push(Math.max(1, Math.round(events / commits)));
  await bus.close();
  counter.verify('the handler');
  return rate;
}

/** @param {import('./harness.js').Bench} bench */
async function roundTrips(bench) {
  const bus = await openBus({ dir: bench.directory(), shards: 1 });
  const [toHandler, toAck] = [new Latencies(), new Latencies()];
  let seen = deferred();
  await bus.subscribe('load.*', () => seen.resolve()).ready;
  for (let n = -WARM_UP_TRIPS; n < options.trips; n += 1) {
    seen = deferred();
    const started = performance.now();
    const acked = bus.publish(makeInput(TOPIC, n + WARM_UP_TRIPS)).then(() => performance.now());
    await seen.promise;
    const handled = performance.now();
    const ackedAt = await acked;
    if (n < 0) continue;
    toHandler.recordMs(handled - started);
    toAck.recordMs(ackedAt - started);
  }
  await bus.close();
  check(toHandler.count === options.trips, `${toHandler.count} round trips, not ${options.trips}`);
  return { toHandler, toAck };
}

const WARM_UP_TRIPS = 500;

/**
 * Sends event n at `started + n / rate`, or as soon as it can if that has passed. The delay of a late event counts (no
 * coordinated omission).
 * @param {import('./harness.js').Bench} bench
 */
async function steadyRate(bench) {
  const { rate } = options;
  const events = rate * STEADY_SECONDS;
  const bus = await openBus({ dir: bench.directory(), shards: 1 });
  const latencies = new Latencies();
  const done = deferred();
  const failed = deferred();
  let started = 0;
  await bus.subscribe('load.*', ({ sequence = 0 }) => {
    latencies.recordMs(performance.now() - started - ((sequence - 1) * 1000) / rate);
    if (sequence === events) done.resolve();
  }).ready;
  started = performance.now();
  for (let n = 0; n < events; ) {
    const due = Math.min(events, Math.floor(((performance.now() - started) * rate) / 1000) + 1);
    for (; n < due; n += 1) bus.publish(makeInput(TOPIC, n)).catch(failed.resolve);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.race([done.promise, failed.promise]);
  await bus.close();
  check(latencies.count === events, `${latencies.count} of ${events} events at a steady rate`);
  return latencies;
}

const STEADY_SECONDS = 5;

await runBench('publish → fsync → handler', { dir: options.dir, cores: 2 }, async (bench) => {
  const { events, batch, rounds } = options;
  /** @type {number[]} */
  const commitSizes = [];
  const bare = async (/** @type {boolean} */ ready) =>
    insertBare(bench.directory(), events, {
      batch: Math.round(median(commitSizes)),
      topic: TOPIC,
      ready,
    });
  const rates = await bench.alternate(rounds, {
    many: () => throughput(bench, batch, commitSizes),
    single: () => throughput(bench, 1, []),
    bareReady: () => bare(true),
    bareMade: () => bare(false),
  });
  const { toHandler, toAck } = await roundTrips(bench);
  const steady = await steadyRate(bench);
  const ratio = (/** @type {number} */ rate) => rates.many / rate;
  bench.report([
    { what: `publishMany by ${batch}`, figure: perSecond(rates.many) },
    { what: 'publish, one by one', figure: perSecond(rates.single) },
    {
      what: 'bare insert loop, rows ready-made',
      figure: perSecond(rates.bareReady),
      note: `transactions of ${Math.round(median(commitSizes))}, as the engine's were`,
    },
    { what: 'bare insert loop, rows made in it', figure: perSecond(rates.bareMade) },
    {
      what: 'publishMany to bare, rows ready-made',
      figure: ratio(rates.bareReady).toFixed(2),
      note: againstTarget(ratio(rates.bareReady), TARGET),
    },
    {
      what: 'publishMany to bare, rows made in it',
      figure: ratio(rates.bareMade).toFixed(2),
      note: againstTarget(ratio(rates.bareMade), TARGET),
    },
    {
      what: 'single event, publish → handler',
      figure: `${toHandler.at(50)} µs`,
      note: `${toHandler}`,
    },
    { what: 'single event, publish → ack', figure: `${toAck.at(50)} µs`, note: `${toAck}` },
    {
      what: `at ${perSecond(options.rate)}, meant to be sent → handler`,
      figure: `${steady.at(50)} µs`,
      note: `${steady}`,
    },
  ]);
});
