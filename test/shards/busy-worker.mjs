/** Subscribes, then stands still while it is told to: no event loop, so a relink has to wait. */
import { parentPort, workerData } from 'node:worker_threads';
import { attachBus } from '../../dist/index.js';

const bus = attachBus(workerData.attachment);
const subscription = bus.subscribe('t', ({ sequence }) => {
  parentPort.postMessage({ sequence, cursor: subscription.cursor });
});
await subscription.ready;
parentPort.on('message', (word) => {
  parentPort.postMessage('busy');
  Atomics.wait(word, 0, 0, 20_000);
});
parentPort.postMessage('ready');
