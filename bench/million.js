import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { openBus } from 'millrace';
import { busHooks } from '../dist/main/test-hooks.js';
import { check, perSecond, readOptions, runBench } from './harness.js';
import { makeInput, publishWindowed, topicNames } from './load.js';
import { Ledger } from './million-ledger.js';

/**
 * 1,000,000 events over 1,000 topics, by two publishers (the main thread and a worker), to 4 subscriptions (a
 * handler and an iterator in the main thread, a handler and an iterator in a worker), while a shard's thread is
 * killed five times. Every subscriber must get every event once and in order, and so must a replay of the log.
 */

const PUBLISHERS = 2;
const options = readOptions(
  'A million events, five killed shards, nothing lost, repeated or moved.',
  {
    events: 1_000_000,
    topics: 1000,
    shards: 2,
    kills: 5,
    batch: 128,
    window: 4096,
  },
);
const PLAN = {
  publishers: PUBLISHERS,
  topics: options.topics,
  eventsEach: Math.floor(options.events / PUBLISHERS),
};
const TOPICS = topicNames(options.topics);

/**
 * Starts a thread of the bench; resolves when it is attached to the bus and ready.
 * @param {import('millrace').Bus} bus
 * @param {string} file
 * @param {object} task
 */
async function startThread(bus, file, task) {
  const { data, transferList } = bus.attachment();
  const worker = new Worker(new URL(file, import.meta.url), {
    workerData: { ...task, attachment: data },
    transferList,
  });
  const failed = once(worker, 'error').then(([error]) => Promise.reject(error));
  await Promise.race([once(worker, 'message'), failed]);
  return { worker, answer: Promise.race([once(worker, 'message'), failed]) };
}

/** @param {import('millrace').Bus} bus */
function publishHere(bus) {
  const { batch, window } = options;
  const input = (/** @type {number} */ n) => {
    const made = makeInput(TOPICS[n % TOPICS.length] ?? '', n);
    return { ...made, payload: { ...made.payload, publisher: 0, n } };
  };
  return publishWindowed(bus, PLAN.eventsEach, { batch, window, input });
}

/**
 * Kills the thread of one shard after the other, at regular steps of the first subscriber's progress.
 * @param {import('millrace').Bus} bus
 * @param {Ledger} ledger
 */
function killOnTheWay(bus, ledger) {
  const hooks = busHooks(bus);
  const step = (PLAN.eventsEach * PUBLISHERS) / (options.kills + 1);
  /** @type {Promise<void>[]} */
  const kills = [];
  return {
    /** To be called for every event. */
    look() {
      const { length } = kills;
      if (length === options.kills || ledger.count < (length + 1) * step) return;
      kills.push(hooks.killShard(length % options.shards));
    },
    async finished() {
      await Promise.all(kills);
      return kills.length;
    },
  };
}

/**
 * @param {import('millrace').Subscription<any>} subscription
 * @param {Ledger} ledger
 */
async function iterate(subscription, ledger) {
  for await (const event of subscription) {
    ledger.enter(event);
    if (ledger.complete) break;
  }
}

/** @param {string} dir */
async function replay(dir) {
  const bus = await openBus({ dir });
  const ledger = new Ledger('replay after reopening', PLAN);
  for await (const event of bus.read({ topic: '*' })) ledger.enter(event);
  const topics = await bus.topics();
  await bus.close();
  check(topics.length === TOPICS.length, `${topics.length} topics, not ${TOPICS.length}`);
  return ledger.result();
}

/** @param {import('./harness.js').Bench} bench */
async function run(bench) {
  const { batch, window, shards } = options;
  const dir = bench.directory();
  const bus = await openBus({ dir, shards });
  const handled = new Ledger('main, handler on *', PLAN);
  const iterated = new Ledger('main, iterator on load.*', PLAN);
  const killer = killOnTheWay(bus, handled);
  const handler = bus.subscribe('*', (event) => {
    handled.enter(event);
    killer.look();
  });
  const iterator = bus.subscribe('load.*');
  await Promise.all([handler.ready, iterator.ready]);
  const subscriber = await startThread(bus, './million-subscriber.js', PLAN);
  const task = { publisher: 1, events: PLAN.eventsEach, topics: TOPICS, batch, window };
  const publisher = await startThread(bus, './publisher-worker.js', task);

  const started = performance.now();
  publisher.worker.postMessage({ go: true });
  const [, , , , [{ results }]] = await Promise.all([
    publishHere(bus),
    publisher.answer,
    handled.done,
    iterate(iterator, iterated),
    subscriber.answer,
  ]);
  const seconds = (performance.now() - started) / 1000;
  const kills = await killer.finished();
  await handler.drain();
  const restarts = (await bus.stats()).shards.reduce((sum, shard) => sum + shard.restarts, 0);
  await bus.close();
  const live = [handled.result(), iterated.result(), ...results];
  return { seconds, kills, restarts, results: [...live, await replay(dir)] };
}

await runBench(
  `${options.events.toLocaleString('en')} events, ${options.kills} killed shards`,
  { dir: options.dir, cores: 4 },
  async (bench) => {
    const { seconds, kills, restarts, results } = await run(bench);
    const events = PLAN.eventsEach * PUBLISHERS;
    bench.report([
      { what: 'events', figure: String(events), note: `over ${options.topics} topics` },
      { what: 'shard threads killed', figure: String(kills), note: `${restarts} restarts` },
      { what: 'published and delivered', figure: perSecond(events / seconds) },
      ...results.map(({ name, count, repeated, skipped, sequenceFaults }) => ({
        what: name,
        figure: String(count),
        note: `${repeated} repeated, ${skipped} skipped, ${sequenceFaults} out of order`,
      })),
    ]);
    check(kills === options.kills, `${kills} shards were killed, not ${options.kills}`);
    check(restarts >= kills, `${restarts} restarts after ${kills} kills`);
    for (const { name, right } of results)
      check(right, `${name} did not get every event once in order`);
  },
);
