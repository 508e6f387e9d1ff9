import { parentPort, workerData } from 'node:worker_threads';
import { attachBus } from 'millrace';

/**
 * A thread that works for the consumer `bench` until it is told to stop. It reports the jobs that it has handled, many at
 * a time.
 */
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
const { attachment, concurrency } = workerData;
const bus = attachBus(attachment);
const consumer = await bus.consumer('bench');
/** @type {number[]} */
let done = [];

const report = () => {
  port.postMessage(done);
  done = [];
};

const run = consumer.run(
  async ({ event }) => {
    const { n } = /** @type {{ n: number }} */ (event.payload);
    if (done.push(n) === 1) setImmediate(report);
  },
  { concurrency },
);

port.once('message', async () => {
  await run.stop();
  await bus.close();
  port.close();
});
port.postMessage([]);
