import { parentPort, workerData } from 'node:worker_threads';

/** An attached worker that stands still at its first event, so that its rings fill, until the gate opens. */
const { bus: data, index, gate } = workerData;
const { attachBus } = await import(index);
const bus = attachBus(data);
let got = 0;
const subscription = bus.subscribe('flood.*', () => {
  if (got === 0) Atomics.wait(new Int32Array(gate), 0, 0);
  got++;
  if (wanted > 0 && got >= wanted) parentPort?.postMessage({ got });
});
let wanted = 0;
parentPort?.on('message', ({ count }) => {
  wanted = count;
  if (got >= wanted) parentPort?.postMessage({ got });
});
await subscription.ready;
parentPort?.postMessage({ ready: true });
