import { parentPort, workerData } from 'node:worker_threads';
import { attachBus } from '../../../dist/index.js';

/** A worker that is attached and does nothing. It ends when nothing of the bus keeps it alive any more. */
const bus = attachBus(workerData);
await bus.publish({ topic: 'worker', type: 'system_heartbeat', payload: 'attached' });
parentPort.postMessage('attached');
