import { readFileSync } from 'node:fs';
import { BusError } from '../../protocol/errors.js';
import { NATS_PREFIX_LENGTH_MAX } from '../../protocol/limits/nats.js';
import { SHARDS_MAX } from '../../protocol/limits/shards.js';
import {
  DEDUPE_WINDOW_MS,
  KEEP_PER_TOPIC_MAX,
  SHARED_DEDUPE_WINDOW_MS_MIN,
} from '../../protocol/limits/store.js';
import { TIMER_MS_MAX } from '../../protocol/limits/units.js';
import {
  checkOptions,
  type OptionCheck,
  type OptionChecks,
  oneOf,
  optionFaults,
  optionInvalid,
  trueOrFalse,
  wholeNumber,
} from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import { messageOf } from '../../protocol/thrown.js';

/** One of the ways in which a server knows a client. */
export type NatsCredentials =
  | { readonly token: string }
  | { readonly user: string; readonly password: string }
  /** The text of a credentials file: a JWT and the seed of its key. */
  | { readonly creds: string }
  | { readonly credsFile: string }
  /** The seed of an nkey: `SU…`. */
  | { readonly nkeySeed: string };

/** Certificates in PEM. */
export interface NatsTls {
  /** The authorities that the servers' certificates are checked with. Default: Node's. */
  readonly ca?: string;
  /** With `key`: a certificate of this client's own, for servers that ask for one. */
  readonly cert?: string;
  readonly key?: string;
  /** The server speaks TLS from the first byte. Default: it says first that it can. */
  readonly handshakeFirst?: boolean;
}

export interface NatsStoreOptions {
  /** Servers of one cluster, `host:port` or `nats://host:port`. The client learns of the others. */
  readonly servers: string | readonly string[];
  /**
   * The streams are named after it: `PREFIX-0` for the first shard, and `PREFIX-consumers`; and a bucket `PREFIX`. Default
   * `millrace`.
   */
  readonly prefix?: string;
  /** Default: what the streams say, and for new ones what `openBus` takes. */
  readonly shards?: number;
  /** How many servers keep each event, 1 to 5. Default: what the streams say; 1 for new ones. */
  readonly replicas?: number;
  /** What the servers know this client by. Default: none. */
  readonly credentials?: NatsCredentials;
  /** Default: TLS where the server offers it. */
  readonly tls?: NatsTls;
  /** Makes what is not there yet: the streams and the bucket. Default true. */
  readonly create?: boolean;
  /** Where new streams keep their events. Default `file`. */
  readonly storage?: 'file' | 'memory';
  /** The broker removes events that it recorded longer ago than this, at least `dedupeWindowMs`. Default: all stay. */
  readonly maxAgeMs?: number;
  /** How many events a shard keeps. Default: all. */
  readonly maxEvents?: number;
  /** How many bytes a shard keeps. Default: all. */
  readonly maxBytes?: number;
  /** How many events of each topic a shard keeps. Default: all. */
  readonly maxEventsPerTopic?: number;
  /** What happens at `maxEvents` and `maxBytes`: the oldest events go, or new ones are refused. Default `old`. */
  readonly discard?: 'old' | 'new';
  /** How long the broker knows an event's id, ms, at least 30,000. Default 120,000. */
  readonly dedupeWindowMs?: number;
}

/** The options after they were checked; it can be cloned. What is undefined, the streams decide. */
export interface NatsSettings {
  readonly servers: readonly string[];
  readonly prefix: string;
  readonly shards: number | undefined;
  readonly replicas: number | undefined;
  readonly credentials: Exclude<NatsCredentials, { readonly credsFile: string }> | undefined;
  readonly tls: NatsTls | undefined;
  readonly create: boolean;
  readonly storage: 'file' | 'memory' | undefined;
  readonly maxAgeMs: number | undefined;
  readonly maxEvents: number | undefined;
  readonly maxBytes: number | undefined;
  readonly maxEventsPerTopic: number | undefined;
  readonly discard: 'old' | 'new' | undefined;
  readonly dedupeWindowMs: number | undefined;
}

const CALL = 'natsStore';
const DEFAULT_PREFIX = 'millrace';
const REPLICAS_MAX = 5;
/** A stream counts nanoseconds, exactly as far as JavaScript does. */
const WINDOW_MS_MAX = TIMER_MS_MAX;

const text: OptionCheck = (value) =>
  typeof value === 'string' && value !== '' ? undefined : `has to be text, not ${quote(value)}`;

const positive = wholeNumber(1, Number.MAX_SAFE_INTEGER);

const CREDENTIALS: readonly (readonly string[])[] = [
  ['token'],
  ['user', 'password'],
  ['creds'],
  ['credsFile'],
  ['nkeySeed'],
];

const TLS_CHECKS: OptionChecks = new Map([
  ['ca', text],
  ['cert', text],
  ['key', text],
  ['handshakeFirst', trueOrFalse],
]);

const CHECKS: OptionChecks = new Map([
  ['servers', serversFault],
  ['prefix', prefixFault],
  ['shards', wholeNumber(1, SHARDS_MAX)],
  ['replicas', wholeNumber(1, REPLICAS_MAX)],
  ['credentials', credentialsFault],
  ['tls', tlsFault],
  ['create', trueOrFalse],
  ['storage', oneOf(['file', 'memory'])],
  ['maxAgeMs', wholeNumber(100, TIMER_MS_MAX * 1000)],
  ['maxEvents', positive],
  ['maxBytes', positive],
  ['maxEventsPerTopic', wholeNumber(1, KEEP_PER_TOPIC_MAX)],
  ['discard', oneOf(['old', 'new'])],
  ['dedupeWindowMs', wholeNumber(SHARED_DEDUPE_WINDOW_MS_MIN, WINDOW_MS_MAX)],
]);

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults` */
export function natsSettings(options: NatsStoreOptions): NatsSettings {
  checkOptions(CALL, options, CHECKS);
  if (options.servers === undefined) {
    throw optionInvalid(CALL, 'servers', 'is missing: name at least one, as in "localhost:4222"');
  }
  assertAge(options);
  const { servers, prefix = DEFAULT_PREFIX, create = true, credentials, ...rest } = options;
  return {
    shards: undefined,
    replicas: undefined,
    tls: undefined,
    storage: undefined,
    maxAgeMs: undefined,
    maxEvents: undefined,
    maxBytes: undefined,
    maxEventsPerTopic: undefined,
    discard: undefined,
    dedupeWindowMs: undefined,
    ...rest,
    servers: typeof servers === 'string' ? servers.split(',').map((one) => one.trim()) : servers,
    prefix,
    create,
    credentials: credentials === undefined ? undefined : withText(credentials),
  };
}

/** A stream cannot know ids longer than it keeps events. */
function assertAge({ maxAgeMs, dedupeWindowMs = DEDUPE_WINDOW_MS }: NatsStoreOptions): void {
  if (maxAgeMs === undefined || maxAgeMs >= dedupeWindowMs) return;
  const fault = `has to be at least dedupeWindowMs, ${dedupeWindowMs}, not ${maxAgeMs}`;
  throw optionInvalid(CALL, 'maxAgeMs', fault);
}

function withText(credentials: NatsCredentials): NonNullable<NatsSettings['credentials']> {
  if (!('credsFile' in credentials)) return credentials;
  try {
    return { creds: readFileSync(credentials.credsFile, 'utf8') };
  } catch (error) {
    const message = `${CALL}: credentials.credsFile: ${messageOf(error)}`;
    throw new BusError('OPTION_INVALID', message, { cause: error });
  }
}

function serversFault(value: unknown): string | undefined {
  const servers = typeof value === 'string' ? value.split(',').map((one) => one.trim()) : value;
  if (!Array.isArray(servers) || servers.length === 0) {
    return `has to be text or a list of texts, not ${quote(value)}`;
  }
  if (servers.some((one) => typeof one === 'string' && one.includes('@'))) {
    return 'names a user: give it as credentials';
  }
  const isAddress = (one: unknown): boolean =>
    typeof one === 'string' && /^(?:nats:\/\/)?[^\s/]+$/.test(one);
  const wrong = servers.find((one) => !isAddress(one));
  return wrong === undefined ? undefined : `${quote(wrong)} is no server, as "localhost:4222" is`;
}

function prefixFault(value: unknown): string | undefined {
  const isName = typeof value === 'string' && /^[A-Za-z0-9_-]+$/.test(value);
  if (isName && value.length <= NATS_PREFIX_LENGTH_MAX) return undefined;
  return `has to be 1 to ${NATS_PREFIX_LENGTH_MAX} letters, digits, "-" and "_", not ${quote(value)}`;
}

/** Never shows a value, which may be a secret. */
function credentialsFault(value: unknown): string | undefined {
  const forms = CREDENTIALS.map((form) => `{ ${form.join(', ')} }`).join(', ');
  const isForm = CREDENTIALS.some((form) => isOfTexts(value, form));
  return isForm ? undefined : `has to be one of ${forms}, with a text for each`;
}

function isOfTexts(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Object.keys(value).length !== names.length) return false;
  return names.every((name) => text(Reflect.get(value, name)) === undefined);
}

function tlsFault(value: unknown): string | undefined {
  const [fault] = optionFaults(value, TLS_CHECKS);
  if (fault !== undefined) return `${fault.path}: ${fault.message}`;
  const { cert, key } = value as NatsTls;
  return (cert === undefined) === (key === undefined) ? undefined : 'needs both cert and key';
}
