import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { openBus } from '../../../dist/index.js';

/**
 * A process of its own: opens the directory, publishes one event, prints the ack or the error, and closes; with `exit`
 * it ends without closing, with `attachment` it makes an attachment that is not used, and with `worker` a worker is
 * attached until the bus is closed.
 */
const [, , dir, how] = process.argv;
try {
  const bus = await openBus({ dir });
  const ack = await bus.publish({ topic: 'child', type: 'system_heartbeat', payload: process.pid });
  writeSync(1, JSON.stringify(ack));
  if (how === 'exit') process.exit(0);
  if (how === 'attachment') bus.attachment();
  if (how === 'worker') {
    const { data, transferList } = bus.attachment();
    const url = new URL('./idle-worker.js', import.meta.url);
    await once(new Worker(url, { workerData: data, transferList }), 'message');
  }
  await bus.close();
} catch (error) {
  writeSync(1, JSON.stringify({ code: error.code, message: error.message }));
  process.exitCode = 1;
}
