import { parentPort, workerData } from 'node:worker_threads';
import { attachBus } from 'millrace';
import { Ledger } from './million-ledger.js';

/** A thread of `bench/million.js` with two subscribers: a handler and an iterator. */

/** @typedef {{ attachment: unknown, publishers: number, topics: number, eventsEach: number }} SubscriberTask */

const task = /** @type {SubscriberTask} */ (workerData);
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
const bus = attachBus(task.attachment);

const handled = new Ledger('worker, handler on load.+', task);
const iterated = new Ledger('worker, iterator by type', task);
const handler = bus.subscribe('load.+', (event) => handled.enter(event));
const iterator = bus.subscribe({ topics: ['*'], types: ['task_progress'] });
await Promise.all([handler.ready, iterator.ready]);
port.postMessage({ ready: true });

for await (const event of iterator) {
  iterated.enter(event);
  if (iterated.complete) break;
}
await handled.done;
// Draining lets further events come, which the ledger would count as repeated.
await handler.drain();
await bus.close();
port.postMessage({ results: [handled.result(), iterated.result()] });
port.close();
