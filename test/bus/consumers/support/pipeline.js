import { writeSync } from 'node:fs';
import { openBus } from '../../../../dist/index.js';

/**
 * `DIR JOBS LAST`: a process that works jobs by `ackAndPublish`, `jobs.in` to `jobs.out`, and kills itself once it was told
 * that LAST of them are done, with others under way. With JOBS over 0 it publishes so many first. It writes the number of
 * each job that was told to be done, a line each.
 */
const [, , dir, jobs, last] = process.argv;
const bus = await openBus({ dir, shards: 2, shardBy: { segments: 1 } });
const consumer = await bus.consumer('pipeline', {
  filter: '*.in',
  from: 'earliest',
  leaseMs: 600_000,
  maxAttempts: 1000,
  backoffMs: [0],
});
const inputs = Array.from({ length: Number(jobs) }, (_, n) => ({
  topic: `jobs${n % 4}.in`,
  type: 'job',
  payload: n,
}));
for (let at = 0; at < inputs.length; at += 500) await bus.publishMany(inputs.slice(at, at + 500));
let told = 0;
consumer.run(
  async (delivery) => {
    const { topic, payload } = delivery.event;
    const [line] = topic.split('.');
    const out = { topic: `${line}.out`, type: 'job_done', payload };
    await delivery.ackAndPublish([out]);
    writeSync(1, `${payload}\n`);
    if (++told === Number(last)) process.kill(process.pid, 'SIGKILL');
  },
  { concurrency: 16 },
);
