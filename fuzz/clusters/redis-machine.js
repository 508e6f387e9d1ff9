import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isListening, ServerProcess } from '../brokers/server-process.js';

/**
 * `redis-server` on a machine of a network (`brokers/network.js`), as a server or as a sentinel. Its configuration is a file that it
 * writes anew itself, as sentinels have it do; what it stores is in a directory beside it, which `wipe` takes away.
 */
class RedisOfMachine extends ServerProcess {
  #lines;
  #words;

  /**
   * @param {{ host: string, through: string[] }} place
   * @param {number} port
   * @param {{ dir: string, lines: string[], words?: string[] }} options  `lines`: its first configuration
   */
  constructor({ host, through }, port, { dir, lines, words = [] }) {
    super('redis-server', port, { dir, through });
    this.host = host;
    this.#lines = lines;
    this.#words = words;
  }

  async start() {
    const file = join(this.dir, 'redis.conf');
    const data = join(this.dir, 'data');
    mkdirSync(data, { recursive: true });
    if (!existsSync(file)) {
      const own = [`bind ${this.host}`, `port ${this.port}`, `dir ${data}`, 'protected-mode no'];
      const logged = `logfile ${join(this.dir, 'log')}`;
      writeFileSync(file, `${[...own, logged, ...this.#lines].join('\n')}\n`, { mode: 0o600 });
    }
    await this.run([file, ...this.#words], () => isListening(this.host, this.port));
  }

  /** Takes away what it has stored, once it has ended. */
  wipe() {
    rmSync(join(this.dir, 'data'), { recursive: true, force: true });
  }
}

const PORT = 6379;
const SENTINEL_PORT = 26_379;
/** The name by which the sentinels know the master. */
export const MASTER = 'main';

/** As docs/REDIS.md wants a Redis with replicas. */
const LINES = [
  'save ""',
  'appendonly yes',
  'appendfsync everysec',
  'no-appendfsync-on-rewrite no',
  'maxmemory-policy noeviction',
  'repl-ping-replica-period 1',
  'repl-timeout 5',
  'repl-diskless-sync-delay 0',
  'min-replicas-to-write 1',
  'min-replicas-max-lag 5',
];

/** A machine with a Redis and a sentinel, which fail together. */
export class RedisMachine {
  /**
   * @param {{ name: string, host: string, through: string[] }} place
   * @param {string} dir
   * @param {string} master  the address of the first master
   */
  constructor(place, dir, master) {
    this.name = place.name;
    this.host = place.host;
    const replicaOf = place.host === master ? [] : [`replicaof ${master} ${PORT}`];
    this.redis = new RedisOfMachine(place, PORT, {
      dir: join(dir, place.name, 'redis'),
      lines: [...LINES, ...replicaOf],
    });
    this.sentinel = new RedisOfMachine(place, SENTINEL_PORT, {
      dir: join(dir, place.name, 'sentinel'),
      words: ['--sentinel'],
      lines: [
        `sentinel monitor ${MASTER} ${master} ${PORT} 2`,
        `sentinel down-after-milliseconds ${MASTER} 1000`,
        `sentinel failover-timeout ${MASTER} 5000`,
      ],
    });
  }

  async start() {
    await Promise.all([this.redis.start(), this.sentinel.start()]);
  }

  async kill() {
    await Promise.all([this.redis.kill(), this.sentinel.kill()]);
  }

  /** @param {NodeJS.Signals} name */
  signal(name) {
    this.redis.signal(name);
    this.sentinel.signal(name);
  }

  wipe() {
    this.redis.wipe();
  }
}
