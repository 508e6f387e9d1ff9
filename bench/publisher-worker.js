import { parentPort, workerData } from 'node:worker_threads';
import { attachBus } from 'millrace';
import { makeInput, publishWindowed } from './load.js';

/**
 * A publishing thread: attaches to the bus, reports that it is ready, and on the message `go` publishes its events over
 * the topics in turn. The payload's `publisher` and `n` identify the event.
 */

/**
 * @typedef {object} PublisherTask
 * @property {unknown} attachment
 * @property {number} publisher
 * @property {number} events
 * @property {readonly string[]} topics
 * @property {number} batch
 * @property {number} window
 */

const task = /** @type {PublisherTask} */ (workerData);
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
const { publisher, events, topics, batch, window } = task;
const bus = attachBus(task.attachment);

port.once('message', async () => {
  const input = (/** @type {number} */ n) => {
    const made = makeInput(topics[n % topics.length] ?? '', n);
    return { ...made, payload: { ...made.payload, publisher, n } };
  };
  await publishWindowed(bus, events, { batch, window, input });
  await bus.close();
  port.postMessage({ done: true });
  port.close();
});
port.postMessage({ ready: true });
