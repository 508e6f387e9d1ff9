/** The options of a gateway, and its handle. */
import type { AuthOptions } from '../auth/auth-options.js';

/** What can be set on a gateway wherever it runs; limits have their defaults in `src/protocol/limits.ts`. */
export interface MountOptions {
  /** Who may do what. Default: everybody may do everything, and only this machine is served. */
  auth?: AuthOptions;
  /** How long a client that has shown no token before may take to send `authenticate`. Default 10,000. */
  authenticateMs?: number;
  /** Stands before every path, also of the WebSocket: with `/bus`, events are at `/bus/v1/events`. Default: nothing. */
  basePath?: string;
  /**
   * Origins whose pages may connect beside the server's own and those from this machine: `https://app.example`,
   * `https://*.app.example` (one label or more), those of apps (`capacitor://localhost`, `chrome-extension://ID`), or `null`.
   * Default: none.
   */
  allowedOrigins?: readonly string[];
  /** Names, `events.example`, by which the server may be called beside IP addresses and those of this machine. Default: none. */
  allowedHosts?: readonly string[];
  /**
   * Proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed: addresses, networks (`10.0.0.0/8`), `loopback`,
   * `private`. Default: none, and whoever comes through one without `auth` is refused.
   */
  trustedProxies?: readonly string[];
  /** Compresses WebSocket messages (`permessage-deflate`) for clients that offer it. Default false. */
  compression?: boolean;
  /** Tells failed sign-ins and administrative acts in the log, a line each. Default false. */
  audit?: boolean;

  /** Open connections, of all. Default 10,000. */
  maxConnections?: number;
  /** Open connections of one address. Default 256. */
  maxConnectionsPerAddress?: number;
  /** New connections a second from one address. Default: no limit on this machine, else 100. */
  maxConnectsPerSecond?: number;
  /** Tokens that do not hold, a second from one address, before no more are looked at. Default: no limit on this machine, else 100. */
  maxFailedSignInsPerSecond?: number;
  /** Connections that have shown no token yet, of all. Default 1024. */
  maxUnauthenticated?: number;
  /** Connections of one address that have shown no token yet. Default 64. */
  maxUnauthenticatedPerAddress?: number;
  /** Subscriptions of one connection. Default 128. */
  maxSubscriptions?: number;
  /**
   * Subscriptions of one principal over all its connections; of those without a token, of one address, here and below.
   * Default 32,768.
   */
  maxSubscriptionsPerPrincipal?: number;
  /** Patterns of all subscriptions of one connection. Default 8192. */
  maxPatterns?: number;
  /** Patterns of all subscriptions of one principal. Default 262,144. */
  maxPatternsPerPrincipal?: number;
  /** Queries and lists that run at once for one connection; the others wait for their turns. Default 8. */
  maxQueries?: number;
  /** Queries and lists that run at once for one principal; the others wait for their turns. Default 32. */
  maxQueriesPerPrincipal?: number;
  /** Bytes of history that was read and not taken, and of what waits in sockets, for one connection. Default 16 MiB. */
  maxHeldBytes?: number;
  /** The same bytes for one principal. Default 128 MiB. */
  maxHeldBytesPerPrincipal?: number;
  /** The same bytes for all. Default 512 MiB. */
  maxHeldBytesTotal?: number;
  /** Bytes of one WebSocket frame from a client. Default 1 MiB + 64 KiB. */
  maxFrameBytes?: number;
  /** Bytes that wait for one client before its subscriptions pause. Default 1 MiB. */
  maxOutboundBytes?: number;
  /** A client that takes too little for this long while its outbound is full is cut. Default 10,000. */
  stallMs?: number;
  /** Fewer bytes a second than this are too little. Default 4096. */
  minDrainBytesPerSecond?: number;
  /** The time between two pings of a WebSocket; a client that misses two is cut. Default 30,000. */
  heartbeatMs?: number;
  /** How long an idle HTTP connection is kept, longer than proxies keep theirs. Not of a server of your own. Default 75,000. */
  keepAliveMs?: number;
  /** Events per second and connection, to which all HTTP requests of a principal count as one. Default: no limit. */
  maxPublishPerSecond?: number;
  /** Calls of `subscribe` and `update` per second and connection. Default: no limit. */
  maxSubscribePerSecond?: number;
  /** Queries and lists per second and connection. Default: no limit. */
  maxQueriesPerSecond?: number;
}

/** A certificate and its key, PEM. The files are read again when they change. */
export interface TlsOptions {
  /** The file of the certificate, with those in between, if there are any. */
  certFile: string;
  /** The file of the certificate's private key. */
  keyFile: string;
  /** Of the private key. Default: none. */
  passphrase?: string;
}

/** What can be set on a gateway with a port of its own. */
export interface GatewayOptions extends MountOptions {
  /** 0 takes a free port. Default 7400. */
  port?: number;
  /** Any host beyond this machine is refused with `INSECURE_BIND` without `auth`. Default `127.0.0.1`. */
  host?: string;
  /** Serves `https:` and `wss:`. Default: no TLS. */
  tls?: TlsOptions;
  /** Threads that share the port, at most 16. More than one need Node 22.12 or later, and limits are per thread. Default 1. */
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
