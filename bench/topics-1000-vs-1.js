import { openBus } from 'millrace';
import { againstTarget, check, median, perSecond, readOptions, runBench } from './harness.js';
import { makeInput, publishWindowed, Random, topicNames } from './load.js';

/**
 * Compares publishing to 1,000 topics at random with publishing to one, which shows the cost of the topic index. One
 * shard, so that both sides have the same threads; no subscriptions, so that only publishing is measured. A second
 * figure includes closing the bus, where a delayed index would otherwise hide.
 */

const TARGET = 0.8;
const options = readOptions('Publish rate with 1,000 topics at random against 1 topic.', {
  events: 300_000,
  topics: 1000,
  batch: 256,
  window: 8192,
  rounds: 5,
});

/**
 * @param {import('./harness.js').Bench} bench
 * @param {readonly string[]} topics
 * @param {number[]} closed rates with the closing of the bus included
 */
async function publishTo(bench, topics, closed) {
  const { events, batch, window } = options;
  const bus = await openBus({ dir: bench.directory(), shards: 1 });
  const random = new Random(1);
  const input = (/** @type {number} */ n) =>
    makeInput(topics[random.below(topics.length)] ?? '', n);
  const started = performance.now();
  await publishWindowed(bus, events, { batch, window, input });
  const rate = events / ((performance.now() - started) / 1000);
  const infos = await bus.topics();
  const stored = infos.reduce((sum, topic) => sum + topic.events, 0);
  const closing = performance.now();
  await bus.close();
  closed.push(events / (events / rate + (performance.now() - closing) / 1000));
  check(infos.length === topics.length, `${infos.length} topics, not ${topics.length}`);
  check(stored === events, `${stored} events stored, not ${events}`);
  return rate;
}

await runBench(
  'topics: 1,000 at random against 1',
  { dir: options.dir, cores: 2 },
  async (bench) => {
    /** @type {number[]} */
    const closedOne = [];
    /** @type {number[]} */
    const closedMany = [];
    const { one, many } = await bench.alternate(options.rounds, {
      one: () => publishTo(bench, topicNames(1), closedOne),
      many: () => publishTo(bench, topicNames(options.topics), closedMany),
    });
    const closedRatio = median(closedMany) / median(closedOne);
    bench.report([
      { what: '1 topic', figure: perSecond(one) },
      { what: `${options.topics} topics at random`, figure: perSecond(many) },
      { what: 'ratio', figure: (many / one).toFixed(2), note: againstTarget(many / one, TARGET) },
      { what: 'ratio, with the closing of the bus', figure: closedRatio.toFixed(2) },
    ]);
  },
);
