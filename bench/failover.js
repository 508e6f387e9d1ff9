import { setTimeout as afterMs } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { natsStore, openBus } from 'millrace';
import { check, Latencies, readOptions, runBench } from './harness.js';
import { makeInput, topicNames } from './load.js';
import { startNatsCluster } from './nats-cluster.js';

/**
 * Two nodes publish at a steady rate on a cluster of three NATS servers, while the server that leads their stream is
 * killed with SIGKILL, again and again, and started again. Every event has to be stored once and in its publisher's
 * order, where its ack says, and each node's subscription has to get the same. `--ldm`: the servers end in an orderly
 * way (lame duck mode), as for an upgrade.
 *
 * For each death it prints for how long the node that waited longest got no ack, and how much of that the servers took to elect
 * another leader, by their own logs; then the pauses between acks, and how late acks were after the times at which their
 * events were meant to be published.
 */

const STREAM = 'failover-0';
const SERVERS = 3;
const NODES = 2;
const TICK_MS = 10;
const TARGET_MS = 5000;

const options = readOptions(
  'Kills the leader of a cluster of NATS servers, while two nodes publish.',
  { events: 100_000, kills: 10, rate: 1000, topics: 20 },
  ['ldm'],
);
const { events, kills, rate, topics, ldm } = options;
const TOPICS = topicNames(topics);
const EACH = Math.ceil(events / NODES);

/** @typedef {{ node: number, n: number, sequence: number, at: number }} Ack */

/** A node: a bus that publishes, and what its subscription got. */
class Node {
  /** The ids that the subscription got, in order. */
  /** @type {string[]} */
  seen = [];
  bus;
  number;
  /** How many events it has published, and up to which one it has an ack. */
  sent = 0;
  acked = -1;

  /**
   * @param {import('millrace').Bus} bus
   * @param {number} number
   */
  constructor(bus, number) {
    this.bus = bus;
    this.number = number;
  }

  /**
   * Publishes `EACH` events, each when its time has come.
   * @param {(ack: Ack) => void} onAck
   * @param {Latencies} lateness
   */
  async publishAll(onAck, lateness) {
    const begun = performance.now();
    const gapMs = (1000 * NODES) / rate;
    const waiting = [];
    for (let n = 0; n < EACH; ) {
      const due = Math.min(EACH, Math.floor((performance.now() - begun) / gapMs) + 1);
      for (; n < due; n += 1) waiting.push(this.#publish(n, begun + n * gapMs, onAck, lateness));
      await afterMs(TICK_MS);
    }
    await Promise.all(waiting);
  }

  /**
   * @param {number} n
   * @param {number} dueAt
   * @param {(ack: Ack) => void} onAck
   * @param {Latencies} lateness
   */
  async #publish(n, dueAt, onAck, lateness) {
    const { bus, number: node } = this;
    this.sent = n + 1;
    const made = makeInput(TOPICS[n % TOPICS.length] ?? '', n);
    const { sequence = 0, duplicate } = await bus.publish({
      ...made,
      payload: { ...made.payload, node, n },
    });
    check(!duplicate, `event ${n} of node ${node} was called a repeat`);
    this.acked = Math.max(this.acked, n);
    lateness.recordMs(performance.now() - dueAt);
    onAck({ node, n, sequence, at: Date.now() });
  }
}

/** @param {readonly string[]} servers */
async function openNodes(servers) {
  const nodes = [];
  for (let number = 0; number < NODES; number += 1) {
    const store = natsStore({ servers, prefix: 'failover', replicas: SERVERS });
    const bus = await openBus({ store, shards: 1, systemEvents: false, publishWaitMs: 60_000 });
    const node = new Node(bus, number);
    await bus.subscribe('load.*', ({ id }) => {
      node.seen.push(id);
    }).ready;
    nodes.push(node);
  }
  return nodes;
}

/** Looks at the stream with a client of its own. */
async function watchStream(/** @type {readonly string[]} */ servers) {
  const connection = await connect({
    servers: [...servers],
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  });
  const manager = await jetstreamManager(connection, { timeout: 1000, checkAPI: false });
  return {
    /** The name of the leader, once all servers have all of the stream. */
    async settled() {
      for (;;) {
        const info = await manager.streams.info(STREAM).catch(() => undefined);
        const replicas = info?.cluster?.replicas ?? [];
        const isSettled =
          replicas.length === SERVERS - 1 && replicas.every(({ current }) => current);
        if (isSettled && info?.cluster?.leader) return info.cluster.leader;
        await afterMs(100);
      }
    },
    close: () => connection.close(),
  };
}

/** @typedef {{ killedAt: number, victim: string }} Death */

/**
 * @param {Awaited<ReturnType<typeof startNatsCluster>>} servers
 * @param {Awaited<ReturnType<typeof watchStream>>} watch
 * @param {readonly Node[]} nodes
 * @param {readonly Ack[]} acks
 * @returns {Promise<Death[]>}
 */
async function killLeaders(servers, watch, nodes, acks) {
  const deaths = [];
  const step = events / (kills + 1);
  for (let death = 1; death <= kills; death += 1) {
    while (acks.length < death * step) await afterMs(TICK_MS);
    const victim = await watch.settled();
    const server = servers.find(({ name }) => name === victim);
    const killedAt = Date.now();
    await server?.end(ldm ? 'SIGUSR2' : 'SIGKILL');
    const sent = nodes.map((node) => node.sent);
    // Each node has an ack of what it has published since.
    while (nodes.some(({ acked }, at) => acked < Math.min(sent[at] ?? 0, EACH - 1))) {
      await afterMs(TICK_MS);
    }
    deaths.push({ killedAt, victim });
    await server?.start();
  }
  return deaths;
}

/** How long after its leader's death a stop may begin, ms: a server that ends in an orderly way takes its time. */
const BEGINS_MS = ldm ? 20_000 : 1000;

/**
 * The longest pause between the acks of a node that begins soon after a time.
 * @param {readonly Ack[]} acks
 * @param {number} killedAt
 */
function longestPause(acks, killedAt) {
  let stop = { ms: 0, from: killedAt, to: killedAt };
  let from = killedAt;
  for (const { at } of acks) {
    if (at < killedAt) continue;
    if (from > killedAt + BEGINS_MS) break;
    if (at - from > stop.ms) stop = { ms: at - from, from, to: at };
    from = at;
  }
  return stop;
}

/**
 * For each death the stop of the node that was stopped longest, and the election within it.
 * @param {Awaited<ReturnType<typeof startNatsCluster>>} servers
 * @param {readonly Death[]} deaths
 * @param {readonly Ack[]} acks
 */
function stopsOf(servers, deaths, acks) {
  const elections = servers
    .flatMap((server) => server.leads(STREAM).map((at) => ({ at, name: server.name })))
    .sort((one, other) => one.at - other.at);
  const byNode = Array.from({ length: NODES }, (_, node) =>
    acks.filter((ack) => ack.node === node),
  );
  return deaths.map(({ killedAt, victim }) => {
    const pauses = byNode.map((of) => longestPause(of, killedAt));
    const [stop] = pauses.sort((one, other) => other.ms - one.ms);
    if (stop === undefined) throw new Error('there are no nodes');
    const elected = elections.filter(({ at }) => at > killedAt && at <= stop.to).at(-1);
    const electionMs = elected === undefined ? 0 : Math.max(0, elected.at - stop.from);
    return { victim, leader: elected?.name ?? '-', ms: stop.ms, electionMs };
  });
}

/**
 * @param {readonly Node[]} nodes
 * @param {readonly Ack[]} acks
 */
async function judge([one, other], acks) {
  const stored = [];
  for await (const event of other.bus.read({ topic: 'load.*' })) stored.push(event);
  const key = (/** @type {{ node: number, n: number }} */ { node, n }) => `${node}/${n}`;
  const places = new Map();
  const last = new Map();
  let twice = 0;
  let disordered = 0;
  for (const { payload, topic, sequence } of stored) {
    const of = /** @type {{ node: number, n: number }} */ (payload);
    if (places.has(key(of))) twice += 1;
    places.set(key(of), sequence);
    const before = last.get(`${topic} ${of.node}`) ?? -1;
    if (of.n < before) disordered += 1;
    last.set(`${topic} ${of.node}`, of.n);
  }
  const lost = acks.filter((ack) => places.get(key(ack)) !== ack.sequence).length;
  const ids = stored.map(({ id }) => id).join();
  const unlike = [one, other].filter(({ seen }) => seen.join() !== ids).length;
  const rows = [
    { what: 'stored', figure: String(stored.length), note: `${acks.length} acknowledged` },
    { what: 'acknowledged, and not stored there', figure: String(lost) },
    { what: 'stored twice', figure: String(twice) },
    { what: 'out of their publisher’s order', figure: String(disordered) },
    { what: 'subscriptions that got anything else', figure: String(unlike) },
  ];
  return { rows, isRight: lost + twice + disordered + unlike === 0 };
}

/** @param {readonly Ack[]} acks */
function pausesOf(acks) {
  const pauses = new Latencies();
  for (const [index, { at }] of acks.entries()) {
    if (index > 0) pauses.recordMs(Math.max(0, at - (acks[index - 1]?.at ?? at)));
  }
  return pauses;
}

/** @param {Latencies} latencies */
function percentiles(latencies) {
  const ms = (/** @type {number} */ at) => Math.round(latencies.at(at) / 1000);
  return `p50 ${ms(50)}  p90 ${ms(90)}  p99 ${ms(99)}  max ${ms(100)} ms`;
}

/** @param {import('./harness.js').Bench} bench */
async function run(bench) {
  const servers = await startNatsCluster(bench.directory(), SERVERS);
  try {
    const addresses = servers.map(({ address }) => address);
    const nodes = await openNodes(addresses);
    const watch = await watchStream(addresses);
    /** @type {Ack[]} */
    const acks = [];
    const lateness = new Latencies();
    const killing = killLeaders(servers, watch, nodes, acks);
    const enter = (/** @type {Ack} */ ack) => void acks.push(ack);
    await Promise.all(nodes.map((node) => node.publishAll(enter, lateness)));
    const deaths = await killing;
    while (nodes.some(({ seen }) => seen.length < acks.length)) await afterMs(TICK_MS);
    const stops = stopsOf(servers, deaths, acks);
    const { rows, isRight } = await judge(nodes, acks);
    const restarts = [];
    for (const { bus } of nodes) {
      restarts.push((await bus.stats()).shards.reduce((sum, shard) => sum + shard.restarts, 0));
      await bus.close();
    }
    await watch.close();
    const within = stops.filter(({ ms }) => ms < TARGET_MS).length;
    bench.report([
      ...stops.map(({ ms, electionMs, victim, leader }, at) => ({
        what: `death ${at + 1}: ${victim} to ${leader}`,
        figure: `${ms} ms`,
        note: `without an ack; the election ${electionMs}, the bus ${ms - electionMs}`,
      })),
      { what: `stops under ${TARGET_MS} ms`, figure: `${within} of ${stops.length}` },
      { what: 'pauses between acks', figure: percentiles(pausesOf(acks)) },
      { what: 'from the due time to the ack', figure: percentiles(lateness) },
      { what: 'threads replaced', figure: restarts.join(', ') },
      ...rows,
    ]);
    check(isRight, 'the history is not what was acknowledged');
    check(acks.length >= events && stops.length === kills, 'the run is not complete');
  } finally {
    await Promise.all(servers.map((server) => server.end('SIGKILL')));
  }
}

await runBench(
  'two nodes on NATS, whose leader dies again and again',
  { dir: options.dir, cores: 4 },
  run,
);
