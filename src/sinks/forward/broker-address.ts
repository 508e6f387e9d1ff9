import { DEDUPE_WINDOW_MS } from '../../protocol/limits/store.js';
import { TIMER_MS_MAX } from '../../protocol/limits/units.js';
import { nameHint } from '../../protocol/name-hint.js';
import { quote } from '../../protocol/quote.js';

/** Where on a broker events go, by an address: `nats://…?subject=orders` or `redis://…?stream=orders`. Pure. */
export type BrokerAddress = NatsAddress | RedisAddress;

export interface NatsAddress {
  readonly broker: 'nats';
  readonly servers: readonly string[];
  readonly isEncrypted: boolean;
  /** With a password, or with the sink's token as that. */
  readonly user: string | undefined;
  /** Without a user it is a token. */
  readonly password: string | undefined;
  /** Comes before the topic, with a dot. */
  readonly subject: string;
}

export interface RedisAddress {
  readonly broker: 'redis';
  /** Without what follows the question mark. */
  readonly url: string;
  readonly stream: string;
  /** How long ids are remembered, ms. */
  readonly dedupeMs: number;
  /** About how many entries the stream keeps; 0: all. */
  readonly maxEvents: number;
}

const FORM = /^(nats|tls|redis|rediss):\/\/(?:(.*)@)?([^/?@]+)(?:\/([^?]*))?(?:\?(.*))?$/;
const BROKER = /^(?:nats|tls|rediss?):/;
const SUBJECT = /^[^\s.*>]+(?:\.[^\s.*>]+)*$/;
const WHOLE = /^\d{1,15}$/;

export function isBrokerUrl(url: unknown): url is string {
  return typeof url === 'string' && BROKER.test(url);
}

/** Why an address is none, without what may be a password in it; or `undefined`. */
export function brokerFault(url: string): string | undefined {
  const parsed = parse(url);
  return typeof parsed === 'string' ? parsed : undefined;
}

/** Of an address that `brokerFault` has found nothing wrong with. */
export function parseBrokerAddress(url: string): BrokerAddress {
  const parsed = parse(url);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
}

function parse(url: string): BrokerAddress | string {
  const [, protocol, login, hosts, path = '', query = ''] = FORM.exec(url) ?? [];
  if (protocol === undefined || hosts === undefined) {
    return 'has a url that is neither nats://HOST:PORT?subject=NAME nor redis://HOST:PORT?stream=NAME';
  }
  const options = new Map(new URLSearchParams(query));
  return protocol === 'nats' || protocol === 'tls'
    ? natsOf(protocol, login, hosts, path, options)
    : redisOf(url, path, options);
}

function natsOf(
  protocol: string,
  login: string | undefined,
  hosts: string,
  path: string,
  options: ReadonlyMap<string, string>,
): NatsAddress | string {
  const unknown = unknownOf(options, ['subject']);
  if (unknown !== undefined) return unknown;
  if (path !== '')
    return 'has a url with a path behind the hosts; a subject is named by ?subject=NAME';
  const subject = options.get('subject');
  if (subject === undefined) return 'has a url without a subject: nats://HOST:PORT?subject=NAME';
  if (!SUBJECT.test(subject)) return `has the subject ${quote(subject)}, which NATS does not take`;
  const [first, ...rest] = login === undefined ? [] : login.split(':').map(decoded);
  const hasUser = rest.length > 0;
  return {
    broker: 'nats',
    servers: hosts.split(','),
    isEncrypted: protocol === 'tls',
    user: hasUser ? first : undefined,
    password: hasUser ? rest.join(':') : first,
    subject,
  };
}

function redisOf(
  url: string,
  path: string,
  options: ReadonlyMap<string, string>,
): RedisAddress | string {
  const unknown = unknownOf(options, ['stream', 'dedupeMs', 'maxEvents']);
  if (unknown !== undefined) return unknown;
  if (!/^\d*$/.test(path)) return 'has a url whose path is not the number of a database';
  const stream = options.get('stream');
  if (stream === undefined || stream === '') {
    return 'has a url without a stream: redis://HOST:PORT?stream=NAME';
  }
  const numbers = { dedupeMs: DEDUPE_WINDOW_MS, maxEvents: 0 };
  for (const name of ['dedupeMs', 'maxEvents'] as const) {
    const text = options.get(name);
    if (text === undefined) continue;
    const isOver = name === 'dedupeMs' && Number(text) > TIMER_MS_MAX;
    if (!WHOLE.test(text) || Number(text) === 0 || isOver) {
      return `has ${name} ${quote(text)} in its url, which is no number that it may be`;
    }
    numbers[name] = Number(text);
  }
  return { broker: 'redis', url: url.split('?')[0]!, stream, ...numbers };
}

function unknownOf(options: ReadonlyMap<string, string>, known: readonly string[]) {
  const other = [...options.keys()].find((name) => !known.includes(name));
  return other === undefined
    ? undefined
    : `has ${quote(other)} in its url, which is unknown${nameHint(other, known)}`;
}

/** As it stands where it has a percent sign that encodes nothing. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
