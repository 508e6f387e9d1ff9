import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { deferred, publishWindowed } from './load.js';
import { startNats, startRedis } from './peer-servers.js';

/**
 * The same jobs through BullMQ on Redis and through a pull consumer of NATS JetStream. Publisher and handlers are in this
 * process, as with Millrace; their server has a process of its own, as Millrace's shard has a thread. The handlers return
 * at once. A figure is jobs per second from the first publish until the server has taken the last ack.
 *
 * - BullMQ: jobs by `addBulk`, in batches as large as Millrace's; one `Worker`; finished jobs are removed, as its guide
 *   for production advises. Redis flushes its file once a second.
 * - JetStream: publishes that do not wait for each other, in a window as large as Millrace's; `consume` with explicit
 *   acks, at most so many unacknowledged. NATS flushes every two minutes.
 */

/** @typedef {{ jobs: number, batch: number, window: number, job: (n: number) => import('millrace').EventInput }} Load */

let lastQueue = 0;

/**
 * @param {number} port
 * @param {number} concurrency
 * @param {Load} load
 */
async function bullmq(port, concurrency, { jobs, batch, window, job }) {
  const name = `bench-${(lastQueue += 1)}`;
  const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
  const queue = new Queue(name, { connection });
  await queue.waitUntilReady();
  let left = jobs;
  const { promise: done, resolve } = deferred();
  const worker = new Worker(name, async () => {}, {
    connection,
    concurrency,
    removeOnComplete: { count: 0 },
  });
  worker.on('completed', () => {
    left -= 1;
    if (left === 0) resolve();
  });
  worker.on('error', () => {});
  await worker.waitUntilReady();
  const publishMany = (/** @type {import('millrace').EventInput[]} */ inputs) =>
    queue.addBulk(inputs.map((data) => ({ name: data.type, data })));
  const started = performance.now();
  await publishWindowed(/** @type {any} */ ({ publishMany }), jobs, { batch, window, input: job });
  await done;
  const rate = jobs / ((performance.now() - started) / 1000);
  await worker.close();
  await queue.obliterate({ force: true });
  await queue.close();
  return rate;
}

/**
 * @param {number} port
 * @param {number} inFlight
 * @param {Load} load
 */
async function nats(port, inFlight, { jobs, window, job }) {
  const connection = await connect({ servers: `127.0.0.1:${port}` });
  const manager = await jetstreamManager(connection);
  const js = jetstream(connection);
  await manager.streams.add({ name: 'bench', subjects: ['load.*'] });
  const definition = { durable_name: 'bench', ack_policy: AckPolicy.Explicit };
  await manager.consumers.add('bench', { ...definition, max_ack_pending: inFlight });
  const consumer = await js.consumers.get('bench', 'bench');
  const messages = await consumer.consume({ max_messages: inFlight });
  let left = jobs;
  const { promise: done, resolve } = deferred();
  const working = (async () => {
    for await (const message of messages) {
      JSON.parse(message.string());
      left -= 1;
      if (left > 0) message.ack();
      // Acks of one connection are taken in order: once the server has confirmed the last one, it has all.
      else void message.ackAck().then(resolve);
    }
  })();
  const publish = (/** @type {import('millrace').EventInput} */ input) =>
    js.publish(input.topic, JSON.stringify(input));
  const started = performance.now();
  await publishWindowed(/** @type {any} */ ({ publish }), jobs, { batch: 1, window, input: job });
  await done;
  const rate = jobs / ((performance.now() - started) / 1000);
  await messages.close();
  await working;
  await manager.streams.delete('bench');
  await connection.close();
  return rate;
}

/**
 * Starts the servers. The sides take turns with Millrace's; each begins with an empty queue.
 * @param {import('./harness.js').Bench} bench
 * @param {Load} load
 */
export async function startPeers(bench, load) {
  const redis = await startRedis(bench.keptDirectory());
  const natsServer = await startNats(bench.keptDirectory());
  await answers(redis.port);
  const { port } = natsServer;
  // BullMQ takes one call of Redis for each job, so fewer jobs give its rate.
  const fewer = { ...load, jobs: Math.ceil(load.jobs / 4) };
  const sides = {
    bullmq16: () => bullmq(redis.port, 16, fewer),
    bullmqBest: () => bullmq(redis.port, BULLMQ_BEST, fewer),
    nats16: () => nats(port, 16, load),
    natsBest: () => nats(port, NATS_BEST, load),
  };
  return { sides, stop: () => Promise.all([redis.stop(), natsServer.stop()]) };
}

/** Numbers in flight that serve throughput; 16 is the other side, as with Millrace. */
export const BULLMQ_BEST = 128;
export const NATS_BEST = 1024;

/** @param {number} port */
async function answers(port) {
  const redis = new Redis({ host: '127.0.0.1', port });
  redis.on('error', () => {});
  await redis.ping();
  redis.disconnect();
}
