import { setTimeout as pass } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { differencesIn } from '../brokers/nats-blocks.js';
import { NatsMachine } from './nats-machine.js';

/**
 * A cluster of three NATS servers, each on a machine of its own. Nothing that was acknowledged may be lost, and the history
 * never ends, as docs/NATS.md promises for `replicas: 3`: there is always a majority, or the same disks once it is back.
 */
const PREFIX = 'clusters';
const ASK_MS = 1000;
const LOOK_MS = 200;

export class NatsCluster {
  static names = ['nats-1', 'nats-2', 'nats-3'];
  /** The ack of a publish that asks for the most. */
  strongest = 'replicated';
  servers;
  #connection;
  #manager;
  #shards;
  #dedupeWindowMs;

  constructor(places, dir, { shards, dedupeWindowMs }) {
    const hosts = places.map(({ host }) => host);
    this.servers = places.map((place) => new NatsMachine(place, dir, hosts));
    this.#shards = shards;
    this.#dedupeWindowMs = dedupeWindowMs;
  }

  /** What the nodes open. */
  get store() {
    const options = {
      servers: this.#addresses,
      prefix: PREFIX,
      replicas: this.servers.length,
      shards: this.#shards,
      dedupeWindowMs: this.#dedupeWindowMs,
    };
    return { on: /** @type {const} */ ('nats'), options };
  }

  async start() {
    await Promise.all(this.servers.map((server) => server.start()));
    this.#connection = await connect({
      servers: this.#addresses,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      pingInterval: 1000,
    });
    this.#manager = await jetstreamManager(this.#connection, { timeout: ASK_MS, checkAPI: false });
  }

  /** The server that leads the stream of a shard, if one does. */
  async leader(random) {
    const stream = `${PREFIX}-${random.below(this.#shards)}`;
    const info = await this.#manager.streams.info(stream).catch(() => undefined);
    return this.servers.find(({ name }) => name === info?.cluster?.leader);
  }

  /**
   * Resolves with true when all streams have a leader and all servers but those of `without` have all of each stream, with false
   * if that takes longer than `ms`.
   */
  async isWhole(ms, without = /** @type {any[]} */ ([])) {
    const gone = new Set(without.map(({ name }) => name));
    const end = performance.now() + ms;
    for (;;) {
      const infos = await this.#infos().catch(() => []);
      if (infos.length >= this.#shards && infos.every((info) => isWhole(info, this.servers, gone)))
        return true;
      if (performance.now() > end) return false;
      await pass(LOOK_MS);
    }
  }

  async close() {
    await this.#connection?.close();
    await Promise.all(this.servers.map((server) => server.kill()));
  }

  /** What the servers themselves have done wrong, read from their disks. */
  diagnosis() {
    const dirs = this.servers.map(({ storeDir }) => storeDir);
    return Array.from({ length: this.#shards }, (_, shard) => `${PREFIX}-${shard}`).flatMap(
      (stream) => {
        const found = differencesIn(dirs, stream);
        if (found.length === 0) return [];
        const where = `${found.length} sequences of ${stream}, the first ${found[0]}`;
        return [
          `the servers have not the same messages at ${where}: that is nats-server's own fault`,
        ];
      },
    );
  }

  get #addresses() {
    return this.servers.map(({ address }) => address);
  }

  async #infos() {
    const names = [];
    for await (const name of this.#manager.streams.names()) names.push(name);
    return Promise.all(names.map((name) => this.#manager.streams.info(name)));
  }
}

function isWhole({ cluster }, servers, gone) {
  if (!cluster?.leader || gone.has(cluster.leader)) return false;
  const replicas = (cluster.replicas ?? []).filter(({ name }) => !gone.has(name));
  const isAll = replicas.length === servers.length - 1 - gone.size;
  return isAll && replicas.every(({ current, lag = 0 }) => current && lag === 0);
}
