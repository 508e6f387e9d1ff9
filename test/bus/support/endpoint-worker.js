import { parentPort, workerData } from 'node:worker_threads';
import { attachBus } from '../../../dist/index.js';

/**
 * A user's worker that makes the calls of messages `{ call, name, args }` on its attached bus. It answers `{ call,
 * value }` or `{ call, error }`, and sends the events of its subscriptions as `{ subscription, event }`.
 */
const bus = await attachBus(workerData.attachment);
const subscriptions = new Map();

const operations = {
  publish: (input, options) => bus.publish(input, options),
  publishMany: (inputs, options) => bus.publishMany(inputs, options),
  /** One promise for each event, none awaited before the next: the way a busy worker publishes. */
  publishEach: (inputs, options) => Promise.all(inputs.map((input) => bus.publish(input, options))),
  async tryPublishEach(inputs, options) {
    let refusals = 0;
    for (const input of inputs) {
      while (!bus.tryPublish(input, options)) {
        refusals++;
        await bus.drained();
      }
    }
    return refusals;
  },
  async subscribe(key, filter, options) {
    const subscription = bus.subscribe(
      filter,
      (event) => parentPort.postMessage({ subscription: key, event }),
      options,
    );
    subscriptions.set(key, subscription);
    await subscription.ready;
    return subscription.id;
  },
  /** Never finishes with its first event. */
  async subscribeStuck(key, filter, options) {
    const subscription = bus.subscribe(filter, () => new Promise(() => {}), options);
    subscriptions.set(key, subscription);
    await subscription.ready;
  },
  update: (key, filter) => subscriptions.get(key).update(filter),
  unsubscribe: (key) => subscriptions.get(key).unsubscribe(),
  cursor: (key) => subscriptions.get(key).cursor,
  query: (query) => bus.query(query),
  async read(query) {
    const events = [];
    for await (const event of bus.read(query)) events.push(event);
    return events;
  },
  topics: (pattern) => bus.topics(pattern),
  subscribers: (topic) => bus.subscribers(topic),
  stats: () => bus.stats(),
  drain: () => bus.drain(),
  close: () => bus.close(),
  /** Publishes, waits for nothing, and never gives its event loop back. */
  spin(inputs) {
    for (const input of inputs) bus.publish(input).catch(() => {});
    parentPort.postMessage({ spinning: true });
    for (;;);
  },
  /** Publishes and receives by itself; raises the shared word when every event has come back. */
  async roundTrips(count, word) {
    let seen = 0;
    const all = new Promise((resolve) => {
      bus.subscribe('worker.*', () => {
        if (++seen === count) resolve();
      });
    });
    await bus.drain();
    for (let n = 0; n < count; n++) {
      await bus.publish({ topic: `worker.${n % 4}`, type: 'worker_progress', payload: n });
    }
    await all;
    Atomics.store(word, 0, seen);
    Atomics.notify(word, 0);
  },
  /** Raises the shared word when it has had this history twice, subscribed and read, and returns both. */
  async replay(filter, from, count, word) {
    const subscribed = [];
    await new Promise((resolve) => {
      const take = (event) => {
        if (subscribed.push(event) === count) resolve();
      };
      bus.subscribe(filter, take, { from });
    });
    const { after } = from;
    const read = await operations.read({ topic: filter, ...(after && { after }) });
    Atomics.store(word, 0, read.length);
    Atomics.notify(word, 0);
    return { subscribed, read };
  },
  /** After this the thread has nothing left to keep it alive. */
  letGo: () => parentPort.unref(),
};

parentPort.on('message', async ({ call, name, args }) => {
  try {
    const value = await operations[name](...args);
    parentPort.postMessage({ call, value });
  } catch (error) {
    const { code, message, stack } = error;
    parentPort.postMessage({ call, error: { code, message, stack } });
  }
});
parentPort.postMessage({ call: 0 });
