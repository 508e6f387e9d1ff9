import { openBus } from 'millrace';
import { check, perSecond, readOptions, runBench } from './harness.js';
import { makeInput, publishWindowed } from './load.js';

/**
 * Measures how fast one member works off a backlog: events that were stored before its consumer was made, so that the
 * shard reads them from its log. The handler returns at once; every event is acknowledged, with and without a flush.
 */

const options = readOptions('A member that works off a backlog.', {
  events: 200_000,
  concurrency: 64,
  rounds: 3,
});

/**
 * @param {import('./harness.js').Bench} bench
 * @param {'synced' | 'written'} ackDurability
 */
async function rateOf(bench, ackDurability) {
  const { events, concurrency } = options;
  const bus = await openBus({ dir: bench.directory(), shards: 1 });
  const input = (/** @type {number} */ n) => makeInput('load.0000', n);
  await publishWindowed(bus, events, { batch: 256, window: 4096, input });
  const consumer = await bus.consumer('worker', {
    filter: 'load.*',
    from: 'earliest',
    maxInFlight: 10_000,
    ackDurability,
  });
  let handled = 0;
  /** @type {() => void} */
  let finish = () => {};
  /** @type {Promise<void>} */
  const finished = new Promise((resolve) => {
    finish = resolve;
  });
  const started = performance.now();
  const run = consumer.run(
    () => {
      if (++handled === events) finish();
    },
    { concurrency },
  );
  await finished;
  await run.drain();
  const rate = events / ((performance.now() - started) / 1000);
  const { acked, pending } = await consumer.info();
  check(handled === events, `${handled} events were handled, not ${events}`);
  check(acked === events && pending === 0, `${acked} events are acknowledged, ${pending} are not`);
  await bus.close();
  return rate;
}

await runBench('a backlog', { dir: options.dir, cores: 2 }, async (bench) => {
  const rates = await bench.alternate(options.rounds, {
    synced: () => rateOf(bench, 'synced'),
    written: () => rateOf(bench, 'written'),
  });
  bench.report([
    { what: 'acks that are flushed', figure: perSecond(rates.synced ?? Number.NaN) },
    { what: 'acks that are written', figure: perSecond(rates.written ?? Number.NaN) },
  ]);
});
