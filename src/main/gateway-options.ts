/** The options of a gateway, and its handle. */
import type { AuthOptions } from '../auth/auth-options.js';

/** Options of every gateway, wherever it runs; the defaults of the limits stand in `src/protocol/limits`. */
export interface MountOptions {
  /** The principals and their rights. Default: everybody may do everything, and only this machine is served. */
  auth?: AuthOptions;
  /** How long a client without a token may take to send `authenticate`, ms. Default 10,000. */
  authenticateMs?: number;
  /** A prefix of every path, also of the WebSocket: with `/bus`, events are at `/bus/v1/events`. Default: none. */
  basePath?: string;
  /**
   * Origins whose pages may connect, besides the server's own origin and this machine's: `https://app.example`,
   * `https://*.app.example` (one label or more), an app's (`capacitor://localhost`, `chrome-extension://ID`), or
   * `null`. Default: none.
   */
  allowedOrigins?: readonly string[];
  /** Host names that requests may use besides IP addresses and this machine's: `events.example`. Default: none. */
  allowedHosts?: readonly string[];
  /**
   * Proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed: addresses, networks (`10.0.0.0/8`), `loopback`,
   * `private`. Default: none; without `auth`, requests that came through a proxy are then refused.
   */
  trustedProxies?: readonly string[];
  /** Compresses WebSocket messages (`permessage-deflate`) for clients that offer it. Default false. */
  compression?: boolean;
  /** Serves the dashboard at `/`. Default true. */
  dashboard?: boolean;
  /** Hides from the dashboard what changes anything. Rights are enforced by `auth` alone. Default false. */
  dashboardReadOnly?: boolean;
  /** The name of this environment, which clients are told and the dashboard shows, 1 to 32 characters. Default: none. */
  environment?: string;
  /** Logs failed sign-ins and administrative acts, a line each. Default false. */
  audit?: boolean;

  /** Open connections in total. Default 10,000. */
  maxConnections?: number;
  /** Open connections of one address. Default 256. */
  maxConnectionsPerAddress?: number;
  /** New connections per second from one address. Default: no limit on this machine, else 100. */
  maxConnectsPerSecond?: number;
  /**
   * Invalid tokens per second from one address; beyond, its tokens are not looked at. Default: no limit on this
   * machine, else 100.
   */
  maxFailedSignInsPerSecond?: number;
  /** Connections without a token yet, in total. Default 1024. */
  maxUnauthenticated?: number;
  /** Connections of one address without a token yet. Default 64. */
  maxUnauthenticatedPerAddress?: number;
  /** Subscriptions of one connection. Default 128. */
  maxSubscriptions?: number;
  /**
   * Subscriptions of one principal over all its connections. Here and below, clients without a token count by address.
   * Default 32,768.
   */
  maxSubscriptionsPerPrincipal?: number;
  /** Patterns of all subscriptions of one connection. Default 8192. */
  maxPatterns?: number;
  /** Patterns of all subscriptions of one principal. Default 262,144. */
  maxPatternsPerPrincipal?: number;
  /** Queries and lists that run at once for one connection; further ones wait. Default 8. */
  maxQueries?: number;
  /** Queries and lists that run at once for one principal; further ones wait. Default 32. */
  maxQueriesPerPrincipal?: number;
  /** Bytes held for one connection: history that was read and not sent, and data in its socket. Default 16 MiB. */
  maxHeldBytes?: number;
  /** Bytes held for one principal. Default 128 MiB. */
  maxHeldBytesPerPrincipal?: number;
  /** Bytes held for all clients together. Default 512 MiB. */
  maxHeldBytesTotal?: number;
  /** Bytes of one WebSocket frame from a client. Default 1 MiB + 64 KiB. */
  maxFrameBytes?: number;
  /** Bytes that may wait for one client before its subscriptions pause. Default 1 MiB. */
  maxOutboundBytes?: number;
  /** Disconnects a client whose outbound is full and that takes too little for this long, ms. Default 10,000. */
  stallMs?: number;
  /** The bytes per second below which a client takes too little. Default 4096. */
  minDrainBytesPerSecond?: number;
  /** The time between two pings of a WebSocket, ms; a client that misses two is disconnected. Default 30,000. */
  heartbeatMs?: number;
  /**
   * How long an idle HTTP connection is kept, ms; not used on a server of your own. Default 75,000, longer than
   * proxies.
   */
  keepAliveMs?: number;
  /** Events per second and connection; all HTTP requests of a principal count as one connection. Default: no limit. */
  maxPublishPerSecond?: number;
  /** Calls of `subscribe` and `update` per second and connection. Default: no limit. */
  maxSubscribePerSecond?: number;
  /** Queries and lists per second and connection. Default: no limit. */
  maxQueriesPerSecond?: number;
}

/** A certificate and its key in PEM files, which are read again when they change. */
export interface TlsOptions {
  /** The file of the certificate, with any intermediate certificates. */
  certFile: string;
  /** The file of the certificate's private key. */
  keyFile: string;
  /** The passphrase of the private key. Default: none. */
  passphrase?: string;
}

/** Options of a gateway with a port of its own. */
export interface GatewayOptions extends MountOptions {
  /** The port; 0 takes a free one. Default 7400. */
  port?: number;
  /** The address to listen on. Without `auth`, one beyond this machine gets `INSECURE_BIND`. Default `127.0.0.1`. */
  host?: string;
  /** Serves `https:` and `wss:`. Default: no TLS. */
  tls?: TlsOptions;
  /** Threads that share the port, 1 to 16, each with limits of its own; several need Node 22.12 or later. Default 1. */
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
