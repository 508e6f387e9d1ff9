import { openBus } from 'millrace';
import { check, perSecond, readOptions, runBench } from './harness.js';
import { Counter, makeInput, publishWindowed, topicNames } from './load.js';

/**
 * The cost of alert rules to the throughput of one publisher → one shard → one handler: without rules, with a rule that
 * watches other topics, with three and with a hundred rules that watch all of the events.
 */

const options = readOptions('Publish → handler while rules of alerts count the events.', {
  events: 150_000,
  batch: 256,
  window: 8192,
  topics: 100,
  rounds: 5,
});
const TOPICS = topicNames(options.topics);

/** @typedef {{ name: string, when: string }} Rule */

/** @param {number} count @returns {Rule[]} */
const rules = (count) =>
  Array.from({ length: count }, (_, n) => {
    const rate = `rate on load.* over ${1_000_000 + n}/s for 1 min`;
    return { name: `rule-${n}`, when: n % 2 === 0 ? rate : `any failed_${n} on load.*` };
  });

/**
 * @param {import('./harness.js').Bench} bench
 * @param {Rule[]} alerts
 */
async function throughput(bench, alerts) {
  const { events, batch, window, topics } = options;
  const bus = await openBus({ dir: bench.directory(), shards: 1, alerts });
  const counter = new Counter(events);
  await bus.subscribe('load.*', counter.see).ready;
  const started = performance.now();
  const input = (/** @type {number} */ n) => makeInput(TOPICS[n % topics] ?? '', n);
  await publishWindowed(bus, events, { batch, window, input });
  await counter.done;
  const rate = events / ((performance.now() - started) / 1000);
  check((await bus.alerts()).transitions.length === 0, 'a rule has fired');
  await bus.close();
  counter.verify('the handler');
  return rate;
}

await runBench('publish → handler, with alerts', { dir: options.dir, cores: 2 }, async (bench) => {
  const rates = await bench.alternate(options.rounds, {
    none: () => throughput(bench, []),
    elsewhere: () => throughput(bench, [{ name: 'rule', when: 'any failed on other.*' }]),
    three: () => throughput(bench, rules(3)),
    hundred: () => throughput(bench, rules(100)),
  });
  const figure = (/** @type {number} */ rate) =>
    `${perSecond(rate)}, ${(rate / rates.none).toFixed(2)}`;
  bench.report([
    { what: 'without rules', figure: perSecond(rates.none) },
    { what: 'a rule on other topics, and its ratio', figure: figure(rates.elsewhere) },
    { what: 'three rules that watch every event', figure: figure(rates.three) },
    { what: 'a hundred that do', figure: figure(rates.hundred) },
  ]);
});
