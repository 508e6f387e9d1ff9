import type { GatewayOptions } from '../main/bus.js';
import { BusError } from '../protocol/errors.js';
import {
  CONNECTION_OUTBOUND_BYTES_MAX,
  CONNECTION_STALL_MS,
  CONNECTIONS_MAX,
  CONNECTIONS_PER_ADDRESS_MAX,
  HEARTBEAT_MS,
  SUBSCRIPTIONS_PER_CONNECTION_MAX,
  WEBSOCKET_FRAME_BYTES_MAX,
} from '../protocol/limits.js';
import { quote } from '../protocol/quote.js';
import { isLoopbackHost, isLoopbackOrigin } from './loopback.js';

/** The gateway's options, parsed once: every field there, checked and frozen. */
export interface GatewaySettings {
  readonly host: string;
  readonly port: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly maxSubscriptions: number;
  readonly maxFrameBytes: number;
  readonly maxOutboundBytes: number;
  readonly stallMs: number;
  readonly heartbeatMs: number;
  /** 0: no limit. */
  readonly maxPublishPerSecond: number;
  readonly allowedOrigins: ReadonlySet<string>;
}

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 7400;
const PORT_MAX = 65_535;
/** Node's timers hold no more. */
const TIMER_MS_MAX = 2 ** 31 - 1;
const BYTES_MAX = 2 ** 31 - 1;

const INTEGERS = {
  port: [DEFAULT_PORT, 0, PORT_MAX],
  maxConnections: [CONNECTIONS_MAX, 1, 1_000_000],
  maxConnectionsPerAddress: [CONNECTIONS_PER_ADDRESS_MAX, 1, 1_000_000],
  maxSubscriptions: [SUBSCRIPTIONS_PER_CONNECTION_MAX, 1, 1_000_000],
  maxFrameBytes: [WEBSOCKET_FRAME_BYTES_MAX, 1024, BYTES_MAX],
  maxOutboundBytes: [CONNECTION_OUTBOUND_BYTES_MAX, 1024, BYTES_MAX],
  stallMs: [CONNECTION_STALL_MS, 1, TIMER_MS_MAX],
  heartbeatMs: [HEARTBEAT_MS, 1, TIMER_MS_MAX],
  maxPublishPerSecond: [0, 0, 1_000_000_000],
} as const;

type IntegerOption = keyof typeof INTEGERS;

/** @throws BusError `OPTION_INVALID`, `INSECURE_BIND` */
export function parseGatewaySettings(options: GatewayOptions): GatewaySettings {
  const known = new Set([...Object.keys(INTEGERS), 'host', 'allowedOrigins']);
  for (const option of Object.keys(options)) {
    if (!known.has(option)) throw refused(option, `is no option of the gateway`);
  }
  const integers = {} as Record<IntegerOption, number>;
  for (const option of Object.keys(INTEGERS) as IntegerOption[]) {
    integers[option] = integer(option, options[option]);
  }
  return Object.freeze({
    ...integers,
    host: parseHost(options.host),
    allowedOrigins: parseOrigins(options.allowedOrigins),
  });
}

function integer(option: IntegerOption, value: unknown): number {
  const [fallback, least, most] = INTEGERS[option];
  if (value === undefined) return fallback;
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) {
    return value as number;
  }
  throw refused(option, `is ${quote(value)}, not an integer from ${least} to ${most}`);
}

function parseHost(host: unknown): string {
  if (host === undefined) return DEFAULT_HOST;
  if (typeof host !== 'string' || host === '') throw refused('host', `is ${quote(host)}, no host`);
  if (isLoopbackHost(host)) return host.startsWith('[') ? host.slice(1, -1) : host;
  throw new BusError(
    'INSECURE_BIND',
    `host ${quote(host)} is open to other machines, and no authentication is configured; ` +
      'use 127.0.0.1, ::1 or localhost',
    { details: { host: quote(host) } },
  );
}

function parseOrigins(origins: unknown): ReadonlySet<string> {
  if (origins === undefined) return new Set();
  if (!Array.isArray(origins)) throw refused('allowedOrigins', 'is not a list of origins');
  return new Set(origins.map(parseOrigin));
}

function parseOrigin(origin: unknown): string {
  const url = typeof origin === 'string' && URL.canParse(origin) ? new URL(origin) : undefined;
  if (url !== undefined && url.origin !== 'null' && url.origin === origin) return origin;
  throw refused('allowedOrigins', `has ${quote(origin)}, no origin such as https://app.example`);
}

/**
 * A browser says which page a connection comes from; other clients say nothing. Pages of other
 * sites must not reach a server that trusts its own machine.
 */
export function isOriginAllowed(origin: string | undefined, settings: GatewaySettings): boolean {
  if (origin === undefined) return true;
  return isLoopbackOrigin(origin) || settings.allowedOrigins.has(origin);
}

function refused(option: string, fault: string): BusError {
  return new BusError('OPTION_INVALID', `option ${option} ${fault}`, { details: { option } });
}
