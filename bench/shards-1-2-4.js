import { openBus } from 'millrace';
import { perSecond, readOptions, runBench } from './harness.js';
import { Counter, makeInput, publishWindowed, topicNames } from './load.js';

/**
 * One publisher and one subscriber in the main thread, 1,000 topics in turn, over 1, 2 and 4 shards. With one thread at
 * both ends, more shards help until that thread is the bottleneck.
 */

const options = readOptions('Publish → fsync → handler over 1, 2 and 4 shards.', {
  events: 200_000,
  topics: 1000,
  batch: 256,
  window: 8192,
  rounds: 3,
});
const TOPICS = topicNames(options.topics);

/**
 * @param {import('./harness.js').Bench} bench
 * @param {number} shards
 */
async function publishOver(bench, shards) {
  const { events, batch, window } = options;
  const bus = await openBus({ dir: bench.directory(), shards });
  const counter = new Counter(events);
  const subscription = bus.subscribe('*', counter.see);
  await subscription.ready;
  const started = performance.now();
  const input = (/** @type {number} */ n) => makeInput(TOPICS[n % TOPICS.length] ?? '', n);
  await publishWindowed(bus, events, { batch, window, input });
  await counter.done;
  const rate = events / ((performance.now() - started) / 1000);
  await bus.close();
  counter.verify(`the subscriber of ${shards} shards`);
  return rate;
}

await runBench('shards: 1, 2, 4', { dir: options.dir, cores: 6 }, async (bench) => {
  const { one, two, four } = await bench.alternate(options.rounds, {
    one: () => publishOver(bench, 1),
    two: () => publishOver(bench, 2),
    four: () => publishOver(bench, 4),
  });
  const times = (/** @type {number} */ rate) => `${(rate / one).toFixed(2)} of 1 shard's`;
  bench.report([
    { what: '1 shard', figure: perSecond(one) },
    { what: '2 shards', figure: perSecond(two), note: times(two) },
    { what: '4 shards', figure: perSecond(four), note: times(four) },
  ]);
});
