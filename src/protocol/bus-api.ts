import type { TopicDefinition } from './define-topic.js';
import type { BusError } from './errors.js';
import type { Event, EventInput, PublishAck, PublishOptions } from './event.js';
import type { FilterInput } from './filter.js';
import type { OVERFLOW_POLICIES } from './options.js';

/**
 * The types of the bus's calls: the same for the thread that opened the bus, for a worker attached to it, for the
 * gateway and for a client over a connection. Types only.
 */

export type OverflowPolicy = (typeof OVERFLOW_POLICIES)[number];

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

/**
 * Called with one event at a time. A handler that returns a promise gets the next event once the promise has resolved.
 */
export type EventHandler<P = unknown> = (event: Event<P>) => void | Promise<void>;

/** A part of the history that a subscription should have had and cannot get any more. */
export interface Gap {
  readonly shard: number;
  /** The first and last sequence that may be missing, in the shard's log. */
  readonly from: number;
  readonly to: number;
  readonly reason: 'pruned' | 'rolled-back';
}

/** The messages of a subscription to its listeners. */
export interface SubscriptionMessages {
  gap: Gap;
  caughtUp: { cursor: string };
  dropped: { count: number };
  error: BusError;
}

export type SubscriptionEvents = {
  [E in keyof SubscriptionMessages]: (message: SubscriptionMessages[E]) => void;
};

export interface Subscription<P = unknown> extends AsyncIterable<Event<P>>, AsyncDisposable {
  readonly id: string;
  /**
   * The position behind the last consumed event; resume with `{ from: { after: cursor } }`. A handler has consumed an
   * event when it has returned or its promise has resolved, an iterator when it is asked for the next event. A loop
   * that is left, even by `break`, has not consumed the event in hand.
   */
  readonly cursor: string;
  /** How many events have arrived and wait for the handler or the iterator. */
  readonly pending: number;
  readonly dropped: number;
  /** How many events the shards have committed that this subscription has not consumed or passed over. */
  readonly lag: number;
  /** Resolves once every shard has the subscription: it misses no event published from then on. */
  readonly ready: Promise<void>;
  /** Resolves when the subscription has ended; rejects if it ended with an error. */
  readonly closed: Promise<void>;
  update(filter: FilterInput<P>): Promise<void>;
  unsubscribe(): Promise<void>;
  /**
   * Takes no new events, consumes what is pending, then ends.
   * @throws BusError `DRAIN_IN_HANDLER` if its own handler waits for it, as it would wait for the handler
   */
  drain(): Promise<void>;
  on<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): this;
}

export interface Query<P = unknown> {
  /** A pattern, patterns or a definition, by which the payloads are typed. */
  topic: string | readonly string[] | TopicDefinition<P>;
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

export interface GetOptions {
  /** The event's `source`, where ids are the source's own (`idScope: 'source'`, CloudEvents). */
  source?: string;
}

export interface SubscriberInfo {
  readonly id: string;
  readonly name?: string;
  readonly endpoint: string;
  readonly topics: readonly string[];
  readonly overflow: OverflowPolicy;
  readonly mode: 'live' | 'queued' | 'catching-up' | 'replaying';
  /** How many events are queued in the topic's shard or, if no topic was named, in all shards. */
  readonly queued: number;
  readonly dropped: number;
  /** About how many events of the same shards it has not been sent yet. */
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

/** Times, counted in fixed buckets. */
export interface Histogram {
  /** Upper bounds, ms. */
  readonly bounds: readonly number[];
  /** The number of values in each bucket; the last bucket is for values beyond the last bound. */
  readonly counts: readonly number[];
  /** The sum of all values, ms. */
  readonly sum: number;
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
  /** How many subscriptions have a filter that can match a topic of this shard. */
  readonly subscriptions: number;
  readonly lag: number;
  readonly commits: number;
  /** The mean and the longest time of a batch's commit, ms. */
  readonly commitMsMean: number;
  readonly commitMsMax: number;
  /** The times of all commits since the bus was opened. */
  readonly commitMs: Histogram;
  /** Bytes in the write-ahead log that are not in the shard's file yet. */
  readonly walBytes: number;
  /**
   * How far back the shard knows every id that a publisher gave, ms: `dedupeWindowMs`, or less if more ids came than it
   * keeps.
   */
  readonly dedupeReachMs: number;
  /**
   * How far the time that the shard records is ahead of the system clock, ms; 0 except for a while after the clock was
   * set.
   */
  readonly clockAheadMs: number;
  /** How full the publish ring of the endpoint with the fullest one is, 0 to 1. */
  readonly publishRingFill: number;
  readonly deliveryRingFill: number;
  /** The share of time since its start in which the shard's thread was not parked, 0 to 1. */
  readonly busy: number;
}

/** A thread of `serve()`. */
export interface GatewayStats {
  readonly gateway: number;
  /** `stalled`: its event loop has not turned for some seconds, so it answers no request. */
  readonly state: 'starting' | 'listening' | 'stalled' | 'restarting' | 'failed';
  readonly restarts: number;
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
  /** How many WebSockets the bus's gateways have. */
  readonly connections: number;
  /** The threads that `serve()` started and that were not closed. */
  readonly gateways: readonly GatewayStats[];
  /** How often any gateway's thread was started again since the bus was opened. */
  readonly gatewayRestarts: number;
  /**
   * The time from recording an event to its arrival in an endpoint's thread, ms; measured for one event in 64, with a
   * resolution of 1 ms. Events read again from history do not count.
   */
  readonly deliveryMs: Histogram;
  readonly shards: readonly ShardStats[];
}

/** The calls of every bus, in the same process or over a connection. */
export interface BusApi extends AsyncDisposable {
  publish<P>(input: EventInput<P>, options?: PublishOptions): Promise<PublishAck>;
  publishMany<P>(inputs: readonly EventInput<P>[], options?: PublishOptions): Promise<PublishAck[]>;
  /** For events whose payloads have several types. */
  publishMany(inputs: readonly EventInput[], options?: PublishOptions): Promise<PublishAck[]>;
  tryPublish<P>(input: EventInput<P>, options?: PublishOptions): boolean;
  drained(): Promise<void>;
  subscribe<P = unknown>(filter: FilterInput<P>, options?: SubscribeOptions): Subscription<P>;
  subscribe<P = unknown>(
    filter: FilterInput<P>,
    handler: EventHandler<P>,
    options?: SubscribeOptions,
  ): Subscription<P>;
  query<P = unknown>(query: Query<P>): Promise<Event<P>[]>;
  read<P = unknown>(query: Query<P>): AsyncIterable<Event<P>>;
  /**
   * The stored event with this id on a topic, or on any topic that a pattern matches; the newest if there are several;
   * `undefined` if there is none, or not any more.
   * @throws BusError `QUERY_INVALID`, `PATTERN_INVALID`
   */
  get<P = unknown>(
    topic: Query<P>['topic'],
    id: string,
    options?: GetOptions,
  ): Promise<Event<P> | undefined>;
  /**
   * The subscriptions that would receive an event on this topic. Without a topic: the 100 subscriptions furthest
   * behind, the worst first.
   */
  subscribers(topic?: string): Promise<SubscriberInfo[]>;
  topics(pattern?: string): Promise<TopicInfo[]>;
  stats(): Promise<BusStats>;
  /**
   * Waits until every event that this endpoint has published is acknowledged, and its subscriptions have consumed
   * everything that was stored by then. Waits for ever if a subscription is not read.
   * @throws BusError `DRAIN_IN_HANDLER` if a handler of one of these subscriptions waits for it
   */
  drain(): Promise<void>;
  close(): Promise<void>;
}
