import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isListening, ServerProcess } from '../brokers/server-process.js';

/** A machine of a network (`brokers/network.js`) with a `nats-server` that is one of a cluster. */
const CLIENTS = 4222;
const ROUTES = 6222;

export class NatsMachine extends ServerProcess {
  #routes;

  /**
   * @param {{ name: string, host: string, through: string[] }} place
   * @param {string} dir
   * @param {string[]} hosts  of all servers
   */
  constructor({ name, host, through }, dir, hosts) {
    super('nats-server', CLIENTS, { dir: join(dir, name), through });
    this.name = name;
    this.host = host;
    this.#routes = hosts.map((one) => `"nats://${one}:${ROUTES}"`).join(', ');
  }

  get address() {
    return `${this.host}:${this.port}`;
  }

  get storeDir() {
    return join(this.dir, 'data');
  }

  async start() {
    mkdirSync(this.dir, { recursive: true });
    const file = join(this.dir, 'server.conf');
    const cluster = `name: "tested", listen: "${this.host}:${ROUTES}", routes: [${this.#routes}]`;
    const lines = [
      `listen: "${this.address}"`,
      `server_name: "${this.name}"`,
      `log_file: "${join(this.dir, 'log')}"`,
      `jetstream { store_dir: "${this.storeDir}" }`,
      `cluster { ${cluster} }`,
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    await this.run(['-c', file], () => isListening(this.host, this.port));
  }

  /** Takes away what it has stored, once it has ended. */
  wipe() {
    rmSync(this.storeDir, { recursive: true, force: true });
  }
}
