import { parentPort, workerData } from 'node:worker_threads';
import { attachBus } from '../../../dist/index.js';

/**
 * Answers each event on `ask`, on a topic of every shard, and counts the stored answers in shared memory, for a
 * publisher that waits for them without letting its own event loop turn.
 */
const bus = attachBus(workerData.attachment);
const stored = new Int32Array(workerData.stored);

const subscription = bus.subscribe('ask.*', async (event) => {
  const answers = workerData.topics.map((topic) => ({
    topic,
    type: 'answered',
    payload: event.payload,
    causationId: event.id,
  }));
  await bus.publishMany(answers);
  Atomics.add(stored, 0, answers.length);
  Atomics.notify(stored, 0);
});
await subscription.ready;
parentPort.postMessage('ready');
