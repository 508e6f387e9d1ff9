import { openBus } from 'millrace';
import { perSecond, readOptions, runBench } from './harness.js';
import { Counter, deferred, makeInput, publishWindowed } from './load.js';

/**
 * Measures what a stuck subscriber costs one that keeps up, under each overflow policy, compared with no stuck one.
 * Under `block` the publisher is meant to wait, so there the handler is stuck for `--held` ms only, and the note gives
 * the total time.
 */

const POLICIES = /** @type {const} */ ([
  'catch-up',
  'drop-oldest',
  'drop-newest',
  'conflate',
  'disconnect',
  'block',
]);
const options = readOptions('A subscriber that keeps up, next to one that is stuck.', {
  events: 100_000,
  batch: 64,
  window: 1024,
  held: 500,
  rounds: 3,
});

/**
 * @param {import('./harness.js').Bench} bench
 * @param {(typeof POLICIES)[number]} [policy] of the stuck subscriber; left out: there is no stuck subscriber
 */
async function rateNextTo(bench, policy) {
  const { events, batch, window, held } = options;
  const bus = await openBus({ dir: bench.directory(), shards: 1 });
  const counter = new Counter(events);
  await bus.subscribe('load.*', counter.see, { name: 'keeps up' }).ready;
  const { promise: freed, resolve: free } = deferred();
  const stuck = policy && bus.subscribe('load.*', () => freed, { name: 'stuck', overflow: policy });
  // Under `disconnect` it is meant to end with an error.
  stuck?.on('error', () => {});
  await stuck?.ready;
  const timer = policy === 'block' ? setTimeout(free, held) : undefined;
  const started = performance.now();
  const input = (/** @type {number} */ n) => makeInput('load.0000', n);
  await publishWindowed(bus, events, { batch, window, input });
  await counter.done;
  const rate = events / ((performance.now() - started) / 1000);
  clearTimeout(timer);
  free();
  await stuck?.unsubscribe();
  await bus.close();
  counter.verify(`the subscriber next to ${policy ?? 'nobody'}`);
  return rate;
}

await runBench('a stuck subscriber beside', { dir: options.dir, cores: 2 }, async (bench) => {
  /** @type {Record<string, () => Promise<number>>} */
  const sides = { alone: () => rateNextTo(bench) };
  for (const policy of POLICIES) sides[policy] = () => rateNextTo(bench, policy);
  const rates = await bench.alternate(options.rounds, sides);
  const alone = rates.alone ?? Number.NaN;
  bench.report([
    { what: 'alone', figure: perSecond(alone) },
    ...POLICIES.map((policy) => {
      const rate = rates[policy] ?? Number.NaN;
      const seconds = (options.events / rate).toFixed(2);
      const note =
        policy === 'block'
          ? `all of it in ${seconds} s, with the publisher held for ${options.held / 1000} s`
          : `${(rate / alone).toFixed(2)} of alone`;
      return { what: `next to one stuck in ${policy}`, figure: perSecond(rate), note };
    }),
  ]);
});
