import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { Actors } from './actors/actors.js';
import { doorOf } from './actors/doors.js';
import { planOf } from './plan.js';

/** A worker that is attached to the bus of `subject.js`, with actors of its own. It may be terminated at any moment. */
const { bus: data, seed, changes, dist, folder, phase } = workerData;
const load = (file) => import(pathToFileURL(join(dist, file)).href);
const { attachBus } = await load('index.js');
const { withPayloadText } = await load('client.js');
const bus = attachBus(data);
const tell = (message) => parentPort?.postMessage(message);
const door = doorOf(bus, withPayloadText);
const actors = new Actors({
  bus: door,
  plan: planOf(seed, changes),
  host: 'worker',
  folder,
  tell,
});
parentPort?.on('message', (message) => actors.enter(message.phase));
actors.run();
actors.enter(phase);
