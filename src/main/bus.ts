/**
 * What a bus does, the same for the thread that opened it, for a worker that attached to it and for the gateway.
 */

import type { MessagePort } from 'node:worker_threads';
import type { Histogram } from '../link/histogram.js';
import type { TopicDefinition } from '../protocol/define-topic.js';
import type { BusError } from '../protocol/errors.js';
import type { Event, EventInput, PublishAck, PublishOptions } from '../protocol/event.js';
import type { Filter, FilterInput } from '../protocol/filter.js';
import type { BackupProgress, BackupResult } from '../store/backup.js';

export type OverflowPolicy =
  | 'catch-up'
  | 'drop-oldest'
  | 'drop-newest'
  | 'conflate'
  | 'disconnect'
  | 'block';

export type SubscribeFrom =
  | 'now'
  | 'earliest'
  | { last: number }
  | { since: Date | string }
  | { after: string };

export interface SubscribeOptions {
  /** Default `now`. */
  from?: SubscribeFrom;
  /** Default `catch-up`. */
  overflow?: OverflowPolicy;
  /** Events queued for this subscriber in each shard before its overflow policy decides; default 1000. */
  maxBuffer?: number;
  /** Shown in `subscribers` and `stats`. */
  name?: string;
  signal?: AbortSignal;
}

/** A handler that returns a promise gets its next event when that promise has resolved. */
export type EventHandler<P = unknown> = (event: Event<P>) => void | Promise<void>;

/** History that a subscription should have had and cannot get any more. */
export interface Gap {
  readonly shard: number;
  /** First and last sequence that may be missing. */
  readonly from: number;
  readonly to: number;
  readonly reason: 'pruned' | 'rolled-back';
}

export interface SubscriptionEvents {
  gap: (gap: Gap) => void;
  caughtUp: (info: { cursor: string }) => void;
  dropped: (info: { count: number }) => void;
  error: (error: BusError) => void;
}

export interface Subscription<P = unknown> extends AsyncIterable<Event<P>>, AsyncDisposable {
  readonly id: string;
  /**
   * After the last event that was consumed; resume with `{ from: { after: cursor } }`. An event is consumed when the
   * handler has returned or its promise has resolved; an iterator's, when the next one is asked for or the loop is left.
   */
  readonly cursor: string;
  /** Events here, waiting for the handler or the iterator. */
  readonly pending: number;
  readonly dropped: number;
  /** Events that the shards have committed and this subscription has not consumed or passed over. */
  readonly lag: number;
  /** Every shard has it: no event published from now on is missed. */
  readonly ready: Promise<void>;
  /** Resolves when the subscription has ended, rejects if it ended in an error. */
  readonly closed: Promise<void>;
  update(filter: FilterInput): Promise<void>;
  unsubscribe(): Promise<void>;
  /** Takes no new events, consumes what is pending, then ends. */
  drain(): Promise<void>;
  on<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): this;
}

export interface Query {
  /** A pattern or patterns. */
  topic: string | readonly string[];
  /** Recorded at or after. */
  since?: Date | string;
  /** Recorded before. */
  until?: Date | string;
  /** A cursor: only what came after it. */
  after?: string;
  types?: readonly string[];
  sources?: readonly string[];
  correlationIds?: readonly string[];
  attributes?: Readonly<Record<string, readonly string[]>>;
  /** Default 100 for `query`, unlimited for `read`. */
  limit?: number;
  /** Newest first. */
  reverse?: boolean;
}

export interface SubscriberInfo {
  readonly id: string;
  readonly name?: string;
  readonly endpoint: string;
  readonly topics: readonly string[];
  readonly overflow: OverflowPolicy;
  readonly mode: 'live' | 'queued' | 'catching-up' | 'replaying';
  /** Events queued in the topic's shard; where no topic was named, in all shards. */
  readonly queued: number;
  readonly dropped: number;
  /** Events, about, that it has not been sent yet, in the same shards. */
  readonly lag: number;
}

export interface TopicInfo {
  readonly name: string;
  readonly shard: number;
  readonly events: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** RFC 3339. */
  readonly firstAt: string;
  readonly lastAt: string;
}

export interface ShardStats {
  readonly shard: number;
  readonly state: 'starting' | 'running' | 'restarting' | 'failed' | 'stopped';
  readonly restarts: number;
  readonly head: number;
  readonly published: number;
  readonly ephemeral: number;
  readonly duplicates: number;
  readonly refused: number;
  readonly delivered: number;
  readonly dropped: number;
  readonly subscriptions: number;
  readonly lag: number;
  readonly commits: number;
  /** Mean and largest time from the begin of a batch's commit to its end, ms. */
  readonly commitMsMean: number;
  readonly commitMsMax: number;
  /** The same times, counted into fixed buckets since the bus was opened. */
  readonly commitMs: Histogram;
  /** Bytes in the write-ahead log that are not in the shard's file yet. */
  readonly walBytes: number;
  /** Share of the publish rings that is filled, the fullest endpoint's, 0 to 1. */
  readonly publishRingFill: number;
  readonly deliveryRingFill: number;
  /** Share of time that the shard's thread was not parked, 0 to 1, since it started. */
  readonly busy: number;
}

export interface BackupOptions {
  /** Gives up, and removes what was copied. */
  signal?: AbortSignal;
  /** In the thread that opened the bus only; an attached worker's is not called. */
  onProgress?: (progress: BackupProgress) => void;
}

export type { BackupProgress, BackupResult, Histogram };

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

export interface BusStats {
  readonly epoch: string;
  readonly uptimeMs: number;
  readonly published: number;
  readonly delivered: number;
  readonly dropped: number;
  readonly subscriptions: number;
  readonly lag: number;
  readonly endpoints: number;
  /** WebSockets of the bus's gateways. */
  readonly connections: number;
  /**
   * From when an event was recorded to its arrival in an endpoint's thread, ms; one event in 64, with a resolution of 1 ms.
   * History that is read again does not count.
   */
  readonly deliveryMs: Histogram;
  readonly shards: readonly ShardStats[];
}

/** Hand `data` to a worker (as `workerData` or in a message) together with `transferList`. */
export interface BusAttachment {
  readonly data: unknown;
  readonly transferList: MessagePort[];
}

/** What every endpoint can do: the thread that opened the bus, an attached worker, the gateway. */
export interface BusEndpoint extends AsyncDisposable {
  readonly epoch: string;
  readonly shards: number;
  publish<P>(input: EventInput<P>, options?: PublishOptions): Promise<PublishAck>;
  publishMany<P>(inputs: readonly EventInput<P>[], options?: PublishOptions): Promise<PublishAck[]>;
  tryPublish<P>(input: EventInput<P>, options?: PublishOptions): boolean;
  drained(): Promise<void>;
  subscribe<P = unknown>(filter: FilterInput, options?: SubscribeOptions): Subscription<P>;
  subscribe<P = unknown>(
    filter: FilterInput,
    handler: EventHandler<P>,
    options?: SubscribeOptions,
  ): Subscription<P>;
  query<P = unknown>(query: Query): Promise<Event<P>[]>;
  read<P = unknown>(query: Query): AsyncIterable<Event<P>>;
  /** Who would receive an event on this topic. Without a topic: the 100 subscriptions furthest behind, the worst first. */
  subscribers(topic?: string): Promise<SubscriberInfo[]>;
  topics(pattern?: string): Promise<TopicInfo[]>;
  stats(): Promise<BusStats>;
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
  /**
   * Waits until all that this endpoint has published is acknowledged, and its subscriptions have consumed everything that
   * was stored by then. An iterator that nobody reads makes it wait for ever.
   */
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** What can be set on a gateway; limits have their defaults in `src/protocol/limits.ts`. */
export interface GatewayOptions {
  /** Default 7400; 0 takes a free port. */
  port?: number;
  /** Default 127.0.0.1; any other host is refused with `INSECURE_BIND` until authentication is configured. */
  host?: string;

  maxConnections?: number;
  maxConnectionsPerAddress?: number;
  /** Per connection. */
  maxSubscriptions?: number;
  /** Bytes of one WebSocket frame from a client. */
  maxFrameBytes?: number;
  /** Bytes that wait for one client before its subscriptions pause. */
  maxOutboundBytes?: number;
  /** A client that takes nothing for this long while its outbound is full is cut. */
  stallMs?: number;
  heartbeatMs?: number;
  /** Events per second and connection; default: no limit. */
  maxPublishPerSecond?: number;
  /** Origins, `https://app.example`, whose pages may connect beside those from this machine. */
  allowedOrigins?: readonly string[];
}

export interface GatewayHandle extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** Resolves when the gateway's thread has ended after `close()`, rejects if it died by itself. */
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

export type { Filter };
