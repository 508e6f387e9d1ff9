import { DEDUPE_WINDOW_MS, SHARED_DEDUPE_WINDOW_MS_MIN } from '../../protocol/limits/store.js';
import { TIMER_MS_MAX } from '../../protocol/limits/units.js';
import {
  checkOptions,
  type OptionCheck,
  optionInvalid,
  optionsInvalid,
  trueOrFalse,
  wholeNumber,
} from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';

const CALL = 'redisStore';
const REPLICAS_MAX = 64;
const NODES_MAX = 100;
const PREFIX = /^[\w.:-]{1,64}$/;

/** A server's address. */
export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** As Node's `tls.connect`: PEM texts. */
export interface RedisTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** How a bus reaches a Redis: by `url`, by `sentinels` and `name`, or by the nodes of a `cluster`. */
export interface RedisStoreOptions {
  /** `redis://USER:PASSWORD@HOST:PORT/DATABASE`, or `rediss://…` with TLS. Default `redis://127.0.0.1:6379`. */
  readonly url?: string;
  /** The sentinels that know the master; needs `name`. Default: none. */
  readonly sentinels?: readonly RedisNode[];
  /** The name by which the sentinels know the master. Default: none. */
  readonly name?: string;
  /** Some nodes of a Redis Cluster. Default: none. */
  readonly cluster?: readonly RedisNode[];
  /** All keys begin with `{PREFIX`: 1 to 64 of `A-Z a-z 0-9 _ . : -`. Default `millrace`. */
  readonly prefix?: string;
  /** Makes the store where Redis has none under this prefix. Default true. */
  readonly create?: boolean;
  /** The user of Redis. Default: the one of the url, or Redis's default user. */
  readonly username?: string;
  /** Its password. Default: the one of the url, or none. */
  readonly password?: string;
  /** The user of the sentinels. Default: their default user. */
  readonly sentinelUsername?: string;
  /** The password of the sentinels. Default: none. */
  readonly sentinelPassword?: string;
  /** True, or certificates. Default: as the url says. */
  readonly tls?: boolean | RedisTls;
  /** How many replicas must have an event before its ack, and before anybody sees it. Default 0. */
  readonly replicas?: number;
  /** How long one look at the replicas waits, ms; the next one follows. Default 1000. */
  readonly waitMs?: number;
  /** Opens a Redis that keeps nothing when it ends (`appendonly no`). Default false. */
  readonly allowVolatile?: boolean;
  /** How long Redis remembers ids, ms; fixed when the store is made. Default 120,000. */
  readonly dedupeWindowMs?: number;
  /** How long `openBus` tries to reach Redis, ms. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** How long Redis may say nothing, ms, until the connection counts as dead and is made again. Default 5000. */
  readonly idleTimeoutMs?: number;
}

/** The checked options; it is possible to clone them. */
export interface ParsedRedisOptions extends RedisStoreOptions {
  readonly prefix: string;
  readonly create: boolean;
  readonly replicas: number;
  readonly waitMs: number;
  readonly allowVolatile: boolean;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

const text: OptionCheck = (value) =>
  typeof value === 'string' && value !== '' ? undefined : `has to be text, not ${quote(value)}`;

const secret: OptionCheck = (value) =>
  typeof value === 'string' && value !== '' ? undefined : 'has to be text';

const prefix: OptionCheck = (value) =>
  typeof value === 'string' && PREFIX.test(value)
    ? undefined
    : `has to be 1 to 64 of A-Z a-z 0-9 _ . : -, not ${quote(value)}`;

/** Does not show the value, which may have a password in it. */
const url: OptionCheck = (value) => {
  const parsed = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  const isRedis = parsed?.protocol === 'redis:' || parsed?.protocol === 'rediss:';
  const database = parsed?.pathname.replace(/^\//, '') ?? '';
  if (isRedis && parsed.hostname !== '' && /^\d*$/.test(database)) return undefined;
  return 'has to be redis://HOST:PORT/DATABASE or rediss://HOST:PORT/DATABASE';
};

const nodes: OptionCheck = (value) => {
  const isNode = (node: unknown): boolean => {
    const { host, port } = (node ?? {}) as Partial<RedisNode>;
    return typeof host === 'string' && host !== '' && wholeNumber(1, 65_535)(port) === undefined;
  };
  const isList = Array.isArray(value) && value.length > 0 && value.length <= NODES_MAX;
  return isList && value.every(isNode) ? undefined : 'has to be a list of { host, port }';
};

const TLS_CHECKS = new Map<string, OptionCheck>([
  ['ca', secret],
  ['cert', secret],
  ['key', secret],
  ['passphrase', secret],
  ['servername', text],
  ['rejectUnauthorized', trueOrFalse],
]);

const tls: OptionCheck = (value) => {
  if (typeof value === 'boolean') return undefined;
  try {
    checkOptions('tls', value, TLS_CHECKS);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
};

const CHECKS = new Map<string, OptionCheck>([
  ['url', url],
  ['sentinels', nodes],
  ['name', text],
  ['cluster', nodes],
  ['prefix', prefix],
  ['create', trueOrFalse],
  ['username', text],
  ['password', secret],
  ['sentinelUsername', text],
  ['sentinelPassword', secret],
  ['tls', tls],
  ['replicas', wholeNumber(0, REPLICAS_MAX)],
  ['waitMs', wholeNumber(1, TIMER_MS_MAX)],
  ['allowVolatile', trueOrFalse],
  ['dedupeWindowMs', wholeNumber(SHARED_DEDUPE_WINDOW_MS_MIN, TIMER_MS_MAX)],
  ['connectTimeoutMs', wholeNumber(1, TIMER_MS_MAX)],
  ['idleTimeoutMs', wholeNumber(100, TIMER_MS_MAX)],
]);

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults` */
export function parseRedisOptions(options: RedisStoreOptions): ParsedRedisOptions {
  checkOptions(CALL, options, CHECKS);
  const { sentinels, name, cluster } = options;
  const ways = [options.url, sentinels, cluster].filter((way) => way !== undefined);
  if (ways.length > 1) {
    const message = 'is one of three: url, sentinels with name, or cluster';
    throw optionsInvalid(CALL, [{ path: 'url', message }]);
  }
  if ((sentinels === undefined) !== (name === undefined)) {
    throw optionInvalid(
      CALL,
      'name',
      'goes with sentinels: the name by which they know the master',
    );
  }
  return Object.freeze({
    prefix: 'millrace',
    create: true,
    replicas: 0,
    waitMs: 1000,
    allowVolatile: false,
    connectTimeoutMs: 5000,
    idleTimeoutMs: 5000,
    ...withoutUndefined(options),
    ...(ways.length === 0 ? { url: 'redis://127.0.0.1:6379' } : {}),
  });
}

/** The window that a new store gets. */
export function windowOf({ dedupeWindowMs = DEDUPE_WINDOW_MS }: RedisStoreOptions): number {
  return dedupeWindowMs;
}

/** The place as messages name it, without credentials. */
export function placeOf({ url, sentinels, cluster, name }: RedisStoreOptions): string {
  if (url !== undefined) return `${new URL(url).protocol}//${new URL(url).host}`;
  const list = (sentinels ?? cluster ?? []).map(({ host, port }) => `${host}:${port}`).join(', ');
  return name === undefined ? `the Redis Cluster of ${list}` : `${name} of the sentinels ${list}`;
}

function withoutUndefined(options: RedisStoreOptions): RedisStoreOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
