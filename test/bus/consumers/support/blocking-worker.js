import { parentPort, workerData } from 'node:worker_threads';
import { attachBus } from '../../../../dist/index.js';

/**
 * A user's worker that works for the consumer `worker` and posts the payload of each event that it begins. A message with
 * words blocks the whole thread, so that it reads nothing, until the second word is set; the first tells that it does. No
 * handler returns before the message `finish`.
 */
const bus = attachBus(workerData.attachment);
const consumer = await bus.consumer('worker');
let finish;
const finished = new Promise((resolve) => {
  finish = resolve;
});
consumer.run(
  ({ event }) => {
    parentPort.postMessage({ begun: event.payload });
    return finished;
  },
  { concurrency: workerData.concurrency, prefetch: false },
);
parentPort.on('message', async (message) => {
  if (message === 'finish') finish();
  else if (message === 'close') {
    await bus.close();
    parentPort.close();
  } else {
    Atomics.store(message, 0, 1);
    Atomics.notify(message, 0);
    Atomics.wait(message, 1, 0);
  }
});
parentPort.postMessage({ ready: true });
