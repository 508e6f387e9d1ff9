import { appendFileSync, writeSync } from 'node:fs';
import { openBus } from '../../../dist/index.js';

/**
 * A process of its own whose bus compacts, until it is killed. It publishes on many topics, reports what was
 * acknowledged, and has a member of a consumer that reports what it has done. Arguments: the directory, the files of
 * both reports, the number of its life. A kill may cut a report off: each line ends with a full stop, and each life
 * begins a new line.
 */
const [, , dir, told, done, life] = process.argv;
const TOPICS = 150;
const PER_PUBLISH = 500;
const retention = [
  { pattern: 'state.*', keepPerTopic: 2 },
  { pattern: 'work.*', keepPerTopic: 1, untilConsumedBy: ['worker'] },
];
appendFileSync(told, '\n');
appendFileSync(done, '\n');
const bus = await openBus({ dir, shards: 2, retention });
const worker = await bus.consumer('worker', {
  filter: 'work.*',
  from: 'earliest',
  leaseMs: 60_000,
});
worker.run(({ event }) => appendFileSync(done, `${event.payload} .\n`), { concurrency: 4 });
writeSync(1, 'ready\n');
for (let round = 0; ; round++) {
  const inputs = Array.from({ length: PER_PUBLISH }, (_, n) => {
    const number = (Number(life) * 1000 + round) * PER_PUBLISH + n;
    // Few of them are work, as the worker does one after the other.
    const topic = n % 50 === 0 ? `work.${n % 3}` : `state.${(number * 7919) % TOPICS}`;
    return { topic, type: 'state_updated', payload: number };
  });
  const durability = round % 3 === 0 ? 'synced' : 'written';
  await bus.publishMany(inputs, { durability });
  appendFileSync(told, inputs.map(({ topic, payload }) => `${topic} ${payload} .\n`).join(''));
}
