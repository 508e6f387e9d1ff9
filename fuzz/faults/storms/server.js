import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { answerCalls } from '../answer-calls.js';
import { censusOf } from '../census.js';
import { stuck } from '../stuck/inside.js';
import { inside } from './inside.js';

/** The server that the storms go over: `node server.js OPTIONS`, `{ dist, dir, heaps, bus, gateway }`. */
const options = JSON.parse(process.argv[2]);
const load = (file) => import(pathToFileURL(join(options.dist, file)).href);
const { openBus, attachBus } = await load('index.js');
const problems = [];
const bus = await openBus({
  ...options.bus,
  dir: options.dir,
  onError: (error) => problems.push(`${error.code}: ${error.message}`),
});
const gateway = await bus.serve({ port: 0, dashboard: false, ...options.gateway });
const HEAPS_MS = 60_000;
let asked = 0;
const hoard = [];

/** What the process holds, once nothing is left to do; the heaps are those of all its threads. */
async function census() {
  const held = await censusOf(bus);
  const stats = await bus.stats();
  const parts = ['main', 'gateway', ...stats.shards.map(({ shard }) => `shard-${shard}`)];
  const heaps = await heapsOf(parts);
  const { subscriptions, connections, endpoints, consumers } = stats;
  const subscribers = (await bus.subscribers()).length;
  const topics = (await bus.topics()).length;
  return {
    ...held,
    heap: Object.values(heaps).reduce((sum, bytes) => sum + bytes, 0),
    heaps,
    rows: {
      subscriptions,
      subscribers,
      connections,
      endpoints,
      consumers: consumers.count,
      topics,
    },
  };
}

async function heapsOf(parts) {
  const number = ++asked;
  writeFileSync(join(options.heaps, 'ask'), String(number));
  const until = performance.now() + HEAPS_MS;
  for (;;) {
    const lines = readFileSync(join(options.heaps, 'heaps.jsonl'), 'utf8').split('\n');
    const told = lines
      .filter((line) => line.startsWith(`[${number},`))
      .map((line) => JSON.parse(line));
    const heaps = Object.fromEntries(told.map(([, part, bytes]) => [part, bytes]));
    if (parts.every((part) => part in heaps)) return heaps;
    if (performance.now() > until) throw new Error(`only ${Object.keys(heaps)} told their heaps`);
    await pass(50);
  }
}

const calls = {
  census,
  problems: () => problems.splice(0),
  publish: ({ events, ...how }) => bus.publishMany(events, how).then((acks) => acks.length),
  cut: async () => {
    const answer = await fetch(`${gateway.url}/v1/connections`);
    const { connections } = /** @type {any} */ (await answer.json());
    const cut = ({ id }) => fetch(`${gateway.url}/v1/connections/${id}`, { method: 'DELETE' });
    for (let at = 0; at < connections.length; at += 50) {
      await Promise.all(connections.slice(at, at + 50).map(cut));
    }
    return connections.length;
  },
  stuck: ({ act, ...more }) => stuck[act]({ bus, dist: options.dist, ...more }),
  storm: ({ name, count, seed }) => inside[name]({ bus, attachBus, count, seed }),
  /** Holds what nobody asks for, as a leak would. */
  hold: ({ count: many }) => {
    for (let n = 0; n < many; n++) hoard.push(Float64Array.from({ length: 1000 }, () => n));
  },
  end: async () => {
    await bus.close();
    process.exit(0);
  },
};

answerCalls(calls, { url: gateway.url });
