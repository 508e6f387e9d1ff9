import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import { until } from '../../bus/support/wait.js';
import { neededCommand } from '../../support/needed-command.js';
import { freePort } from '../free-port.js';

export const hasRedis =
  neededCommand('redis-server', 'the store on Redis, in test/stores/redis') !== undefined;

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
  /** Before its configuration. */
  #words: readonly string[] = [];
  #process: ChildProcess | undefined;
  #clusterPort: number | undefined;

  private constructor(port: number, config: Readonly<Record<string, string>>) {
    this.port = port;
    this.#config = config;
  }

  static async start(config: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), { ...DEFAULTS, ...config });
    // By default it is the port and 10,000, which may be too high.
    if ('cluster-enabled' in config) server.#clusterPort = await freePort();
    await server.start();
    return server;
  }

  /** Ends with the test. */
  static async forTest(config: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
    const server = await RedisServer.start(config);
    onTestFinished(() => server.end());
    return server;
  }

  /** A sentinel that watches a master of the name `main`, and ends with the test. */
  static async sentinel(masterPort: number): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), { bind: '127.0.0.1' });
    const file = join(server.#directory, 'sentinel.conf');
    const lines = [
      `sentinel monitor main 127.0.0.1 ${masterPort} 2`,
      'sentinel down-after-milliseconds main 500',
      'sentinel failover-timeout main 3000',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    server.#words = [file, '--sentinel'];
    await server.start();
    onTestFinished(() => server.end());
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const bus = this.#clusterPort === undefined ? {} : { 'cluster-port': `${this.#clusterPort}` };
    const config = { ...this.#config, ...bus, port: `${this.port}`, dir: this.#directory };
    const words = Object.entries(config).flatMap(([name, value]) => [`--${name}`, value]);
    // It ends with the process that has started it, also where that dies.
    const guarded = ['--pdeathsig', 'KILL', 'redis-server', ...this.#words, ...words];
    this.#process = spawn('setpriv', guarded, { stdio: 'ignore' });
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

  /** Joins the cluster of another one. */
  async meet(other: RedisServer): Promise<void> {
    const ports = [`${other.port}`, `${other.#clusterPort}`];
    await this.command('CLUSTER', 'MEET', '127.0.0.1', ...ports);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  async kill(): Promise<void> {
    const running = this.#process;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, 'exit');
    running.kill('SIGKILL');
    await ended;
  }

  async end(): Promise<void> {
    await this.kill();
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
