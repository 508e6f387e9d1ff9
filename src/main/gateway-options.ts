/** The options of a gateway, and its handle. */
import type { AuthOptions } from '../auth/auth-options.js';

/** What can be set on a gateway wherever it runs; limits have their defaults in `src/protocol/limits.ts`. */
export interface MountOptions {
  /** Who may do what. Default: everybody may do everything, and only this machine is served. */
  auth?: AuthOptions;
  /** How long a client that has shown no token before may take to send `authenticate`; default 10 s. */
  authenticateMs?: number;
  /** Stands before every path, also of the WebSocket: with `/bus`, events are at `/bus/v1/events`. Default: nothing. */
  basePath?: string;
  /**
   * Origins whose pages may connect beside the server's own and those from this machine: `https://app.example`,
   * `https://*.app.example` (one label or more), those of apps (`capacitor://localhost`, `chrome-extension://ID`), or `null`.
   */
  allowedOrigins?: readonly string[];
  /** Names, `events.example`, by which the server may be called beside IP addresses and those of this machine. */
  allowedHosts?: readonly string[];
  /**
   * Proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed: addresses, networks (`10.0.0.0/8`), `loopback`,
   * `private`. Default: none, and whoever comes through one without `auth` is refused.
   */
  trustedProxies?: readonly string[];
  /** Compress WebSocket messages (`permessage-deflate`) for clients that offer it; default false. */
  compression?: boolean;
  /** Failed sign-ins and administrative acts are told in the log, a line each; default false. */
  audit?: boolean;

  maxConnections?: number;
  maxConnectionsPerAddress?: number;
  /** New connections a second from one address; default: no limit on this machine, else 100. */
  maxConnectsPerSecond?: number;
  /** Tokens that do not hold, a second from one address, before no more are looked at; default: no limit on this machine, else 100. */
  maxFailedSignInsPerSecond?: number;
  /** Connections that have shown no token yet, of all; default 1024. */
  maxUnauthenticated?: number;
  /** The same of one address; default 64. */
  maxUnauthenticatedPerAddress?: number;
  /** Per connection. */
  maxSubscriptions?: number;
  /** Of one principal over all its connections; of those without a token: of one address. Here and below. */
  maxSubscriptionsPerPrincipal?: number;
  /** Patterns of all subscriptions of one connection, and of one principal. */
  maxPatterns?: number;
  maxPatternsPerPrincipal?: number;
  /** Queries and lists that run at once for one connection, and for one principal; the others wait for their turns. */
  maxQueries?: number;
  maxQueriesPerPrincipal?: number;
  /** Bytes of history, and of what waits in sockets, for one connection, one principal, and in all. */
  maxHeldBytes?: number;
  maxHeldBytesPerPrincipal?: number;
  maxHeldBytesTotal?: number;
  /** Bytes of one WebSocket frame from a client. */
  maxFrameBytes?: number;
  /** Bytes that wait for one client before its subscriptions pause. */
  maxOutboundBytes?: number;
  /** A client that takes too little for this long while its outbound is full is cut. */
  stallMs?: number;
  /** What is too little; default 4096. */
  minDrainBytesPerSecond?: number;
  heartbeatMs?: number;
  /** How long an idle HTTP connection is kept; default 75 s, longer than proxies keep theirs. Not of a server of your own. */
  keepAliveMs?: number;
  /** Events per second and connection, to which all HTTP requests of a principal count as one; default: no limit. */
  maxPublishPerSecond?: number;
  /** Calls of `subscribe` and `update` per second and connection; default: no limit. */
  maxSubscribePerSecond?: number;
  /** Queries and lists per second and connection; default: no limit. */
  maxQueriesPerSecond?: number;
}

/** A certificate and its key, PEM. The files are read again when they change. */
export interface TlsOptions {
  /** With the certificates in between, if there are any. */
  certFile: string;
  keyFile: string;
  passphrase?: string;
}

/** What can be set on a gateway with a port of its own. */
export interface GatewayOptions extends MountOptions {
  /** Default 7400; 0 takes a free port. */
  port?: number;
  /** Default 127.0.0.1; any host beyond this machine is refused with `INSECURE_BIND` without `auth`. */
  host?: string;
  tls?: TlsOptions;
  /** Threads that share the port; default 1. More need Node 22.12 or later. Limits are per thread. */
  gateways?: number;
}

export interface GatewayHandle extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** How often a thread of this gateway died and was started again, on the same port. */
  readonly restarts: number;
  /** Resolves after `close()`. Rejects with `GATEWAY_FAILED` if a thread died over and over and was given up. */
  readonly closed: Promise<void>;
  close(): Promise<void>;
}
