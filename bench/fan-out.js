import { openBus } from 'millrace';
import { perSecond, readOptions, runBench } from './harness.js';
import { Counter, makeInput, publishWindowed } from './load.js';

/** Deliveries a second from one publisher to 1, 10 and 100 matching subscriptions in the same thread. */

const options = readOptions('Deliveries to 1, 10 and 100 subscriptions in process.', {
  deliveries: 1_000_000,
  batch: 64,
  window: 1024,
  rounds: 3,
});
/** The most events of a run. With one subscription, a million deliveries would need a million events. */
const EVENTS_MAX = 100_000;

/**
 * @param {import('./harness.js').Bench} bench
 * @param {number} subscribers
 */
async function fanOut(bench, subscribers) {
  const { batch, window } = options;
  const events = Math.min(EVENTS_MAX, Math.floor(options.deliveries / subscribers));
  const bus = await openBus({ dir: bench.directory(), shards: 1 });
  const counters = Array.from({ length: subscribers }, () => new Counter(events));
  await Promise.all(counters.map((counter) => bus.subscribe('load.*', counter.see).ready));
  const started = performance.now();
  const input = (/** @type {number} */ n) => makeInput('load.0000', n);
  await publishWindowed(bus, events, { batch, window, input });
  await Promise.all(counters.map((counter) => counter.done));
  const rate = (events * subscribers) / ((performance.now() - started) / 1000);
  await bus.close();
  for (const [index, counter] of counters.entries()) counter.verify(`subscription ${index}`);
  return rate;
}

await runBench(
  'fan-out: 1, 10, 100 subscriptions',
  { dir: options.dir, cores: 2 },
  async (bench) => {
    const { one, ten, hundred } = await bench.alternate(options.rounds, {
      one: () => fanOut(bench, 1),
      ten: () => fanOut(bench, 10),
      hundred: () => fanOut(bench, 100),
    });
    const events = (/** @type {number} */ rate, /** @type {number} */ subscribers) =>
      `${perSecond(rate / subscribers)} events`;
    bench.report([
      { what: '1 subscription, deliveries', figure: perSecond(one), note: events(one, 1) },
      { what: '10 subscriptions, deliveries', figure: perSecond(ten), note: events(ten, 10) },
      {
        what: '100 subscriptions, deliveries',
        figure: perSecond(hundred),
        note: events(hundred, 100),
      },
    ]);
  },
);
