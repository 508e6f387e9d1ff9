import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Network } from '../brokers/network.js';
import { Client } from '../checker/cast.js';
import { Coordinator } from '../checker/coordinator.js';
import { historiesIn } from '../checker/history.js';
import { judge } from '../checker/judge.js';
import { Nemesis } from '../checker/nemesis.js';
import { planOf } from '../checker/plan.js';
import { replayOf } from '../checker/replay.js';
import { Random } from '../storage/random.js';
import { actorsOf, CLIENTS, NODES, Node } from './cast.js';
import { NatsCluster } from './nats.js';
import { RedisCluster } from './redis.js';
import { openOn } from './store.js';

/** One run on a broker: its servers, four nodes, their clients, a nemesis for a while, then calm, the end and the judgment. */
const BUILT = fileURLToPath(new URL('../../dist', import.meta.url));
const BROKERS = { nats: NatsCluster, redis: RedisCluster };
/** How long everybody may take to come to an end, longer than rule C6 allows, so that the rule can tell who is late. */
const END_MS = 120_000;
const MARK_MS = 30_000;
const LOOK_MS = 50;
/** Faults last for as long as an election takes, now and then. */
const PAUSE_MS = 3000;
const LASTS_MS = 10_000;
const DEDUPE_MS = 600_000;
/** Codes with which a subscription may end: its connection ended with its node. */
const MAY_END = ['closed', 'CONNECTION_FAILED', 'BUS_CLOSED', 'ABORTED'];

/** What of a plan is not as the seed says, on a broker. */
function changesFor(seed) {
  // With an event a batch a broker stores less than is published.
  const bus = { dedupeWindowMs: DEDUPE_MS, commitBatchEvents: seed % 2 === 0 ? 16 : 4096 };
  return { bus, hasShort: false, isTimed: false, actors: actorsOf(seed) };
}

/**
 * @param {object} options
 * @param {'nats' | 'redis'} options.on
 * @param {number} [options.replicas]   on Redis: how many an ack waits for
 * @param {number} options.seed
 * @param {number} options.ms           how long the nemesis goes on
 * @param {number} [options.pauseMs]    the mean time between faults
 * @param {number} [options.lastsMs]    how long a fault lasts at most
 * @param {import('../checker/nemesis.js').Fault[]} options.faults
 * @param {string} options.folder
 * @param {number} [options.endMs]      how long everybody may take to come to an end
 * @param {string | undefined} [options.dist]   the build of the nodes; clients and the judge use the real one
 */
export async function play(options) {
  const { on, replicas, seed, ms, faults, folder, dist = BUILT } = options;
  const { pauseMs = PAUSE_MS, lastsMs = LASTS_MS, endMs = END_MS } = options;
  const Broker = BROKERS[on];
  const network = new Network(Broker.names);
  const histories = join(folder, 'histories');
  mkdirSync(histories, { recursive: true });
  network.raise();
  const { shards } = planOf(seed, { hasShort: false });
  const settings = { shards, dedupeWindowMs: DEDUPE_MS, replicas };
  const broker = new Broker(network.places, join(folder, 'servers'), settings);
  const changes = changesFor(seed);
  const plan = planOf(seed, changes);
  const node = { seed, changes, dist, store: broker.store, folder: histories };
  const nodes = NODES.map((name) => new Node(name, node));
  const world = { broker, network, nodes, clients: /** @type {Client[]} */ ([]) };
  const nemesis = new Nemesis({
    faults,
    world,
    random: new Random(seed),
    file: join(histories, 'nemesis.jsonl'),
    pauseMs,
    lastsMs,
  });
  const cast = () => [...nodes, ...world.clients];
  /** @type {string[]} */
  const problems = [];
  const played = await judged();
  // Once the servers have ended.
  return { ...played, notes: played.problems.length > 0 ? broker.diagnosis() : [] };

  async function judged() {
    try {
      await broker.start();
      await perform({ plan, changes, world, nemesis, histories, ms, endMs, problems });
      for (const role of cast()) problems.push(...role.problems);
      const found = await judgeStore({ plan, broker, histories });
      problems.push(...nemesis.problems, ...found.problems);
      return { ...found, problems, injections: nemesis.injections };
    } finally {
      for (const role of cast()) {
        role.letGo();
        if (role.isRunning) role.strike();
      }
      await broker.close();
      network.dispose();
    }
  }
}

async function perform({ plan, changes, world, nemesis, histories, ms, endMs, problems }) {
  const { nodes } = world;
  const cast = () => [...nodes, ...world.clients];
  await Promise.all(nodes.map((node) => node.begin()));
  for (const { name, isReady, said } of nodes) {
    if (!isReady) throw new Error(`${name} did not start: ${said}`);
  }
  const client = join(BUILT, 'client.js');
  world.clients = Object.entries(CLIENTS).map(([name, at]) => {
    const { url } = nodes.find((node) => node.name === at);
    return new Client(name, { seed: plan.seed, changes, url, folder: histories, client });
  });
  await Promise.all(world.clients.map((role) => role.begin()));
  const until = performance.now() + ms;
  await nemesis.rage(() => performance.now() > until);

  const end = performance.now() + endMs;
  const late = pass(endMs);
  const within = async (what, test) => {
    while (!(await Promise.race([test(), late]))) {
      if (performance.now() > end) {
        problems.push(`C6: ${what} within ${endMs} ms`);
        return;
      }
      await pass(LOOK_MS);
    }
  };
  await Promise.race([Promise.all(cast().map((role) => role.running)), late]);
  const { connect, withPayloadText } = await import(pathToFileURL(client).href);
  const bus = connect(nodes[0].url);
  const coordinator = new Coordinator(bus, withPayloadText, histories, plan);
  for (const role of cast()) role.enter('rest');
  const isAll = (names, has) => names.every((name) => cast().some((role) => role[has].has(name)));
  const named = (of) => plan.actors.filter(({ role }) => role === of).map(({ name }) => name);
  await within('not all publishers have rested', () => isAll(named('publisher'), 'resting'));
  await within('not all jobs are done', () => coordinator.areJobsDone().catch(() => false));
  const markEnd = Math.max(end, performance.now() + MARK_MS);
  const isLate = pass(markEnd - performance.now()).then(() => {
    throw new Error('nobody answers');
  });
  isLate.catch(() => {});
  await Promise.race([coordinator.mark(markEnd), isLate]).catch((error) =>
    problems.push(`C6: the markers: ${error.stack}`),
  );
  await within('not all readers have caught up', () => isAll(named('reader'), 'caughtUp'));
  await coordinator.close();
  await Promise.all(world.clients.map((role) => role.stop()));
  await Promise.all(nodes.map((role) => role.stop()));
}

/** Judges the histories by what is in the store. */
async function judgeStore({ plan, broker, histories }) {
  const { dedupeWindowMs } = plan.bus;
  const replay = await replayOf(
    await openOn(BUILT, broker.store, { dedupeWindowMs, systemEvents: false, onError: () => {} }),
  );
  const terms = {
    epoch: replay.epoch,
    shards: plan.shards,
    pruned: plan.pruned,
    order: plan.consumers.jobs.order,
    letters: plan.consumers.doom.deadLetter,
    attemptsMax: plan.consumers.doom.maxAttempts,
    mayEnd: MAY_END,
    strongest: broker.strongest,
  };
  try {
    return await judge({ histories: historiesIn(histories), replay, terms });
  } finally {
    await replay.close();
  }
}
