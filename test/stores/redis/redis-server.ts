import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import { until } from '../../bus/support/wait.js';
import { neededCommand } from '../../support/needed-command.js';

export const hasRedis =
  neededCommand('redis-server', 'the store on Redis, in test/stores/redis') !== undefined;

/** A server ends after so long, s, even if the test that began it dies. */
const LIFE_S = 600;

const DEFAULTS: Readonly<Record<string, string>> = {
  bind: '127.0.0.1',
  save: '',
  appendonly: 'yes',
  'repl-diskless-sync-delay': '0',
  'repl-ping-replica-period': '1',
};

/** A `redis-server` of its own, on a free port, in a directory of its own. */
export class RedisServer {
  readonly port: number;
  readonly #directory = mkdtempSync(join(tmpdir(), 'millrace-redis-'));
  readonly #config: Readonly<Record<string, string>>;
  #process: ChildProcess | undefined;

  private constructor(port: number, config: Readonly<Record<string, string>>) {
    this.port = port;
    this.#config = { ...DEFAULTS, ...config };
  }

  static async start(config: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), config);
    await server.start();
    return server;
  }

  /** Ends with the test. */
  static async forTest(config: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
    const server = await RedisServer.start(config);
    onTestFinished(() => server.end());
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get #pidFile(): string {
    return join(this.#directory, 'pid');
  }

  get pid(): number {
    return Number(readFileSync(this.#pidFile, 'utf8'));
  }

  async start(): Promise<void> {
    const config = { ...this.#config, port: `${this.port}`, dir: this.#directory };
    const args = Object.entries({ ...config, pidfile: this.#pidFile });
    const words = args.flatMap(([name, value]) => [`--${name}`, value]);
    this.#process = spawn('timeout', ['-s', 'KILL', `${LIFE_S}`, 'redis-server', ...words], {
      stdio: 'ignore',
    });
    await this.#answers();
  }

  /** A client for the test itself. */
  client(): Redis {
    const { requirepass } = this.#config;
    const login = requirepass === undefined ? {} : { password: requirepass };
    return new Redis(this.port, '127.0.0.1', { ...login, maxRetriesPerRequest: 3 });
  }

  /** Runs one command. */
  async command(name: string, ...args: string[]): Promise<unknown> {
    const client = this.client();
    client.on('error', () => {});
    try {
      return await client.call(name, ...args);
    } finally {
      client.disconnect();
    }
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.#process!.once('exit', resolve));
    this.signal('SIGKILL');
    await ended;
  }

  async end(): Promise<void> {
    if (this.#process!.exitCode === null && this.#process!.signalCode === null) await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #answers(): Promise<void> {
    await until(`redis-server on port ${this.port} answers`, async () => {
      try {
        const answer = await this.command('PING');
        return answer === 'PONG';
      } catch (error) {
        return /NOAUTH|NOPERM/.test(`${error}`);
      }
    });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
