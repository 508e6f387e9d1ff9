import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

/**
 * Those that hurt, and those that must not be hurt, within the server's process: a handler that never returns, a worker
 * that stands still with a full ring, an iterator that nobody asks, and two honest subscribers. All of them begin, the flood
 * comes, and then the stuck ones go on and have to get every event.
 */
const WORKER = new URL('./worker.js', import.meta.url);
/** How often the process is looked at during the flood: once in so many publishes. */
const LOOK_EVERY = 50;

let cast;

export const stuck = { begin, flood, seen, goOn, leave };

async function begin({ bus, dist }) {
  let goOnHandler = () => {};
  const stands = new Promise((resolve) => {
    goOnHandler = () => resolve(undefined);
  });
  const honest = counterOf(bus, 'flood.*');
  const handler = counterOf(bus, 'flood.*', () => stands);
  const iterated = bus.subscribe('flood.*');
  await Promise.all([honest.subscription.ready, handler.subscription.ready, iterated.ready]);
  const { data, transferList } = bus.attachment();
  const gate = new SharedArrayBuffer(4);
  const workerData = { bus: data, index: pathToFileURL(join(dist, 'index.js')).href, gate };
  const worker = new Worker(WORKER, { workerData, transferList });
  await once(worker, 'message');
  const resume = () => {
    goOnHandler();
    Atomics.store(new Int32Array(gate), 0, 1);
    Atomics.notify(new Int32Array(gate), 0);
  };
  cast = { honest, handler, iterated, worker, resume };
}

/** Publishes so many events of so many bytes. @returns the most that the process held meanwhile */
async function flood({ bus, count, bytes }) {
  const payload = 'x'.repeat(bytes);
  let rss = 0;
  for (let n = 0; n < count; n++) {
    await bus.publish(
      { topic: `flood.${n % 7}`, type: 'flood', payload: { n, payload } },
      { durability: 'written' },
    );
    if (n % LOOK_EVERY === 0) rss = Math.max(rss, process.memoryUsage.rss());
  }
  return { rss };
}

/** How many events each of the honest has got, and what is wrong with their order. */
async function seen() {
  const { honest, handler } = cast;
  return {
    honest: honest.count,
    stuck: handler.count,
    problems: [...honest.problems, ...handler.problems],
  };
}

/** Lets the stuck ones go on until each has so many events. */
async function goOn({ count }) {
  const { handler, iterated, worker, resume } = cast;
  resume();
  const fromWorker = new Promise((resolve) => {
    worker.on('message', ({ got }) => got >= count && resolve(undefined));
  });
  worker.postMessage({ count });
  let got = 0;
  for await (const _ of iterated) if (++got === count) break;
  await fromWorker;
  await until(() => handler.count >= count);
  return got;
}

async function leave() {
  const { honest, handler, iterated, worker } = cast;
  await Promise.all([honest, handler].map(({ subscription }) => subscription.unsubscribe()));
  await iterated.unsubscribe();
  await worker.terminate();
  cast = undefined;
}

/** A subscription that counts, and looks at the order of each topic. */
function counterOf(bus, pattern, wait = () => Promise.resolve()) {
  const last = new Map();
  const counter = { count: 0, problems: /** @type {string[]} */ ([]) };
  const subscription = bus.subscribe(pattern, async ({ topic, sequence }) => {
    await wait();
    if (sequence <= (last.get(topic) ?? 0)) counter.problems.push(`${sequence} on ${topic} again`);
    last.set(topic, sequence);
    counter.count++;
  });
  subscription.on('gap', (gap) => counter.problems.push(`gap ${JSON.stringify(gap)}`));
  return Object.assign(counter, { subscription });
}

async function until(test) {
  while (!test()) await new Promise((resolve) => setTimeout(resolve, 20));
}
