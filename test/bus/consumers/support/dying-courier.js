import { openBus } from '../../../../dist/index.js';

/**
 * `DIR`: a process in which events of a consumer die, and which is killed as soon as the first of their letters is
 * there: before the shard of the dead event can know of it.
 */
const [, , dir] = process.argv;
const bus = await openBus({ dir, shards: 2 });
const worker = await bus.consumer('worker', {
  filter: 'jobs.*',
  from: 'earliest',
  deadLetter: 'dead.worker',
});
bus.subscribe('dead.worker', () => process.kill(process.pid, 'SIGKILL'));
worker.run((delivery) => delivery.term('no'), { concurrency: 8 });
await bus.publishMany(
  Array.from({ length: 200 }, (_, n) => ({ topic: `jobs.${n % 7}`, type: 'job', payload: n })),
);
