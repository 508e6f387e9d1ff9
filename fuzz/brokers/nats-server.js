import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { isListening, ServerProcess } from './server-process.js';

/**
 * @typedef {object} NatsServerOptions
 * @property {string} [config] further lines of its configuration
 * @property {boolean} [isPlain] without JetStream; by default with it
 * @property {string} [name] of the server, `one` by default
 * @property {{ port: number, routes: readonly number[] }} [cluster] that it is one of
 */

/** A `nats-server` on a free port of the loopback interface. */
export class NatsServer extends ServerProcess {
  #options;

  /** @param {number} port @param {NatsServerOptions} options */
  constructor(port, options) {
    super('nats-server', port);
    this.#options = options;
  }

  /** @param {NatsServerOptions} [options] */
  static async start(options = {}) {
    const server = new NatsServer(await freePort(), options);
    await server.start();
    return server;
  }

  get url() {
    return `127.0.0.1:${this.port}`;
  }

  get storeDir() {
    return join(this.dir, 'data');
  }

  /** Starts it, for the first time or again, and waits until it takes connections. */
  async start() {
    const file = join(this.dir, 'server.conf');
    writeFileSync(file, this.#configuration());
    await this.run(['-c', file], () => isListening('127.0.0.1', this.port));
  }

  #configuration() {
    const { config = '', isPlain = false, name = 'one', cluster } = this.#options;
    const lines = [`listen: "127.0.0.1:${this.port}"`, `server_name: "${name}"`];
    if (!isPlain) lines.push(`jetstream { store_dir: "${this.storeDir}" }`);
    if (cluster !== undefined) {
      const routes = cluster.routes.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
      const listen = `listen: "127.0.0.1:${cluster.port}"`;
      lines.push(`cluster { name: "tested", ${listen}, routes: [${routes}] }`);
    }
    return `${[...lines, config].join('\n')}\n`;
  }
}

/** Servers that form one cluster. @param {number} count */
export async function startNatsCluster(count) {
  const ports = await Promise.all(Array.from({ length: count }, () => freePort()));
  return Promise.all(
    ports.map((port, at) => NatsServer.start({ name: `n${at}`, cluster: { port, routes: ports } })),
  );
}
