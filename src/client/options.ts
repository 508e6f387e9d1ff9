import { captureContext } from '#async-context';
import { isTopicDefinition, type TopicDefinition } from '../protocol/define-topic.js';
import type { BusError } from '../protocol/errors.js';
import { nameFault } from '../protocol/event-fields.js';
import {
  CLIENT_CONNECT_TIMEOUT_MS,
  CLIENT_FRAME_BYTES_MAX,
  CLIENT_HEARTBEAT_MS,
  CLIENT_OUTBOX_BYTES,
  CLIENT_OUTBOX_EVENTS,
  CLIENT_RECONNECT_BASE_MS,
  CLIENT_RECONNECT_FLOOR_MS,
  CLIENT_RECONNECT_MAX_MS,
  CLIENT_REQUEST_TIMEOUT_MS,
  CLIENT_RESEND_MS,
} from '../protocol/limits/client.js';
import { TIMER_MS_MAX } from '../protocol/limits/units.js';
import {
  aFunction,
  type OptionCheck,
  type OptionChecks,
  optionFaults,
  optionsInvalid,
  trueOrFalse,
  wholeNumber,
} from '../protocol/options.js';
import { quote } from '../protocol/quote.js';
import { WIRE_PATH } from '../protocol/wire-name.js';

/**
 * The options of `connect`: checked once, completed with the defaults, frozen. Checked by hand, to keep the bundle
 * small.
 */

export interface ConnectOptions {
  /**
   * Asked before every connection and before a token ends; what it gives is shown to the server in the first frame.
   * Default: no token is shown.
   */
  getToken?: () => string | Promise<string>;
  /** The `source` of events that name none. Default: the server's. */
  source?: string;
  /**
   * Made by `defineTopic`: payloads that do not fit are refused with `PAYLOAD_INVALID` before they are sent. Default:
   * none.
   */
  topics?: readonly TopicDefinition[];
  /** Connect when the first call needs it; until then the state is `idle`. Default false. */
  lazy?: boolean;
  /** Tries in a row after which the client gives up (`failed`); −1, the default: never. */
  maxReconnectAttempts?: number;
  /** The first wait before a new try is at most this long, each further one at most twice as long; default 500. */
  reconnectBaseMs?: number;
  /** No wait is longer; default 20,000. */
  reconnectMaxMs?: number;
  /** No wait is shorter; default 100. */
  reconnectFloorMs?: number;
  /** From the first step (`getToken`) to the server's welcome; default 10,000. */
  connectTimeoutMs?: number;
  /**
   * Silence after which the server is asked whether it is there; half of it later the connection is cut. Default
   * 20,000.
   */
  heartbeatMs?: number;
  /** For `query`, `read` (a page), `topics`, `subscribers`, `stats`; default 30,000; 0: none. */
  requestTimeoutMs?: number;
  /** For publishes, the time offline included; default 0: none, they wait in the outbox. */
  publishTimeoutMs?: number;
  /**
   * How long after it was first sent an unacknowledged publish may be sent again; default 110,000, inside the server's
   * dedupe window.
   */
  resendWindowMs?: number;
  /** Publishes without an acknowledgement; beyond, `BACKPRESSURE`. Default 10,000. */
  maxOutboxEvents?: number;
  /** Their bytes; default 16 MiB. */
  maxOutboxBytes?: number;
  /** A longer frame from the server ends the connection; default 16 MiB. */
  maxFrameBytes?: number;
  /** Told of failures that no promise can carry. Default: a warning on the console. */
  onError?: (error: BusError) => void;
}

export interface ParsedConnectOptions
  extends Required<Omit<ConnectOptions, 'getToken' | 'source'>> {
  /** The URL of the WebSocket. */
  readonly url: string;
  readonly getToken: ConnectOptions['getToken'];
  readonly source: string | undefined;
}

/** Default, least and greatest value. */
const NUMBERS = {
  maxReconnectAttempts: [-1, -1, Number.MAX_SAFE_INTEGER],
  reconnectBaseMs: [CLIENT_RECONNECT_BASE_MS, 1, TIMER_MS_MAX],
  reconnectMaxMs: [CLIENT_RECONNECT_MAX_MS, 1, TIMER_MS_MAX],
  reconnectFloorMs: [CLIENT_RECONNECT_FLOOR_MS, 0, TIMER_MS_MAX],
  connectTimeoutMs: [CLIENT_CONNECT_TIMEOUT_MS, 1, TIMER_MS_MAX],
  heartbeatMs: [CLIENT_HEARTBEAT_MS, 10, TIMER_MS_MAX],
  requestTimeoutMs: [CLIENT_REQUEST_TIMEOUT_MS, 0, TIMER_MS_MAX],
  publishTimeoutMs: [0, 0, TIMER_MS_MAX],
  resendWindowMs: [CLIENT_RESEND_MS, 0, TIMER_MS_MAX],
  maxOutboxEvents: [CLIENT_OUTBOX_EVENTS, 1, 10_000_000],
  maxOutboxBytes: [CLIENT_OUTBOX_BYTES, 1, Number.MAX_SAFE_INTEGER],
  maxFrameBytes: [CLIENT_FRAME_BYTES_MAX, 1024, 2 ** 31 - 1],
} as const satisfies Partial<Record<keyof ConnectOptions, readonly [number, number, number]>>;

type NumberOption = keyof typeof NUMBERS;

const CHECKS: OptionChecks = new Map([
  ...Object.entries(NUMBERS).map(([name, [, least, greatest]]): [string, OptionCheck] => [
    name,
    wholeNumber(least, greatest),
  ]),
  ['getToken', aFunction],
  ['onError', aFunction],
  ['lazy', trueOrFalse],
  ['source', (value) => nameFault('source', value)],
  [
    'topics',
    (value) =>
      Array.isArray(value) && value.every(isTopicDefinition)
        ? undefined
        : `has to be an array of definitions made by defineTopic, not ${quote(value)}`,
  ],
]);

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults` */
export function parseConnectOptions(
  url: string | URL,
  options: ConnectOptions = {},
): ParsedConnectOptions {
  const faults = [...optionFaults(options, CHECKS)];
  const socketUrl = parseUrl(url);
  if (socketUrl === undefined) {
    const message = `${quote(String(url))} is no URL of a server, such as http://127.0.0.1:7400`;
    faults.unshift({ path: 'url', message });
  }
  if (faults.length > 0) throw optionsInvalid('connect', faults);
  const numbers = Object.fromEntries(
    Object.entries(NUMBERS).map(([name, [normal]]) => [
      name,
      options[name as NumberOption] ?? normal,
    ]),
  ) as Record<NumberOption, number>;
  const { getToken, onError = warn } = options;
  // `getToken` and `onError` run in the async context of the caller of `connect`, not in that of the timer that opened
  // a socket.
  const run = captureContext();
  return Object.freeze({
    ...numbers,
    url: socketUrl!,
    getToken: getToken && (() => run(getToken)),
    source: options.source,
    topics: options.topics ?? [],
    lazy: options.lazy ?? false,
    // In a microtask: if `onError` throws, that must not look like a fault of the frame that is being taken.
    onError: (error: BusError) => queueMicrotask(() => run(onError, error)),
  });
}

/**
 * The URL of the WebSocket: `http` and `https` become `ws` and `wss`, and the WebSocket's path is added unless it is
 * there.
 */
function parseUrl(url: string | URL): string | undefined {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    return undefined;
  }
  const scheme = parsed.protocol.replace(/^http/, 'ws');
  if (scheme !== 'ws:' && scheme !== 'wss:') return undefined;
  if (parsed.username !== '' || parsed.password !== '' || parsed.search !== '') return undefined;
  const path = parsed.pathname.replace(/\/$/, '');
  return `${scheme}//${parsed.host}${path.endsWith(WIRE_PATH) ? path : path + WIRE_PATH}`;
}

function warn(error: BusError): void {
  console.warn(`millrace: ${error.code}: ${error.message}`);
}
