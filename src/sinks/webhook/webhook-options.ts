import type { Consumer } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import type { Event } from '../../protocol/event.js';
import {
  WEBHOOK_CONCURRENCY,
  WEBHOOK_CONCURRENCY_MAX,
  WEBHOOK_HEADER_LENGTH_MAX,
  WEBHOOK_HEADERS_MAX,
  WEBHOOK_RETRY_AFTER_MS,
  WEBHOOK_RETRY_AFTER_MS_MAX,
  WEBHOOK_TIMEOUT_MS,
  WEBHOOK_TIMEOUT_MS_MAX,
  WEBHOOK_TIMEOUT_MS_MIN,
  WEBHOOK_URL_LENGTH_MAX,
} from '../../protocol/limits/webhook.js';
import {
  aFunction,
  checkOptions,
  type OptionCheck,
  type OptionFault,
  oneOf,
  optionInvalid,
  optionsInvalid,
  wholeNumber,
} from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import { aConsumer } from '../consumer-option.js';
import type { SinkOptions } from '../sink.js';
import { SINK_CHECKS } from '../sink-life.js';
import { networksFault } from './addresses.js';
import { keysOf, type Secrets, secretsFault } from './signature.js';

/** The options of `webhook`, checked once, and the endpoints that a function of the app names for its events. */

export interface WebhookEndpoint {
  /** Where the events are posted: `https:` or `http:`, without credentials. */
  readonly url: string;
  /**
   * `whsec_` and the base64 of 24 to 64 random bytes, or up to 8 of them: each request has a signature for each, so that
   * a secret can be changed without a moment in which the receiver knows none.
   */
  readonly secret: string | readonly string[];
  /** Sent with each request, at most 32. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface WebhookOptions<P = unknown> extends SinkOptions {
  /** The consumer whose events are posted. Its backoff, attempts, order and dead letters hold for the requests. */
  consumer: Consumer<P>;
  /** Where the events are posted: `https:` or `http:`, without credentials. Default: `endpoint` says it. */
  url?: string;
  /** The secret of `url`, or several, as in `WebhookEndpoint`. Default: none; needed with `url`. */
  secret?: string | readonly string[];
  /** Headers that go to `url`, at most 32. Default: none. */
  headers?: Readonly<Record<string, string>>;
  /**
   * Names the endpoint of each event, such as that of the customer in `event.attributes`; `undefined`: the event goes
   * nowhere, and is done. If it throws, the event comes again. Default: `url`.
   */
  endpoint?: (
    event: Event<P>,
  ) => WebhookEndpoint | undefined | Promise<WebhookEndpoint | undefined>;
  /** The body: the event as JSON, or a CloudEvent 1.0 in its JSON format. Default `event`. */
  body?: 'event' | 'cloudevent';
  /**
   * The `webhook-id`, by which receivers know a repeat: 1 to 64 characters of `A-Z a-z 0-9 _ -`. Name it if your
   * publishers give the same id to events on several topics. Default: the event's id.
   */
  idOf?: (event: Event<P>) => string;
  /** How many requests run at once, 1 to 256. Default 8. */
  concurrency?: number;
  /** How long a request may take, 10 to 600,000 ms; has to be less than the consumer's `leaseMs`. Default 15,000. */
  timeoutMs?: number;
  /**
   * What answers from 400 to 499 mean, except 408, 409, 410, 423, 425 and 429: the event comes again, or is dead at once.
   * Default `retry`, as a receiver that is being changed answers 404 for a while.
   */
  clientErrors?: 'retry' | 'dead';
  /** The longest wait that a `Retry-After` may ask for, 0 to 86,400,000 ms. Default 3,600,000. */
  retryAfterMaxMs?: number;
  /**
   * Addresses and networks (`10.1.0.0/16`, `loopback`, `private`) that may be called although they are not public.
   * Default: none.
   */
  allow?: readonly string[];
  /** Looks up the addresses of a host. Default: as the system does. */
  resolve?: (host: string) => Promise<readonly string[]>;
  /** Certificates of authorities to trust instead of the usual ones, PEM. Default: Node's own. */
  ca?: string;
}

/** An endpoint whose parts have no fault. */
export interface ParsedEndpoint {
  readonly url: URL;
  readonly keys: readonly Buffer[];
  readonly headers: Readonly<Record<string, string>>;
}

export interface ParsedWebhookOptions<P> extends SinkOptions {
  readonly consumer: Consumer<P>;
  /** The only endpoint, or the function that names one. */
  readonly endpoint: ParsedEndpoint | NonNullable<WebhookOptions<P>['endpoint']>;
  readonly body: 'event' | 'cloudevent';
  readonly idOf: (event: Event<P>) => string;
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly clientErrors: 'retry' | 'dead';
  readonly retryAfterMaxMs: number;
  readonly allow: readonly string[];
  readonly resolve: WebhookOptions<P>['resolve'];
  readonly ca: string | undefined;
}

const aText: OptionCheck = (value) =>
  typeof value === 'string' ? undefined : `has to be text, not ${quote(value)}`;

const CHECKS: ReadonlyMap<string, OptionCheck> = new Map([
  ...SINK_CHECKS,
  ['consumer', aConsumer],
  ['url', urlFault],
  ['secret', secretsFault],
  ['headers', headersFault],
  ['endpoint', aFunction],
  ['body', oneOf(['event', 'cloudevent'])],
  ['idOf', aFunction],
  ['concurrency', wholeNumber(1, WEBHOOK_CONCURRENCY_MAX)],
  ['timeoutMs', wholeNumber(WEBHOOK_TIMEOUT_MS_MIN, WEBHOOK_TIMEOUT_MS_MAX)],
  ['clientErrors', oneOf(['retry', 'dead'])],
  ['retryAfterMaxMs', wholeNumber(0, WEBHOOK_RETRY_AFTER_MS_MAX)],
  ['allow', networksFault],
  ['resolve', aFunction],
  ['ca', aText],
]);

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults` */
export function parseWebhookOptions<P>(options: WebhookOptions<P>): ParsedWebhookOptions<P> {
  checkOptions('webhook', options, CHECKS);
  const { consumer, url, secret, headers, endpoint } = options;
  if (consumer === undefined) throw optionInvalid('webhook', 'consumer', 'is missing');
  if ((url === undefined) === (endpoint === undefined)) {
    throw optionInvalid('webhook', 'url', 'one of url and endpoint has to be there');
  }
  if (url !== undefined && secret === undefined) {
    throw optionInvalid('webhook', 'secret', 'is missing; it goes with url');
  }
  if (url === undefined && (secret ?? headers) !== undefined) {
    throw optionInvalid('webhook', 'endpoint', 'its answer has the secret and the headers');
  }
  const { body = 'event', concurrency = WEBHOOK_CONCURRENCY, allow = [], resolve, ca } = options;
  const { timeoutMs = WEBHOOK_TIMEOUT_MS, retryAfterMaxMs = WEBHOOK_RETRY_AFTER_MS } = options;
  const { idOf = (event: Event<P>) => event.id, clientErrors = 'retry' } = options;
  const { name, signal, onError } = options;
  return Object.freeze({
    ...(name === undefined ? {} : { name }),
    ...(signal === undefined ? {} : { signal }),
    ...(onError === undefined ? {} : { onError }),
    consumer,
    endpoint: endpoint ?? asParsed({ url: url!, secret: secret!, ...(headers && { headers }) }),
    ...{ body, idOf, concurrency, timeoutMs, clientErrors, retryAfterMaxMs },
    ...{ allow: [...allow], resolve, ca },
  });
}

/**
 * Checks what a function of the app has answered.
 *
 * @throws BusError `OPTION_INVALID`; no message shows a secret
 */
export function parseEndpoint(endpoint: WebhookEndpoint): ParsedEndpoint {
  if (typeof endpoint !== 'object' || endpoint === null) {
    throw new BusError('OPTION_INVALID', `endpoint: ${quote(endpoint)} is no endpoint`);
  }
  const { url, secret, headers } = endpoint;
  const faults: OptionFault[] = [];
  for (const [path, message] of [
    ['url', urlFault(url)],
    ['secret', secretsFault(secret)],
    ['headers', headers === undefined ? undefined : headersFault(headers)],
  ] as const) {
    if (message !== undefined) faults.push({ path, message });
  }
  if (faults.length > 0) throw optionsInvalid('endpoint', faults);
  return asParsed(endpoint);
}

function asParsed({ url, secret, headers = {} }: WebhookEndpoint): ParsedEndpoint {
  const parsed = new URL(url);
  parsed.hash = '';
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  return { url: parsed, keys: keysOf(secret as Secrets), headers: Object.fromEntries(lower) };
}

/** The URL is not shown where it may have a password. */
function urlFault(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > WEBHOOK_URL_LENGTH_MAX || !URL.canParse(value)) {
    return `has to be a URL of at most ${WEBHOOK_URL_LENGTH_MAX} characters, such as https://example.com/hook`;
  }
  const { protocol, username, password } = new URL(value);
  if (protocol !== 'https:' && protocol !== 'http:') {
    return `has to begin with https: or http:, not ${quote(protocol)}`;
  }
  if (username === '' && password === '') return undefined;
  return 'has a user name or a password, which do not belong into a URL; send a header instead';
}

/** Headers that the request itself has, or that a connection has, not a message. */
const OWN_HEADERS =
  /^(?:webhook-.*|content-(?:length|type|encoding)|host|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|proxy-.*)$/i;
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]{1,128}$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

function headersFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return `has to be an object of headers, not ${quote(value)}`;
  }
  const entries: [string, unknown][] = Object.entries(value);
  if (entries.length > WEBHOOK_HEADERS_MAX) {
    return `has ${entries.length} headers; ${WEBHOOK_HEADERS_MAX} is the limit`;
  }
  for (const [name, text] of entries) {
    if (!HEADER_NAME.test(name)) return `${quote(name)} is no name of a header`;
    if (OWN_HEADERS.test(name)) return `${name} is set by the request itself`;
    const isText = typeof text === 'string' && HEADER_VALUE.test(text);
    // Not shown, as it may be a key.
    if (!isText || text.length > WEBHOOK_HEADER_LENGTH_MAX) return `${name} has no valid value`;
  }
  return undefined;
}
