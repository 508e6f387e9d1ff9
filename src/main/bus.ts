/**
 * What a bus does, the same for the thread that opened it, for a worker that attached to it and for the gateway.
 */

import type { MessagePort } from 'node:worker_threads';
import type { AuthOptions } from '../auth/auth-options.js';
import type { BusApi } from '../protocol/bus-api.js';
import type { TopicDefinition } from '../protocol/define-topic.js';
import type { BusError } from '../protocol/errors.js';
import type { Filter } from '../protocol/filter.js';
import type { BackupProgress, BackupResult } from '../store/backup.js';

export interface BackupOptions {
  /** Gives up, and removes what was copied. */
  signal?: AbortSignal;
  /** In the thread that opened the bus only; an attached worker's is not called. */
  onProgress?: (progress: BackupProgress) => void;
}

export type { BackupProgress, BackupResult };

/** What is to be removed, oldest first; at least one of `before`, `maxEvents` and `maxBytes`. */
export interface PruneOptions {
  /** Default `*`: every topic but the bus's own. */
  pattern?: string;
  /** Whatever was recorded before this goes. */
  before?: Date | string;
  /** At most this many events of all that match stay; 0: none. Each shard keeps an equal share, as in retention. */
  maxEvents?: number;
  /** The same, in bytes. */
  maxBytes?: number;
  /** No further step is begun once it aborts; what was removed stays removed. */
  signal?: AbortSignal;
}

export interface PruneResult {
  /** Events removed. */
  readonly events: number;
  /** Of their payloads and rows, about. The file does not shrink: its pages are used again. */
  readonly bytes: number;
}

/** Hand `data` to a worker (as `workerData` or in a message) together with `transferList`. */
export interface BusAttachment {
  readonly data: unknown;
  readonly transferList: MessagePort[];
}

/** What every endpoint can do: the thread that opened the bus, an attached worker, the gateway. */
export interface BusEndpoint extends BusApi {
  readonly epoch: string;
  readonly shards: number;
  /**
   * Copies the directory into another one, which must be empty or absent, while everything goes on. Each shard is copied
   * as it is at one moment. One backup at a time. The copy is checked and put to use by `millrace restore`.
   * @throws BusError `OPTION_INVALID` for a target that holds anything or a bus in memory, `LIMIT_EXCEEDED` for a second
   * backup at the same time, `STORE_FULL`, `STORE_FAILED`, `ABORTED`, `BUS_CLOSED`
   */
  backup(dir: string, options?: BackupOptions): Promise<BackupResult>;
  /**
   * Removes the oldest events that match, in small steps between batches. Subscriptions that had still to read them get
   * a gap.
   * @throws BusError `OPTION_INVALID`, `PATTERN_INVALID`, `STORE_FAILED`, `ABORTED`
   */
  prune(options: PruneOptions): Promise<PruneResult>;
}

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

/** The bus, as seen by the thread that opened it. */
export interface Bus extends BusEndpoint {
  attachment(): BusAttachment;
  serve(options?: GatewayOptions): Promise<GatewayHandle>;
}

export type RetentionRule = {
  /** Default `*`. */
  pattern?: string;
  maxAgeMs?: number;
  maxEvents?: number;
  maxBytes?: number;
};

export interface SystemEventsOptions {
  /** Keep them in the log; default false. */
  persist?: boolean;
  healthIntervalMs?: number;
  metricsIntervalMs?: number;
}

export interface BusOptions {
  /** Default `./data`; `:memory:` keeps nothing. */
  dir?: string;
  /** Default: the directory's own count, or for a new one the cores less one, 1 to 16. */
  shards?: number;
  /** The `source` of events that name none; default `millrace`. */
  source?: string;
  /** Default true. */
  defaultPersist?: boolean;
  /** Patterns whose events are always ephemeral. */
  noPersistTopics?: readonly string[];
  retention?: readonly RetentionRule[];
  /** Made by `defineTopic`: payloads that do not fit are refused with `PAYLOAD_INVALID`. */
  topics?: readonly TopicDefinition[];
  /** Bytes of each publish and delivery ring; a power of two; default 4 MiB. */
  ringBytes?: number;
  commitBatchEvents?: number;
  maxPayloadBytes?: number;
  /** How long a publish waits for room before `BACKPRESSURE`; default 10 s. */
  publishWaitMs?: number;
  dedupeWindowMs?: number;
  dedupeIdsMax?: number;
  /** A shard's file may not grow past this; then publishes get `STORE_FULL`. Default: the disk decides. */
  maxShardBytes?: number;
  /**
   * What the bus publishes about itself on `$sys.…`, see docs/OPERATIONS.md; `false`: nothing. Ephemeral by default, and told at
   * intervals (ms; 0: never) of 10 s for `$sys.health`, and never for `$sys.metrics`.
   */
  systemEvents?: boolean | SystemEventsOptions;
  /** Told of failures that no promise can carry, those of `tryPublish` above all. Default: a process warning. */
  onError?: (error: BusError) => void;
}

export type {
  BusStats,
  EventHandler,
  Gap,
  GatewayStats,
  GetOptions,
  Histogram,
  OverflowPolicy,
  Query,
  ShardStats,
  SubscribeFrom,
  SubscribeOptions,
  SubscriberInfo,
  Subscription,
  SubscriptionEvents,
  TopicInfo,
} from '../protocol/bus-api.js';
export type { Filter };
