import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './free-port.js';
import { ServerProcess } from './server-process.js';

/** @type {Readonly<Record<string, string>>} */
const DEFAULTS = {
  bind: '127.0.0.1',
  save: '',
  appendonly: 'yes',
  'repl-diskless-sync-delay': '0',
  'repl-ping-replica-period': '1',
};

/** A `redis-server` on a free port of the loopback interface. */
export class RedisServer extends ServerProcess {
  #config;
  /** Before its configuration. @type {readonly string[]} */
  #words = [];
  /** @type {number | undefined} */
  #clusterPort;

  /** @param {number} port @param {Readonly<Record<string, string>>} config */
  constructor(port, config) {
    super('redis-server', port);
    this.#config = config;
  }

  /** @param {Readonly<Record<string, string>>} [config] */
  static async start(config = {}) {
    const server = new RedisServer(await freePort(), { ...DEFAULTS, ...config });
    // By default it is the port and 10,000, which may be too high.
    if ('cluster-enabled' in config) server.#clusterPort = await freePort();
    await server.start();
    return server;
  }

  /** A sentinel that watches a master of the name `main`. @param {number} masterPort */
  static async sentinel(masterPort) {
    const server = new RedisServer(await freePort(), { bind: '127.0.0.1' });
    const file = join(server.dir, 'sentinel.conf');
    const lines = [
      `sentinel monitor main 127.0.0.1 ${masterPort} 2`,
      'sentinel down-after-milliseconds main 500',
      'sentinel failover-timeout main 3000',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    server.#words = [file, '--sentinel'];
    await server.start();
    return server;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it, for the first time or again, and waits until it answers. */
  async start() {
    const bus = this.#clusterPort === undefined ? {} : { 'cluster-port': `${this.#clusterPort}` };
    const config = { ...this.#config, ...bus, port: `${this.port}`, dir: this.dir };
    const words = Object.entries(config).flatMap(([name, value]) => [`--${name}`, value]);
    await this.run([...this.#words, ...words], () => this.#answers());
  }

  /** A client of its own. */
  client() {
    const { requirepass } = this.#config;
    const login = requirepass === undefined ? {} : { password: requirepass };
    return new Redis(this.port, '127.0.0.1', { ...login, maxRetriesPerRequest: 3 });
  }

  /**
   * Runs one command.
   * @param {string} name
   * @param {string[]} args
   * @returns {Promise<unknown>}
   */
  async command(name, ...args) {
    const client = this.client();
    client.on('error', () => {});
    try {
      return await client.call(name, ...args);
    } finally {
      client.disconnect();
    }
  }

  /** Joins the cluster of another one. @param {RedisServer} other */
  async meet(other) {
    const ports = [`${other.port}`, `${other.#clusterPort}`];
    await this.command('CLUSTER', 'MEET', '127.0.0.1', ...ports);
  }

  async #answers() {
    try {
      return (await this.command('PING')) === 'PONG';
    } catch (error) {
      return /NOAUTH|NOPERM/.test(`${error}`);
    }
  }
}
