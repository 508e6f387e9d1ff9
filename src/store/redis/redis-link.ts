import { BusError } from '../../protocol/errors.js';
import { messageOf } from '../../protocol/thrown.js';
import { elapsedMs } from '../../threads/elapsed.js';
import { makeClient, type RedisClient } from './redis-client.js';
import { isPassing, isRefusal, saysOtherMaster, storeError } from './redis-errors.js';
import { type ParsedRedisOptions, placeOf } from './redis-options.js';
import type { Script } from './script.js';

const RETRY_MS = 50;

export interface RunLimits {
  /** Nothing is begun after this, by `elapsedMs`. Default: it is tried until the link is closed. */
  readonly until?: number;
  /** The connection on which alone it may run: see `RedisLink.generation`. */
  readonly generation?: number;
}

/** The connection is not the one any more on which something was to run. */
export class ConnectionLost extends Error {}

/** One connection to Redis that is made again when it is lost. What runs on it is tried again while that may help. */
export class RedisLink {
  readonly place: string;
  /** Counts the connections that have been made. */
  generation = 0;
  readonly #client: RedisClient;
  readonly #waiting = new Set<() => void>();
  #isClosed = false;
  #lastError: unknown;
  #refusedSince = Number.POSITIVE_INFINITY;
  readonly #patienceMs: number;

  constructor(client: RedisClient, options: ParsedRedisOptions) {
    this.place = placeOf(options);
    this.#patienceMs = options.connectTimeoutMs;
    this.#client = client;
    client.on('ready', () => {
      this.generation++;
      this.#lastError = undefined;
      this.#refusedSince = Number.POSITIVE_INFINITY;
      this.#wake();
    });
    client.on('error', (error) => {
      this.#lastError = error;
      if (isRefusal(error)) this.#refusedSince = Math.min(this.#refusedSince, elapsedMs());
      this.#wake();
    });
    // The client gives up for good where it is told to connect anew while it looks for the server.
    client.on('end', () => {
      if (!this.#isClosed) this.#connect();
    });
    this.#connect();
  }

  /** In a cluster the link goes to the node that serves `key`. */
  static async open(options: ParsedRedisOptions, key: string): Promise<RedisLink> {
    return new RedisLink(await makeClient(options, key), options);
  }

  /** Gives a connection up, so that another one is made: perhaps to another server. */
  renew(generation = this.generation): void {
    const isReady = this.#client.status === 'ready' && !this.#isClosed;
    if (isReady && generation === this.generation) this.#client.disconnect(true);
  }

  /**
   * Runs something that may be run again, until it succeeds.
   * @throws BusError when Redis refuses it, when it is too late, and when the link is closed; `ConnectionLost`
   */
  async run<T>(work: (client: RedisClient) => Promise<T>, limits: RunLimits = {}): Promise<T> {
    for (;;) {
      await this.#ready(limits);
      if (limits.generation !== undefined && limits.generation !== this.generation) {
        throw new ConnectionLost();
      }
      const { generation } = this;
      try {
        return await work(this.#client);
      } catch (error) {
        if (this.#isClosed) throw this.#closed();
        if (!isPassing(error)) throw storeError(error, this.place);
        this.#lastError = error;
        if (saysOtherMaster(error)) this.renew(generation);
        await this.#pause(RETRY_MS * (1 + Math.random()));
        if (limits.generation !== undefined) throw new ConnectionLost();
      }
    }
  }

  command(limits: RunLimits, command: string, ...args: (string | number | Buffer)[]) {
    return this.run((client) => client.callBuffer(command, ...args), limits);
  }

  script(
    limits: RunLimits,
    script: Script,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ): Promise<unknown> {
    return this.run((client) => script.run(client, keys, args), limits);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#client.disconnect();
    this.#wake();
  }

  #connect(): void {
    this.#client.connect().catch((error) => {
      this.#lastError ??= error;
    });
  }

  /** Waits for a connection. */
  async #ready({ until = Number.POSITIVE_INFINITY }: RunLimits): Promise<void> {
    while (!this.#isClosed && elapsedMs() < until) {
      if (this.#client.status === 'ready') return;
      const isTried = until === Number.POSITIVE_INFINITY && !this.#isRefusedForLong();
      if (!isTried && isRefusal(this.#lastError)) throw storeError(this.#lastError, this.place);
      await this.#pause(until - elapsedMs());
    }
    if (this.#isClosed) throw this.#closed();
    const reason = this.#lastError === undefined ? 'no answer' : messageOf(this.#lastError);
    const isThere = this.#client.status === 'ready';
    const what = isThere ? 'did not do what was asked in time' : 'cannot be reached';
    throw new BusError('STORE_FAILED', `${this.place} ${what}: ${reason}`, {
      details: { setting: 'url' },
    });
  }

  /** Passwords are changed in steps; but nobody learns of one that is wrong from a log that only waits. */
  #isRefusedForLong(): boolean {
    return elapsedMs() - this.#refusedSince > this.#patienceMs;
  }

  /** Ends early when the connection changes. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.min(ms, 1000));
      this.#waiting.add(wake);
    });
  }

  #closed(): BusError {
    return new BusError('STORE_FAILED', `${this.place}: the connection was closed`);
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}
