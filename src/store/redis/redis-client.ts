/** The client library: an optional peer, loaded only when a store is opened. */
import { BusError } from '../../protocol/errors.js';
import { type ConnectorParts, clusterConnector } from './cluster-connector.js';
import type { ParsedRedisOptions, RedisNode } from './redis-options.js';

/** The longest pause before the next attempt to connect, ms. */
const RECONNECT_MS_MAX = 1000;
const RECONNECT_MS_MIN = 20;

/** The part of a `Redis` of ioredis that is used here. */
export interface RedisClient {
  readonly status: string;
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  connect(): Promise<void>;
  disconnect(reconnect?: boolean): void;
  callBuffer(command: string, ...args: (string | number | Buffer)[]): Promise<unknown>;
  pipeline(): RedisPipeline;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
}

export interface RedisPipeline {
  callBuffer(command: string, ...args: (string | number | Buffer)[]): unknown;
  exec(): Promise<[error: Error | null, reply: unknown][] | null>;
}

interface ClientModule {
  readonly Redis: new (...of: unknown[]) => RedisClient;
  readonly AbstractConnector: ConnectorParts['AbstractConnector'];
}

/** Declared as any text, so that the types of an optional peer are not needed to build or use Millrace. */
const CLIENT: string = 'ioredis';

/**
 * Makes a client that does not connect yet. It has one connection at a time, to one server; of a cluster, to the node that serves
 * `key`. It keeps no queue of its own and sends nothing a second time: `RedisLink` knows what may be sent again.
 * @throws BusError `OPTION_INVALID` where ioredis is not installed
 */
export async function makeClient(options: ParsedRedisOptions, key: string): Promise<RedisClient> {
  const { Redis, AbstractConnector } = await importClient();
  const { url, sentinels, name, cluster, username, password, tls, idleTimeoutMs } = options;
  const encrypted = tls === true ? {} : tls === false ? undefined : tls;
  const common = {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // Any other value leaves commands of a lost connection without an answer, as they are not sent again.
    maxRetriesPerRequest: 0,
    // Of ioredis 6; its version 5 speaks no other.
    protocol: 2,
    connectTimeout: idleTimeoutMs,
    // Also while it says nothing to the first commands of a connection.
    socketTimeout: idleTimeoutMs,
    retryStrategy: pauseMs,
    // The client would do it without a look at the answer, and a lost connection would end the process.
    autoResubscribe: false,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(encrypted === undefined ? {} : { tls: encrypted }),
  };
  if (cluster !== undefined) {
    const once = { ...common, retryStrategy: null };
    const client = (node: RedisNode): RedisClient => new Redis({ ...once, ...node });
    const parts = { AbstractConnector, nodes: cluster, key, tls: encrypted, client, pauseMs };
    return new Redis({ ...common, Connector: clusterConnector(parts) });
  }
  if (url !== undefined) return new Redis(url, common);
  const { sentinelUsername, sentinelPassword } = options;
  return new Redis({
    ...common,
    sentinels,
    name,
    sentinelRetryStrategy: pauseMs,
    // The sentinels and the server that they name are spoken to in the same way.
    ...(encrypted === undefined ? {} : { sentinelTLS: encrypted, enableTLSForSentinelMode: true }),
    ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
  });
}

/** Grows, and differs between nodes, so that they do not all come at once when a server is back. */
function pauseMs(attempt: number): number {
  const longest = Math.min(RECONNECT_MS_MAX, RECONNECT_MS_MIN * 2 ** Math.min(attempt, 10));
  return longest * (0.5 + Math.random() / 2);
}

async function importClient(): Promise<ClientModule> {
  try {
    return (await import(CLIENT)) as ClientModule;
  } catch (cause) {
    const message = 'redisStore needs the package ioredis: npm install ioredis';
    throw new BusError('OPTION_INVALID', message, { details: { setting: 'store' }, cause });
  }
}
