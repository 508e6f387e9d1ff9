import { setTimeout as pass } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { MASTER, RedisMachine } from './redis-machine.js';

/**
 * A Redis with two replicas, and three sentinels, each pair on a machine of its own. With `replicas: 2` an acknowledged event is on all
 * machines, so nothing may be lost, whichever of them the sentinels choose, as docs/REDIS.md promises. With 1 the end of a
 * machine may lose nothing; but a master that stood still or was parted may acknowledge with a replica that has not changed
 * sides yet.
 */
const PREFIX = 'clusters';
const LOOK_MS = 200;
const ASK_MS = 1000;
/** Of a replica that is whole, as Redis counts it: events go on meanwhile. */
const LAG_MAX = 1;

export class RedisCluster {
  static names = ['redis-1', 'redis-2', 'redis-3'];
  /** The ack of a publish that asks for the most. */
  strongest = 'replicated';
  servers;
  #dedupeWindowMs;
  #replicas;
  #clients = new Map();

  constructor(places, dir, { dedupeWindowMs, replicas = 2 }) {
    const [{ host }] = places;
    this.servers = places.map((place) => new RedisMachine(place, dir, host));
    this.#dedupeWindowMs = dedupeWindowMs;
    this.#replicas = replicas;
  }

  /** What the nodes open. */
  get store() {
    const options = {
      sentinels: this.servers.map(({ sentinel: { host, port } }) => ({ host, port })),
      name: MASTER,
      prefix: PREFIX,
      replicas: this.#replicas,
      dedupeWindowMs: this.#dedupeWindowMs,
    };
    return { on: /** @type {const} */ ('redis'), options };
  }

  async start() {
    await Promise.all(this.servers.map((server) => server.start()));
    if (!(await this.isWhole(60_000))) throw new Error('the replicas do not come');
  }

  /** The server that is the master, as the sentinels have it. */
  async leader() {
    const masters = await this.#masters();
    return this.servers.find(({ host }) => host === masters.find((at) => at !== undefined));
  }

  /**
   * Resolves with true when the sentinels have one master, and all servers but those of `without` follow it, with false if that takes
   * longer than `ms`.
   */
  async isWhole(ms, without = /** @type {any[]} */ ([])) {
    const end = performance.now() + ms;
    for (;;) {
      if (await this.#isWhole(without).catch(() => false)) return true;
      if (performance.now() > end) return false;
      await pass(LOOK_MS);
    }
  }

  diagnosis() {
    return [];
  }

  async close() {
    for (const client of this.#clients.values()) client.disconnect();
    await Promise.all(this.servers.map((server) => server.kill()));
  }

  async #isWhole(without) {
    const there = this.servers.filter((server) => !without.includes(server));
    const masters = await Promise.all(there.map((server) => this.#masterBy(server)));
    const master = there.find(({ host }) => masters.every((at) => at === host));
    if (master === undefined) return false;
    const fields = await this.#replication(master);
    if (fields.role !== 'master') return false;
    const others = there.filter((server) => server !== master);
    const all = Object.entries(fields).filter(([name]) => /^slave\d+$/.test(name));
    return others.every(({ host }) =>
      all.some(([, text]) => {
        const { ip, state, lag } = fieldsOf(text, ',', '=');
        return ip === host && state === 'online' && Number(lag) <= LAG_MAX;
      }),
    );
  }

  async #masters() {
    return Promise.all(this.servers.map((server) => this.#masterBy(server).catch(() => undefined)));
  }

  async #masterBy({ sentinel }) {
    const client = this.#clientOf(sentinel);
    const [host] = (await client.call('SENTINEL', 'get-master-addr-by-name', MASTER)) ?? [];
    return host;
  }

  async #replication({ redis }) {
    const text = await this.#clientOf(redis).call('INFO', 'replication');
    return fieldsOf(text, '\r\n', ':');
  }

  #clientOf({ host, port }) {
    const key = `${host}:${port}`;
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const client = new Redis(port, host, {
      maxRetriesPerRequest: 0,
      commandTimeout: ASK_MS,
      connectTimeout: ASK_MS,
      retryStrategy: () => LOOK_MS,
    });
    client.on('error', () => {});
    this.#clients.set(key, client);
    return client;
  }
}

function fieldsOf(text, between, within) {
  const pairs = text.split(between).map((field) => {
    const at = field.indexOf(within);
    return [field.slice(0, at), field.slice(at + 1)];
  });
  return Object.fromEntries(pairs);
}
