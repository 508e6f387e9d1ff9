import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { attachBus, openBus } from '../../../dist/index.js';

/**
 * A user's worker, or a process, that works for the consumer `worker`. In a worker thread it posts the payload of each
 * event that it begins; with `stuck` no handler returns. As a process, `worker.js DIR`, it writes a line before each
 * ack and when it has resolved, until it is killed.
 */
if (parentPort === null) await workInProcess(process.argv[2]);
else await workInThread();

async function workInThread() {
  const bus = attachBus(workerData.attachment);
  const consumer = await bus.consumer('worker');
  const { stuck, concurrency } = workerData;
  const run = consumer.run(
    ({ event, attempt }) => {
      parentPort.postMessage({ payload: event.payload, attempt });
      if (stuck) return new Promise(() => {});
    },
    { concurrency },
  );
  parentPort.on('message', async () => {
    await run.stop();
    await bus.close();
    parentPort.postMessage({ closed: true });
    parentPort.close();
  });
  parentPort.postMessage({ ready: true });
}

async function workInProcess(dir) {
  const bus = await openBus({ dir });
  const consumer = await bus.consumer('worker');
  consumer.run(
    async (delivery) => {
      writeSync(1, `begun ${delivery.event.payload}\n`);
      await delivery.ack();
      writeSync(1, `acked ${delivery.event.payload}\n`);
    },
    { concurrency: 16 },
  );
}
