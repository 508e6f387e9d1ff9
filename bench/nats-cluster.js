import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../fuzz/brokers/free-port.js';
import { CheckFailed } from './harness.js';

/**
 * A cluster of NATS servers with JetStream, each with a log from which `leads` reads who was elected when.
 * @param {string} dir
 * @param {number} count
 */
export async function startNatsCluster(dir, count) {
  const ports = await Promise.all(Array.from({ length: 2 * count }, freePort));
  const routes = ports.slice(count).map((port) => `"nats://127.0.0.1:${port}"`);
  const servers = routes.map(
    (_, at) =>
      new NatsNode(join(dir, `n${at}`), `n${at}`, ports[at] ?? 0, ports[count + at] ?? 0, routes),
  );
  await Promise.all(servers.map((server) => server.start()));
  return servers;
}

class NatsNode {
  #dir;
  #config;
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;

  /**
   * @param {string} dir
   * @param {string} name
   * @param {number} port
   * @param {number} clusterPort
   * @param {readonly string[]} routes
   */
  constructor(dir, name, port, clusterPort, routes) {
    this.name = name;
    this.address = `127.0.0.1:${port}`;
    this.#dir = dir;
    this.#config = [
      `listen: "${this.address}"`,
      `server_name: "${name}"`,
      `jetstream { store_dir: "${join(dir, 'data')}" }`,
      `cluster { name: "bench", listen: "127.0.0.1:${clusterPort}", routes: [${routes.join(', ')}] }`,
      `log_file: "${join(dir, 'log')}"`,
    ].join('\n');
  }

  async start() {
    mkdirSync(this.#dir, { recursive: true });
    const file = join(this.#dir, 'server.conf');
    writeFileSync(file, this.#config);
    const child = spawn('nats-server', ['-c', file], {
      stdio: 'ignore',
      env: { ...process.env, TZ: 'UTC' },
    });
    this.#child = child;
    const missing = once(child, 'error').then(() => {
      throw new CheckFailed('nats-server is not installed: apt-get install nats-server');
    });
    missing.catch(() => {});
    await Promise.race([missing, once(child, 'spawn')]);
  }

  /** @param {NodeJS.Signals} signal one that ends it */
  async end(signal) {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  /**
   * When this server became leader of a stream, ms since 1970.
   * @param {string} stream
   */
  leads(stream) {
    const lines = readFileSync(join(this.#dir, 'log'), 'utf8').split('\n');
    return lines
      .filter((line) => line.includes('new stream leader') && line.includes(`> ${stream}'`))
      .map((line) => {
        const [date = '', time = ''] = line.split(' ').slice(1, 3);
        return Date.parse(`${date.replaceAll('/', '-')}T${time.slice(0, 12)}Z`);
      });
  }
}
