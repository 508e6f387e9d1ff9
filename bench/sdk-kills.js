import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect } from 'millrace/client';
import { check, perSecond, readOptions, runBench } from './harness.js';
import { makeInput, publishWindowed, topicNames } from './load.js';
import { Ledger } from './million-ledger.js';

/**
 * 200,000 events through two clients, one that publishes and one that subscribes, while their server, a `millrace
 * serve` in its own process, is killed with SIGKILL and started again ten times. Every event must be stored once, and
 * the subscriber must get each once and in order: the clients connect again, send unacknowledged publishes again, and
 * go on from their cursors.
 */

const options = readOptions('A client whose server is killed with SIGKILL, again and again.', {
  events: 200_000,
  topics: 100,
  shards: 2,
  kills: 10,
  batch: 100,
  window: 5000,
  // The longest wait before a new try, ms. With the default of 20 s, and servers that live for a second, the clients
  // would mostly wait.
  wait: 2000,
});
const PLAN = { publishers: 1, topics: options.topics, eventsEach: options.events };
const TOPICS = topicNames(options.topics);
/** How many events the subscriber gets between two kills. */
const STEP = options.events / (options.kills + 1);
const MILLRACE = fileURLToPath(new URL('../dist/cli/millrace.js', import.meta.url));

/**
 * @param {string} dir
 * @param {number} port 0: a free one
 */
async function startServer(dir, port) {
  const shards = ['--shards', String(options.shards)];
  const args = [MILLRACE, 'serve', '--dir', dir, '--port', String(port), ...shards];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  for await (const line of createInterface({ input: child.stderr })) {
    const url = line.startsWith('{') ? JSON.parse(line).url : undefined;
    if (url === undefined) continue;
    child.stderr.resume();
    return { child, url, port: Number(new URL(url).port) };
  }
  throw new Error('millrace serve has ended before it listened');
}

/** @param {{ child: import('node:child_process').ChildProcess }} server */
async function kill({ child }) {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/**
 * Kills the server at regular steps of the subscriber's progress, while both clients are connected, and starts it again
 * on the same port.
 * @param {string} dir
 * @param {Awaited<ReturnType<typeof startServer>>} first
 * @param {Ledger} ledger
 * @param {import('millrace/client').BusClient[]} clients
 */
function killOnTheWay(dir, first, ledger, clients) {
  let server = Promise.resolve(first);
  let kills = 0;
  return {
    /** To be called for every event. */
    look() {
      if (kills === options.kills || ledger.count < (kills + 1) * STEP) return;
      // A client notices the loss of its server only a moment later, so the count of its reconnects shows whether it is
      // back after the last kill.
      const isBack = ({ state, reconnects }) => state === 'connected' && reconnects >= kills;
      if (!clients.every(isBack)) return;
      kills += 1;
      server = server.then(async (running) => {
        await kill(running);
        return startServer(dir, running.port);
      });
    },
    async finished() {
      return { kills, server: await server };
    },
  };
}

/** @param {import('./harness.js').Bench} bench */
async function run(bench) {
  const dir = bench.directory();
  const first = await startServer(dir, 0);
  const publisher = connect(first.url, { reconnectMaxMs: options.wait });
  const subscriber = connect(first.url, { reconnectMaxMs: options.wait });
  const ledger = new Ledger('the subscriber', PLAN);
  const killer = killOnTheWay(dir, first, ledger, [publisher, subscriber]);
  const subscription = subscriber.subscribe('load.*', (event) => {
    ledger.enter(event);
    killer.look();
  });
  await subscription.ready;
  const started = performance.now();
  const input = (/** @type {number} */ n) => {
    const made = makeInput(TOPICS[n % TOPICS.length] ?? '', n);
    return { ...made, payload: { ...made.payload, publisher: 0, n } };
  };
  const { batch } = options;
  // A larger window would have all events on their way before the last kill.
  const window = Math.min(options.window, Math.ceil(STEP / 2));
  await publishWindowed(publisher, options.events, { batch, window, input });
  await ledger.done;
  const seconds = (performance.now() - started) / 1000;
  const { kills, server } = await killer.finished();
  await Promise.all([publisher.connected(), subscriber.connected()]);
  await subscriber.drain();
  const stored = new Ledger('the log, read again', PLAN);
  for await (const event of subscriber.read({ topic: 'load.*' })) stored.enter(event);
  const reconnects = { publisher: publisher.reconnects, subscriber: subscriber.reconnects };
  await Promise.all([publisher.close(), subscriber.close()]);
  await kill(server);
  return { seconds, kills, reconnects, results: [ledger.result(), stored.result()] };
}

await runBench(
  `a client whose server is killed ${options.kills} times`,
  { dir: options.dir, cores: 4 },
  async (bench) => {
    const { seconds, kills, reconnects, results } = await run(bench);
    bench.report([
      { what: 'events', figure: String(options.events), note: `over ${options.topics} topics` },
      { what: 'servers killed with SIGKILL', figure: String(kills) },
      { what: 'reconnects of the publisher', figure: String(reconnects.publisher) },
      { what: 'reconnects of the subscriber', figure: String(reconnects.subscriber) },
      {
        what: 'published and delivered',
        figure: perSecond(options.events / seconds),
        note: `${seconds.toFixed(1)} s, the time without a server included`,
      },
      ...results.map(({ name, count, repeated, skipped, sequenceFaults }) => ({
        what: name,
        figure: String(count),
        note: `${repeated} repeated, ${skipped} skipped, ${sequenceFaults} out of order`,
      })),
    ]);
    check(kills === options.kills, `the server was killed ${kills} times, not ${options.kills}`);
    const least = Math.min(reconnects.publisher, reconnects.subscriber);
    check(least >= kills, `${least} reconnects after ${kills} kills`);
    for (const { name, right } of results) check(right, `${name}: not every event once in order`);
  },
);
