import type { TopicDefinition } from './define-topic.js';
import type { BusError } from './errors.js';
import type { Event, EventInput, PublishAck, PublishOptions } from './event.js';
import type { FilterInput } from './filter.js';
import type { OVERFLOW_POLICIES } from './options.js';

/**
 * The shapes of the bus's calls: the same for the thread that opened it, for a worker that attached to it, for the gateway
 * and for a client at the other end of a connection. Types only.
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

/** What a subscription says besides its events. */
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
   * After the last event that was consumed; resume with `{ from: { after: cursor } }`. An event is consumed when the
   * handler has returned or its promise has resolved; an iterator's, when the next one is asked for. A loop that is left, even by
   * `break`, has not consumed the event in hand.
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
  update(filter: FilterInput<P>): Promise<void>;
  unsubscribe(): Promise<void>;
  /**
   * Takes no new events, consumes what is pending, then ends.
   * @throws BusError `DRAIN_IN_HANDLER` in its own handler, for which it would wait
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

/** Times counted into fixed buckets. */
export interface Histogram {
  /** Upper bounds, ms. */
  readonly bounds: readonly number[];
  /** How many fell into each bucket; the last one is for what is beyond the last bound. */
  readonly counts: readonly number[];
  /** Of all values, ms. */
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
  /** How far back the shard knows every id that a publisher gave, ms: `dedupeWindowMs`, or less where more came than it keeps. */
  readonly dedupeReachMs: number;
  /** The time that the shard records less the system clock's, ms: 0 but for a while after the clock was set. */
  readonly clockAheadMs: number;
  /** Share of the publish rings that is filled, the fullest endpoint's, 0 to 1. */
  readonly publishRingFill: number;
  readonly deliveryRingFill: number;
  /** Share of time that the shard's thread was not parked, 0 to 1, since it started. */
  readonly busy: number;
}

/** A thread of `serve()`. */
export interface GatewayStats {
  readonly gateway: number;
  /** `stalled`: it has not turned for some seconds, and answers nobody. */
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
  /** WebSockets of the bus's gateways. */
  readonly connections: number;
  /** Threads that `serve()` started and that were not closed. */
  readonly gateways: readonly GatewayStats[];
  /** How often any gateway's thread was started again since the bus was opened. */
  readonly gatewayRestarts: number;
  /**
   * From when an event was recorded to its arrival in an endpoint's thread, ms; one event in 64, with a resolution of 1 ms.
   * History that is read again does not count.
   */
  readonly deliveryMs: Histogram;
  readonly shards: readonly ShardStats[];
}

/** What every bus can do, in its own process or over a connection. */
export interface BusApi extends AsyncDisposable {
  publish<P>(input: EventInput<P>, options?: PublishOptions): Promise<PublishAck>;
  publishMany<P>(inputs: readonly EventInput<P>[], options?: PublishOptions): Promise<PublishAck[]>;
  /** Events whose payloads are of several types. */
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
   * The stored event with this id on a topic, or on any that a pattern matches; the newest, should there be several. `undefined`:
   * there is none, or not any more.
   * @throws BusError `QUERY_INVALID`, `PATTERN_INVALID`
   */
  get<P = unknown>(
    topic: Query<P>['topic'],
    id: string,
    options?: GetOptions,
  ): Promise<Event<P> | undefined>;
  /** Who would receive an event on this topic. Without a topic: the 100 subscriptions furthest behind, the worst first. */
  subscribers(topic?: string): Promise<SubscriberInfo[]>;
  topics(pattern?: string): Promise<TopicInfo[]>;
  stats(): Promise<BusStats>;
  /**
   * Waits until all that this endpoint has published is acknowledged, and its subscriptions have consumed everything that
   * was stored by then. An iterator that nobody reads makes it wait for ever.
   * @throws BusError `DRAIN_IN_HANDLER` in a handler of one of these subscriptions
   */
  drain(): Promise<void>;
  close(): Promise<void>;
}
