import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { natsStore, openBus } from '../../../../dist/index.js';

/**
 * `consumer-node.js SERVER PREFIX`: a node with a member of the consumer `worker`. It writes `ready`, a line before each ack and
 * when it has resolved, and takes orders on stdin: `publish FIRST COUNT` and `info`.
 */
const [, , servers, prefix] = process.argv;
const say = (line) => writeSync(1, `${line}\n`);

const bus = await openBus({
  store: natsStore({ servers, prefix, shards: 2 }),
  systemEvents: false,
});
const worker = await bus.consumer('worker', { filter: 'jobs.*', from: 'earliest' });
worker.run(
  async (delivery) => {
    say(`begun ${delivery.event.payload}`);
    await delivery.ack();
    say(`acked ${delivery.event.payload}`);
  },
  { concurrency: 8 },
);
say('ready');

for await (const line of createInterface({ input: process.stdin })) {
  const [order, first, count] = line.split(' ');
  if (order === 'publish') await publish(Number(first), Number(count));
  else say(`info ${JSON.stringify(await worker.info())}`);
}
await bus.close();

async function publish(first, count) {
  const inputs = Array.from({ length: count }, (_, n) => ({
    topic: `jobs.${(first + n) % 7}`,
    type: 'job',
    payload: first + n,
  }));
  await bus.publishMany(inputs);
}
