import { isIP } from 'node:net';
import { type AuthOptions, parseAuthOptions } from '../auth/auth-options.js';
import type { GatewayOptions, TlsOptions } from '../main/gateway-options.js';
import { withAbsolutePaths } from '../main/gateway-paths.js';
import { BusError } from '../protocol/errors.js';
import {
  ALLOWED_NAMES_MAX,
  AUTHENTICATE_MS,
  CONNECTION_OUTBOUND_BYTES_MAX,
  CONNECTION_STALL_MS,
  CONNECTIONS_MAX,
  CONNECTIONS_PER_ADDRESS_MAX,
  CONNECTS_PER_SECOND,
  DRAIN_BYTES_PER_SECOND_MIN,
  ENVIRONMENT_LENGTH_MAX,
  FAILED_SIGN_INS_PER_SECOND,
  GATEWAY_THREADS_MAX,
  HEARTBEAT_MS,
  UNAUTHENTICATED_CONNECTIONS_MAX,
  UNAUTHENTICATED_PER_ADDRESS_MAX,
} from '../protocol/limits/gateway.js';
import { HTTP_KEEP_ALIVE_MS } from '../protocol/limits/http.js';
import { TIMER_MS_MAX } from '../protocol/limits/units.js';
import { WEBSOCKET_FRAME_BYTES_MAX } from '../protocol/limits/websocket.js';
import { nameHint } from '../protocol/name-hint.js';
import { quote } from '../protocol/quote.js';
import { BUDGET_LIMITS, type BudgetLimits } from './budget/account.js';
import { isLoopbackHost } from './loopback.js';
import { AllowedOrigins, isOrigin } from './origins.js';
import { isProxy, TrustedProxies } from './trusted-proxies.js';

/** The gateway's options, parsed once: every field is set, checked and frozen. */
export interface GatewaySettings extends BudgetLimits {
  readonly host: string;
  readonly port: number;
  /** The prefix of every path: `''`, or for example `/bus`. */
  readonly basePath: string;
  readonly gateways: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** 0: no limit, as for all rates below. */
  readonly maxConnectsPerSecond: number;
  readonly maxFailedSignInsPerSecond: number;
  /** Connections that have shown no token yet. */
  readonly maxUnauthenticated: number;
  readonly maxUnauthenticatedPerAddress: number;
  readonly maxFrameBytes: number;
  readonly maxOutboundBytes: number;
  readonly stallMs: number;
  readonly minDrainBytesPerSecond: number;
  readonly heartbeatMs: number;
  readonly keepAliveMs: number;
  readonly authenticateMs: number;
  readonly maxPublishPerSecond: number;
  readonly maxSubscribePerSecond: number;
  readonly maxQueriesPerSecond: number;
  readonly compression: boolean;
  readonly dashboard: boolean;
  readonly dashboardReadOnly: boolean;
  readonly environment: string | undefined;
  readonly audit: boolean;
  readonly auth: AuthOptions | undefined;
  readonly tls: TlsOptions | undefined;
  readonly allowedOrigins: AllowedOrigins;
  readonly trustedProxies: TrustedProxies;
  /** In lower case, without a port. */
  readonly allowedHosts: ReadonlySet<string>;
}

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 7400;
const PORT_MAX = 65_535;
const BYTES_MAX = 2 ** 31 - 1;
const RATE_MAX = 1_000_000_000;
const COUNT_MAX = 1_000_000_000;
const HELD_MAX = 2 ** 40;

const INTEGERS = {
  port: [DEFAULT_PORT, 0, PORT_MAX],
  gateways: [1, 1, GATEWAY_THREADS_MAX],
  maxConnections: [CONNECTIONS_MAX, 1, 1_000_000],
  maxConnectionsPerAddress: [CONNECTIONS_PER_ADDRESS_MAX, 1, 1_000_000],
  maxConnectsPerSecond: [0, 0, RATE_MAX],
  maxFailedSignInsPerSecond: [0, 0, RATE_MAX],
  maxSubscriptions: [BUDGET_LIMITS.maxSubscriptions, 1, 1_000_000],
  maxSubscriptionsPerPrincipal: [BUDGET_LIMITS.maxSubscriptionsPerPrincipal, 1, COUNT_MAX],
  maxPatterns: [BUDGET_LIMITS.maxPatterns, 1, COUNT_MAX],
  maxPatternsPerPrincipal: [BUDGET_LIMITS.maxPatternsPerPrincipal, 1, COUNT_MAX],
  maxQueries: [BUDGET_LIMITS.maxQueries, 1, COUNT_MAX],
  maxQueriesPerPrincipal: [BUDGET_LIMITS.maxQueriesPerPrincipal, 1, COUNT_MAX],
  maxHeldBytes: [BUDGET_LIMITS.maxHeldBytes, 1024, HELD_MAX],
  maxHeldBytesPerPrincipal: [BUDGET_LIMITS.maxHeldBytesPerPrincipal, 1024, HELD_MAX],
  maxHeldBytesTotal: [BUDGET_LIMITS.maxHeldBytesTotal, 1024, HELD_MAX],
  maxUnauthenticated: [UNAUTHENTICATED_CONNECTIONS_MAX, 1, 1_000_000],
  maxUnauthenticatedPerAddress: [UNAUTHENTICATED_PER_ADDRESS_MAX, 1, 1_000_000],
  maxFrameBytes: [WEBSOCKET_FRAME_BYTES_MAX, 1024, BYTES_MAX],
  maxOutboundBytes: [CONNECTION_OUTBOUND_BYTES_MAX, 1024, BYTES_MAX],
  stallMs: [CONNECTION_STALL_MS, 1, TIMER_MS_MAX],
  minDrainBytesPerSecond: [DRAIN_BYTES_PER_SECOND_MIN, 0, BYTES_MAX],
  heartbeatMs: [HEARTBEAT_MS, 1, TIMER_MS_MAX],
  keepAliveMs: [HTTP_KEEP_ALIVE_MS, 1, TIMER_MS_MAX],
  authenticateMs: [AUTHENTICATE_MS, 1, TIMER_MS_MAX],
  maxPublishPerSecond: [0, 0, RATE_MAX],
  maxSubscribePerSecond: [0, 0, RATE_MAX],
  maxQueriesPerSecond: [0, 0, RATE_MAX],
} as const;

type IntegerOption = keyof typeof INTEGERS;

const OTHERS = [
  'host',
  'basePath',
  'auth',
  'tls',
  'compression',
  'dashboard',
  'dashboardReadOnly',
  'environment',
  'audit',
  'allowedOrigins',
  'allowedHosts',
  'trustedProxies',
];
const KNOWN = new Set([...Object.keys(INTEGERS), ...OTHERS]);
const TLS_FIELDS = ['certFile', 'keyFile', 'passphrase'] as const;

/** The first release whose servers can share a port between threads (`reusePort`). */
const SHARED_PORT_NODE = [22, 12] as const;

interface Fault {
  readonly path: string;
  readonly message: string;
}

/** Notes a fault of the option at `path`. */
type Refuse = (path: string, fault: string) => void;

/**
 * Parses the options; paths in them become absolute.
 *
 * @throws BusError `OPTION_INVALID` with every fault in `details.faults`; `INSECURE_BIND` for a host that other
 * machines can reach where `auth` is left out
 */
export function parseGatewaySettings(given: GatewayOptions): GatewaySettings {
  const options = withAbsolutePaths(given);
  const faults: Fault[] = [];
  const refuse: Refuse = (path, fault) => {
    faults.push({ path, message: `option ${path} ${fault}` });
  };
  for (const option of Object.keys(options)) {
    if (!KNOWN.has(option)) refuse(option, `is no option of the gateway${nameHint(option, KNOWN)}`);
  }
  const integers = {} as Record<IntegerOption, number>;
  for (const option of Object.keys(INTEGERS) as IntegerOption[]) {
    integers[option] = integer(option, options[option], refuse);
  }
  if (integers.gateways > 1) checkSharedPort(process.versions.node, refuse);
  const settings = {
    ...integers,
    host: parseHost(options.host, refuse),
    basePath: parseBasePath(options.basePath, refuse),
    compression: parseBoolean('compression', options.compression, refuse),
    dashboard: parseBoolean('dashboard', options.dashboard, refuse, true),
    dashboardReadOnly: parseBoolean('dashboardReadOnly', options.dashboardReadOnly, refuse),
    environment: parseEnvironment(options.environment, refuse),
    audit: parseBoolean('audit', options.audit, refuse),
    auth: parseAuth(options.auth, faults),
    tls: parseTls(options.tls, refuse),
    allowedOrigins: new AllowedOrigins(parseNames(NAMES.allowedOrigins, options, refuse)),
    allowedHosts: parseNames(NAMES.allowedHosts, options, refuse),
    trustedProxies: new TrustedProxies(parseNames(NAMES.trustedProxies, options, refuse)),
  };
  if (faults.length > 0) throw faulty(faults);
  const isLocal = isLoopbackHost(settings.host);
  if (!isLocal && settings.auth === undefined) throw insecure(settings.host);
  if (!isLocal) {
    settings.maxConnectsPerSecond = options.maxConnectsPerSecond ?? CONNECTS_PER_SECOND;
    settings.maxFailedSignInsPerSecond =
      options.maxFailedSignInsPerSecond ?? FAILED_SIGN_INS_PER_SECOND;
  }
  return Object.freeze(settings);
}

function integer(option: IntegerOption, value: unknown, refuse: Refuse): number {
  const [fallback, least, most] = INTEGERS[option];
  if (value === undefined) return fallback;
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) {
    return value as number;
  }
  refuse(option, `is ${quote(value)}, not an integer from ${least} to ${most}`);
  return fallback;
}

/** Refuses more than one gateway thread on a Node whose servers lack `reusePort`. */
export function checkSharedPort(version: string, refuse: Refuse): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [majorMin, minorMin] = SHARED_PORT_NODE;
  // 23.0 is older than 22.12 and lacks it.
  const canShare =
    major > 23 || (major === 23 ? minor >= 1 : major === majorMin && minor >= minorMin);
  if (canShare) return;
  const needed = SHARED_PORT_NODE.join('.');
  refuse('gateways', `above 1 needs Node ${needed} or later to share a port; this is ${version}`);
}

function parseHost(host: unknown, refuse: Refuse): string {
  if (host === undefined) return DEFAULT_HOST;
  if (typeof host !== 'string' || host === '') {
    refuse('host', `is ${quote(host)}, not a host`);
    return DEFAULT_HOST;
  }
  return withoutBrackets(host);
}

/** `/` and an absent option both mean no base path. */
function parseBasePath(path: unknown, refuse: Refuse): string {
  if (path === undefined) return '';
  const text = typeof path === 'string' ? path.replace(/\/$/, '') : undefined;
  if (text !== undefined && /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)*$/.test(text)) return text;
  refuse('basePath', `is ${quote(path)}, not a path such as /bus`);
  return '';
}

function parseBoolean(option: string, value: unknown, refuse: Refuse, fallback = false): boolean {
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') refuse(option, `is ${quote(value)}, neither true nor false`);
  return value === true;
}

function parseEnvironment(name: unknown, refuse: Refuse): string | undefined {
  if (name === undefined) return undefined;
  const isName =
    typeof name === 'string' && name.length <= ENVIRONMENT_LENGTH_MAX && /^[^\p{C}]+$/u.test(name);
  if (isName) return name;
  refuse(
    'environment',
    `is ${quote(name)}, not a name of 1 to ${ENVIRONMENT_LENGTH_MAX} characters`,
  );
  return undefined;
}

function parseAuth(auth: unknown, faults: Fault[]): AuthOptions | undefined {
  if (auth === undefined) return undefined;
  try {
    return parseAuthOptions(auth);
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    for (const { path, message } of (error.details?.faults ?? []) as Fault[]) {
      const where = path === '' ? 'auth' : `auth.${path}`;
      faults.push({ path: where, message: `option ${where}: ${message}` });
    }
    return undefined;
  }
}

function parseTls(tls: unknown, refuse: Refuse): TlsOptions | undefined {
  if (tls === undefined) return undefined;
  if (typeof tls !== 'object' || tls === null || Array.isArray(tls)) {
    refuse('tls', `is ${quote(tls)}, not { certFile, keyFile }`);
    return undefined;
  }
  for (const field of Object.keys(tls)) {
    if (!(TLS_FIELDS as readonly string[]).includes(field)) {
      refuse(`tls.${field}`, 'is not a field of tls');
    }
  }
  const { certFile, keyFile, passphrase } = tls as Record<string, unknown>;
  if (typeof certFile !== 'string' || certFile === '') {
    refuse('tls.certFile', `is ${quote(certFile)}, not the path of a file`);
  }
  if (typeof keyFile !== 'string' || keyFile === '') {
    refuse('tls.keyFile', `is ${quote(keyFile)}, not the path of a file`);
  }
  // The message does not quote the value: a passphrase of a wrong type is a secret too.
  if (passphrase !== undefined && typeof passphrase !== 'string') {
    refuse('tls.passphrase', 'is not text');
  }
  return Object.freeze({ ...(tls as TlsOptions) });
}

interface NamesOption {
  readonly option: 'allowedOrigins' | 'allowedHosts' | 'trustedProxies';
  /** Returns the name as it is kept, or undefined where the value is not valid. */
  readonly parse: (name: unknown) => string | undefined;
  readonly fault: string;
}

const NAMES = {
  allowedOrigins: {
    option: 'allowedOrigins',
    parse: (name) => (isOrigin(name) ? name : undefined),
    fault: 'not an origin such as https://app.example or https://*.app.example',
  },
  allowedHosts: {
    option: 'allowedHosts',
    parse: parseHostName,
    fault: 'not a host name without a port',
  },
  trustedProxies: {
    option: 'trustedProxies',
    parse: (name) => (isProxy(name) ? name : undefined),
    fault: "not an address, a network such as 10.0.0.0/8, 'loopback' or 'private'",
  },
} as const satisfies Record<string, NamesOption>;

function parseNames(
  { option, parse, fault }: NamesOption,
  { [option]: names }: GatewayOptions,
  refuse: Refuse,
): ReadonlySet<string> {
  if (names === undefined) return new Set();
  if (!Array.isArray(names) || names.length > ALLOWED_NAMES_MAX) {
    refuse(option, `is not a list of at most ${ALLOWED_NAMES_MAX}`);
    return new Set();
  }
  const parsed = new Set<string>();
  for (const [index, name] of names.entries()) {
    const one = parse(name);
    if (one === undefined) refuse(`${option}[${index}]`, `is ${quote(name)}, ${fault}`);
    else parsed.add(one);
  }
  return parsed;
}

function parseHostName(name: unknown): string | undefined {
  if (typeof name !== 'string') return undefined;
  const lower = withoutBrackets(name.toLowerCase());
  if (isIP(lower) !== 0) return lower;
  return /^[\w-]+(\.[\w-]+)*$/.test(lower) ? lower : undefined;
}

function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}

function faulty(faults: readonly Fault[]): BusError {
  const message = faults.map((fault) => fault.message).join('; ');
  return new BusError('OPTION_INVALID', message, { details: { option: faults[0]!.path, faults } });
}

function insecure(host: string): BusError {
  return new BusError(
    'INSECURE_BIND',
    `host ${quote(host)} is open to other machines, and no authentication is configured; ` +
      'use 127.0.0.1, ::1 or localhost, or give auth (on the command line --keys-file)',
    { details: { host: quote(host) } },
  );
}
