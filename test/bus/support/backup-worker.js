import { parentPort, workerData } from 'node:worker_threads';
import { attachBus } from '../../../dist/index.js';

/** Attaches, takes a backup, and leaves. */
const bus = attachBus(workerData.data);
parentPort.postMessage(await bus.backup(workerData.to));
await bus.close();
