import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../../bus/support/wait.js';
import { neededCommand } from '../../../support/needed-command.js';
import { freePort } from '../../free-port.js';

/** nats-server, on a free loopback port, with a directory of its own. */
export const natsServerPath = neededCommand('nats-server', 'test/stores/nats');

export interface NatsServerOptions {
  /** Further lines of its configuration. */
  readonly config?: string;
  /** Without JetStream. Default: with it. */
  readonly isPlain?: boolean;
  readonly name?: string;
  readonly cluster?: { readonly port: number; readonly routes: readonly number[] };
}

export class NatsServer {
  readonly port: number;
  readonly dir: string;
  readonly #options: NatsServerOptions;
  #process: ChildProcess | undefined;

  private constructor(port: number, options: NatsServerOptions) {
    this.port = port;
    this.#options = options;
    this.dir = mkdtempSync(join(tmpdir(), 'millrace-nats-'));
  }

  static async start(options: NatsServerOptions = {}): Promise<NatsServer> {
    const server = new NatsServer(await freePort(), options);
    await server.start();
    return server;
  }

  get url(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Starts it, for the first time or again, and waits until it takes connections. */
  async start(): Promise<void> {
    const file = join(this.dir, 'server.conf');
    writeFileSync(file, this.#configuration());
    // It ends with the process that has started it, also where that dies.
    const guarded = ['--pdeathsig', 'KILL', natsServerPath!, '-c', file];
    const started = spawn('setpriv', guarded, { stdio: 'ignore' });
    this.#process = started;
    await until(`nats-server on ${this.port}`, async () => {
      if (started.exitCode !== null) throw new Error(`nats-server ended with ${started.exitCode}`);
      return isListening(this.port);
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.kill(name);
  }

  async kill(): Promise<void> {
    const running = this.#process;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, 'exit');
    running.kill('SIGKILL');
    await ended;
  }

  async dispose(): Promise<void> {
    await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #configuration(): string {
    const { config = '', isPlain = false, name = 'one', cluster } = this.#options;
    const lines = [`listen: "127.0.0.1:${this.port}"`, `server_name: "${name}"`];
    if (!isPlain) lines.push(`jetstream { store_dir: "${join(this.dir, 'data')}" }`);
    if (cluster !== undefined) {
      const routes = cluster.routes.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
      const listen = `listen: "127.0.0.1:${cluster.port}"`;
      lines.push(`cluster { name: "tested", ${listen}, routes: [${routes}] }`);
    }
    return `${[...lines, config].join('\n')}\n`;
  }
}

/** Servers that form one cluster. */
export async function startCluster(count: number): Promise<NatsServer[]> {
  const ports = await Promise.all(Array.from({ length: count }, () => freePort()));
  return Promise.all(
    ports.map((port, at) => NatsServer.start({ name: `n${at}`, cluster: { port, routes: ports } })),
  );
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
