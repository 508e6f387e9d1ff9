// Runs an audit and a webhook in a worker thread of a bus, until it gets a message.
import { parentPort, workerData } from 'node:worker_threads';
import { attachBus } from '../../../dist/index.js';
import { audit, webhook } from '../../../dist/sinks.js';

const bus = attachBus(workerData.attachment);
const { path, url, secret } = workerData;
const sinks = [
  audit({ consumer: await bus.consumer('trail'), path }),
  webhook({ consumer: await bus.consumer('hooks'), url, secret, allow: ['loopback'] }),
];
await Promise.all(sinks.map((sink) => sink.ready));
parentPort.once('message', async () => {
  await Promise.all(sinks.map((sink) => sink.stop()));
  await bus.close();
  parentPort.postMessage(sinks.map((sink) => sink.info().done));
});
