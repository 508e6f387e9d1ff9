import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { censusOf } from '../faults/census.js';
import { Actors } from './actors/actors.js';
import { doorOf } from './actors/doors.js';
import { planOf } from './plan.js';

/**
 * The server under test: `node subject.js OPTIONS`, which are `{ seed, changes, dist, dir, folder, port, phase }`. It opens the
 * bus, serves it, attaches a worker, and has actors in both threads. It may die at any moment; then it is started again
 * on the same directory and port.
 */
const { seed, changes, dist, dir, folder, port, phase: first } = JSON.parse(process.argv[2]);
// Nobody waits for a process whose parent has ended, which may have happened while this one started.
process.on('disconnect', () => process.exit(0));
if (!process.connected) process.exit(0);
const plan = planOf(seed, changes);
const load = (file) => import(pathToFileURL(join(dist, file)).href);
const { openBus } = await load('index.js');
const { withPayloadText } = await load('client.js');
const { busHooks, gatewayHooks } = await load('main/test-hooks.js');

const INSIDE = new URL('./inside-worker.js', import.meta.url);
/** A gateway that dies sooner than that after its start is given up in the end, so it is left alone. */
const GATEWAY_LIFE_MS = 2500;

const tell = (message) => process.send?.(message, undefined, undefined, () => {});
let phase = first;
let hurtAt = performance.now();
let worker;
let isEnding = false;
/** What a run that has to find a leak lets grow. */
const leaked = [];

const bus = await openBus({ ...plan.bus, dir, onError: () => {} });
const gateway = await bus.serve({
  port,
  host: '127.0.0.1',
  dashboard: false,
  ...JSON.parse(process.env.FUZZ_GATEWAY ?? '{}'),
});
gateway.closed.catch((error) => {
  console.error(error);
  process.exit(1);
});

const hasWorker = plan.actors.some(({ host }) => host === 'worker');

function attach() {
  if (!hasWorker) return;
  const { data, transferList } = bus.attachment();
  const workerData = { bus: data, seed, changes, dist, folder, phase };
  worker = new Worker(INSIDE, { workerData, transferList });
  worker.on('message', (message) => tell(message));
  worker.on('error', (error) => {
    // Where parts die on purpose, the worker is one of them.
    if (process.env.FUZZ_WORKER_MAY_DIE === '1') return;
    console.error(error);
    process.exit(1);
  });
  worker.on('exit', () => {
    if (!isEnding) attach();
  });
}

const calls = {
  killShard: async ({ shard }) => {
    await busHooks(bus).killShard(shard);
    return true;
  },
  crashShard: ({ shard }) => {
    busHooks(bus).crashShard(shard);
    return true;
  },
  hurtGateway: async ({ how }) => {
    if (performance.now() - hurtAt < GATEWAY_LIFE_MS) return false;
    hurtAt = performance.now();
    await gatewayHooks(gateway).hurt(how);
    return true;
  },
  killWorker: async () => {
    if (isEnding || !hasWorker) return false;
    await worker.terminate();
    return true;
  },
  disconnect: async () => {
    const answer = await fetch(`${gateway.url}/v1/connections`);
    const { connections } = /** @type {any} */ (await answer.json());
    const cut = ({ id }) => fetch(`${gateway.url}/v1/connections/${id}`, { method: 'DELETE' });
    await Promise.all(connections.map(cut));
    return connections.length;
  },
  stats: () => bus.stats(),
  census: ({ leak = 0 }) => {
    for (let n = 0; n < leak; n++) leaked.push(new Float64Array(16));
    return censusOf(bus);
  },
};

const actors = new Actors({
  bus: doorOf(bus, withPayloadText),
  plan,
  host: 'subject',
  folder,
  tell,
});

async function enter(next) {
  phase = next;
  actors.enter(next);
  worker?.postMessage({ phase: next });
  if (next !== 'end') return;
  isEnding = true;
  await bus.close();
  process.exit(0);
}

process.on('message', async (/** @type {any} */ message) => {
  if (message.phase !== undefined) return enter(message.phase);
  const { id, call, options } = message;
  const value = await Promise.resolve(calls[call](options)).catch((error) => {
    tell({ complaint: `${call}: ${error.stack}` });
  });
  tell({ answer: id, value });
});
attach();
actors.run();
await enter(first);
tell({ ready: true, url: gateway.url });
