import { parentPort, workerData } from 'node:worker_threads';
import { attachBus } from '../../../../dist/index.js';

/** A worker that directs the consumer `worker` of the bus that it is attached to, and says what it finds. */
const bus = await attachBus(workerData.attachment);
const worker = await bus.consumer('worker');
worker.on('dead', ({ id }) => parentPort.postMessage({ dead: id }));
await worker.pause();
const { paused } = await worker.info();
await worker.resume();
parentPort.postMessage({ paused, names: (await bus.consumers()).map(({ name }) => name) });
parentPort.once('message', async () => {
  const { redriven } = await worker.redrive({ dryRun: true });
  parentPort.postMessage({ redriven: redriven.map(({ id }) => id) });
  await bus.close();
});
