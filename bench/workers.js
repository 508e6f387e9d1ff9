import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { openBus } from 'millrace';
import { perSecond, readOptions, runBench } from './harness.js';
import { Counter, topicNames } from './load.js';

/**
 * Publishers in 1 and in 2 attached worker threads, one subscriber in the main thread. The workers publish straight to
 * the shard, so the main thread spends time only on the events it receives.
 */

const options = readOptions(
  'Publishers in 1 and 2 attached workers, a subscriber in the main thread.',
  {
    events: 200_000,
    topics: 100,
    batch: 256,
    window: 8192,
    rounds: 3,
  },
);

/**
 * @param {import('millrace').Bus} bus
 * @param {Omit<import('./publisher-worker.js').PublisherTask, 'attachment'>} task
 */
async function startPublisher(bus, task) {
  const { data, transferList } = bus.attachment();
  const worker = new Worker(new URL('./publisher-worker.js', import.meta.url), {
    workerData: { ...task, attachment: data },
    transferList,
  });
  await once(worker, 'message');
  return worker;
}

/**
 * @param {import('./harness.js').Bench} bench
 * @param {number} workers
 */
async function publishFrom(bench, workers) {
  const { events, batch, window } = options;
  const share = Math.floor(events / workers);
  const bus = await openBus({ dir: bench.directory(), shards: 1 });
  const counter = new Counter(share * workers);
  await bus.subscribe('load.*', counter.see).ready;
  const task = { events: share, topics: topicNames(options.topics), batch, window };
  const publishers = await Promise.all(
    Array.from({ length: workers }, (_, publisher) => startPublisher(bus, { ...task, publisher })),
  );
  const exits = publishers.map((worker) => once(worker, 'exit'));
  const started = performance.now();
  for (const worker of publishers) worker.postMessage({ go: true });
  await counter.done;
  const rate = (share * workers) / ((performance.now() - started) / 1000);
  await Promise.all(exits);
  await bus.close();
  counter.verify(`the subscriber of ${workers} publishers`);
  return rate;
}

await runBench('publishers in attached workers', { dir: options.dir, cores: 4 }, async (bench) => {
  const { one, two } = await bench.alternate(options.rounds, {
    one: () => publishFrom(bench, 1),
    two: () => publishFrom(bench, 2),
  });
  bench.report([
    { what: '1 worker', figure: perSecond(one) },
    { what: '2 workers', figure: perSecond(two), note: `${(two / one).toFixed(2)} of 1 worker's` },
  ]);
});
