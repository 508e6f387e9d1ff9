import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { openBus } from 'millrace';
import { BULLMQ_BEST, NATS_BEST, startPeers } from './consumer-peers.js';
import { againstTarget, check, Latencies, perSecond, readOptions, runBench } from './harness.js';
import { deferred, makeInput, publishWindowed } from './load.js';

/**
 * Jobs through a durable consumer: published, leased, handled and acknowledged, all flushed, with 16 handlers that return
 * at once. Publisher and handlers are in the main thread, unless workers are named.
 *
 * - Jobs per second from the first publish to the last confirmed ack: with one member, with members in 4 worker threads,
 *   with 100,000 keys in order, with one failure in 100 jobs.
 * - A single job with nothing else under way: from its publish to its handler, and to its confirmed ack.
 * - With `--peers`: the same jobs through BullMQ and NATS JetStream (`consumer-peers.js`), in turns with one member.
 */

const JOBS_PER_SECOND = 60_000;
const ACKED_P50_US = 1000;
const CONCURRENCY = 16;
const WORKERS = 4;
const KEYS = 100_000;
const WARM_UP_TRIPS = 300;
const options = readOptions(
  'Jobs per second through a durable consumer, and one job alone.',
  { jobs: 200_000, shards: 1, batch: 256, window: 8192, trips: 2000, rounds: 3 },
  ['peers'],
);

/** Resolves when each of so many jobs was handled, and checks that none failed to come. */
class Handled {
  count = 0;
  #seen;
  #done = deferred();

  /** @param {number} jobs */
  constructor(jobs) {
    this.#seen = new Uint8Array(jobs);
  }

  get done() {
    return this.#done.promise;
  }

  /** @param {number} n */
  see(n) {
    this.#seen[n] += 1;
    this.count += 1;
    if (this.count === this.#seen.length) this.#done.resolve();
  }

  verify() {
    const wrong = this.#seen.reduce((sum, times) => sum + (times === 1 ? 0 : 1), 0);
    check(wrong === 0, `${wrong} of ${this.#seen.length} jobs were not handled exactly once`);
  }
}

/** @param {number} n */
function job(n) {
  const input = makeInput(`load.${n % 100}`, n);
  return { ...input, payload: { ...input.payload, n }, attributes: { key: `k${n % KEYS}` } };
}

/**
 * @param {import('./harness.js').Bench} bench
 * @param {{ definition?: object, workers?: number, failsEvery?: number }} how
 */
async function throughput(bench, { definition = {}, workers = 0, failsEvery = 0 }) {
  const { jobs, batch, window, shards } = options;
  const bus = await openBus({ dir: bench.directory(), shards });
  const consumer = await bus.consumer('bench', { filter: 'load.*', ...definition });
  const handled = new Handled(jobs);
  const stop =
    workers > 0 ? await workIn(bus, workers, handled) : workHere(consumer, handled, failsEvery);
  const started = performance.now();
  await publishWindowed(bus, jobs, { batch, window, input: job });
  await handled.done;
  await stop();
  const rate = jobs / ((performance.now() - started) / 1000);
  await bus.close();
  handled.verify();
  return rate;
}

/**
 * @param {Awaited<ReturnType<import('millrace').Bus['consumer']>>} consumer
 * @param {Handled} handled
 * @param {number} failsEvery
 */
function workHere(consumer, handled, failsEvery) {
  const run = consumer.run(
    async ({ event, attempt }) => {
      const { n } = /** @type {{ n: number }} */ (event.payload);
      if (failsEvery > 0 && attempt === 1 && n % failsEvery === 0) throw new Error('not yet');
      handled.see(n);
    },
    { concurrency: CONCURRENCY },
  );
  return () => run.stop();
}

/**
 * @param {import('millrace').Bus} bus
 * @param {number} workers
 * @param {Handled} handled
 */
async function workIn(bus, workers, handled) {
  const started = Array.from({ length: workers }, async () => {
    const { data, transferList } = bus.attachment();
    const worker = new Worker(new URL('./consumer-worker.js', import.meta.url), {
      workerData: { attachment: data, concurrency: CONCURRENCY },
      transferList,
    });
    await once(worker, 'message');
    worker.on('message', (/** @type {number[]} */ done) => {
      for (const n of done) handled.see(n);
    });
    return worker;
  });
  const threads = await Promise.all(started);
  return async () => {
    const exits = threads.map((worker) => once(worker, 'exit'));
    for (const worker of threads) worker.postMessage('stop');
    await Promise.all(exits);
  };
}

/** @param {import('./harness.js').Bench} bench */
async function alone(bench) {
  const bus = await openBus({ dir: bench.directory(), shards: options.shards });
  const consumer = await bus.consumer('bench', { filter: 'load.*' });
  const [toHandler, toAck] = [new Latencies(), new Latencies()];
  let handled = deferred();
  let acked = deferred();
  const run = consumer.run(
    async (delivery) => {
      handled.resolve();
      await delivery.ack();
      acked.resolve();
    },
    { concurrency: CONCURRENCY },
  );
  for (let n = -WARM_UP_TRIPS; n < options.trips; n += 1) {
    handled = deferred();
    acked = deferred();
    const started = performance.now();
    const published = bus.publish(job(n + WARM_UP_TRIPS));
    await handled.promise;
    const handledAt = performance.now();
    await acked.promise;
    const ackedAt = performance.now();
    await published;
    if (n < 0) continue;
    toHandler.recordMs(handledAt - started);
    toAck.recordMs(ackedAt - started);
  }
  await run.stop();
  await bus.close();
  check(toAck.count === options.trips, `${toAck.count} jobs, not ${options.trips}`);
  return { toHandler, toAck };
}

/** @param {import('./harness.js').Bench} bench */
async function ourselves(bench) {
  const rates = await bench.alternate(options.rounds, {
    one: () => throughput(bench, {}),
    workers: () => throughput(bench, { workers: WORKERS }),
    keys: () => throughput(bench, { definition: { order: 'attributes.key' } }),
    naks: () => throughput(bench, { definition: { backoffMs: [0] }, failsEvery: 100 }),
  });
  const { toHandler, toAck } = await alone(bench);
  const p50 = toAck.at(50);
  bench.report([
    {
      what: '1 member, 16 handlers',
      figure: perSecond(rates.one),
      note: againstTarget(Math.round(rates.one), JOBS_PER_SECOND),
    },
    { what: `members in ${WORKERS} workers`, figure: perSecond(rates.workers) },
    { what: `${KEYS.toLocaleString('en')} keys in order`, figure: perSecond(rates.keys) },
    { what: '1 failure in 100', figure: perSecond(rates.naks) },
    { what: 'one job, to its handler', figure: `${toHandler.at(50)} µs`, note: `${toHandler}` },
    {
      what: 'one job, to its ack',
      figure: `${p50} µs`,
      note: `${toAck}; target under ${ACKED_P50_US}: ${p50 < ACKED_P50_US ? 'met' : 'MISSED'}`,
    },
  ]);
}

/** @param {import('./harness.js').Bench} bench */
async function withPeers(bench) {
  const { jobs, batch, window } = options;
  const { sides, stop } = await startPeers(bench, { jobs, batch, window, job });
  try {
    const rates = await bench.alternate(options.rounds, {
      millrace: () => throughput(bench, {}),
      ...sides,
    });
    const beside = (/** @type {number} */ rate) =>
      `Millrace: ${(rates.millrace / rate).toFixed(1)} times`;
    const row = (/** @type {string} */ what, /** @type {number} */ rate) => ({
      what,
      figure: perSecond(rate),
      note: beside(rate),
    });
    const best = (/** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ times) =>
      againstTarget(Number((rates.millrace / Math.max(a, b)).toFixed(1)), times);
    bench.report([
      { what: 'Millrace, 16 handlers, flushed', figure: perSecond(rates.millrace) },
      row('BullMQ, 16 at once', rates.bullmq16),
      row(`BullMQ, ${BULLMQ_BEST} at once`, rates.bullmqBest),
      { what: 'times the faster one', figure: best(rates.bullmq16, rates.bullmqBest, 10) },
      row('JetStream, 16 unacknowledged', rates.nats16),
      row(`JetStream, ${NATS_BEST} unacknowledged`, rates.natsBest),
      { what: 'times the faster one', figure: best(rates.nats16, rates.natsBest, 4) },
    ]);
  } finally {
    await stop();
  }
}

await runBench('jobs through a consumer', { dir: options.dir, cores: 2 }, async (bench) => {
  await (options.peers ? withPeers(bench) : ourselves(bench));
});
