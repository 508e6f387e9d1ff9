import type { ArchiveStats } from './archive.js';
import type { Consumer, ConsumerInfo, ConsumerOptions } from './consumers.js';
import type { TopicDefinition } from './define-topic.js';
import type { BusError } from './errors.js';
import type { Event, EventInput, PublishAck, PublishManyOptions, PublishOptions } from './event.js';
import type { FilterInput } from './filter.js';
import type { OVERFLOW_POLICIES } from './options.js';
import type { QuestionHandler, RequestOptions, Responder, RespondOptions } from './requests.js';
import type { CancelOptions, ScheduledPage, ScheduledQuery } from './scheduled.js';
import type { Schedules } from './schedules.js';
import type { SinkList } from './sink-figures.js';
import type { SubscribeFrom } from './subscribe-from.js';

/**
 * The types of the bus's calls: the same for the thread that opened the bus, for a worker attached to it, for the
 * gateway and for a client over a connection. Types only.
 */

export type OverflowPolicy = (typeof OVERFLOW_POLICIES)[number];

export interface SubscribeOptions {
  /**
   * Where to begin: `now`; `earliest`, all that is stored; `latest`, the newest event of each topic, and then all that come
   * behind them; `last`, so many events that match; `since`, recorded at or after a
   * time; `after`, a cursor. Default `now`.
   */
  from?: SubscribeFrom;
  /** What becomes of events beyond `maxBuffer`. Default `catch-up`. */
  overflow?: OverflowPolicy;
  /** Events queued for this subscriber in each shard before `overflow` decides, 1 to 1,000,000. Default 1000. */
  maxBuffer?: number;
  /** Shown in `subscribers`, 1 to 255 characters. Default: none. */
  name?: string;
  /** Ends the subscription once it aborts. Default: none. */
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
  /** Recorded at or after. Default: the earliest event. */
  since?: Date | string;
  /** Recorded before. Default: no end. */
  until?: Date | string;
  /** A cursor: only what came after it. Default: the earliest event. */
  after?: string;
  /** One of these types. Default: any. */
  types?: readonly string[];
  /** One of these sources. Default: any. */
  sources?: readonly string[];
  /** One of these correlation ids. Default: any. */
  correlationIds?: readonly string[];
  /** For each key, one of the values. Default: any. */
  attributes?: Readonly<Record<string, readonly string[]>>;
  /** The most events to answer. Default 100 for `query`, which takes 10,000 at most; unlimited for `read`. */
  limit?: number;
  /** Newest first. Default false. */
  reverse?: boolean;
  /**
   * Only the newest event of each topic, in the order of these events; see `BusApi.latest`. The other fields choose among
   * these newest events. Default false.
   */
  latest?: boolean;
}

/** The options of `latest`: which of the newest events, how many, and in which order. */
export type LatestOptions = Omit<Query, 'topic' | 'latest'>;

export interface GetOptions {
  /** The event's `source`, where ids are the source's own (`idScope: 'source'`, CloudEvents). Default: any. */
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
  /**
   * How long the oldest event waits that it was not sent, ms; 0: none waits. Absent: not known, as its endpoint reads
   * history for it.
   */
  readonly lagMs?: number;
  /** How often it consumed too slowly to be sent events as they came. */
  readonly slow: number;
  /** When it subscribed, RFC 3339. */
  readonly since: string;
  /** The principal and the connection of a gateway's client; absent for others. */
  readonly principal?: string;
  readonly connection?: string;
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

export type RetentionRule = {
  /** The topics to which the rule applies. Default `*`. */
  pattern?: string;
  /** Removes events recorded longer ago than this. Default: age removes nothing. */
  maxAgeMs?: number;
  /** Keeps at most this many events, in all shards together. Default: no limit. */
  maxEvents?: number;
  /** Keeps at most this many bytes of events, in all shards together. Default: no limit. */
  maxBytes?: number;
  /**
   * Keeps at most this many events of each topic: the newest, 1 to 1,000,000. The others are replaced, not lost: readers
   * pass over them, and are told of no gap. Default: no limit.
   */
  keepPerTopic?: number;
  /**
   * Removes only events that each of these consumers has done or let die: those beyond the limits above, or, without any
   * limit, at once. 1 to 100 names. Nothing is removed while one of the consumers does not exist. Default: the rule
   * waits for nobody.
   */
  untilConsumedBy?: readonly string[];
};

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
  /** How many events the shard has removed because they had expired (`ttlMs`), since the bus was opened. */
  readonly expired: number;
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
  /** Payloads that lie in files beside the log, and the bytes of these files; see `claimCheckBytes`. */
  readonly payloadFiles: number;
  readonly payloadFileBytes: number;
  /**
   * About how many events of an earlier version's directory still have no index by correlation id, type and source: the
   * bus makes it while it is in use, and queries by these fields read such events meanwhile.
   */
  readonly unindexedEvents: number;
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
  /** Only of a bus with an archive. */
  readonly archive?: ArchiveStats;
  /** How full the publish ring of the endpoint with the fullest one is, 0 to 1. */
  readonly publishRingFill: number;
  readonly deliveryRingFill: number;
  /** How long ago the shard's present thread started, ms. */
  readonly upMs: number;
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
  /** Up to 250 ms old. */
  readonly consumers: ConsumerTotals;
  /** How many publishes wait for their time. Up to 250 ms old. */
  readonly scheduled: number;
  readonly requests: RequestTotals;
  /** The sinks that run on the bus, and its archive, which is one too. Up to 1 s old. */
  readonly sinks: SinkList;
  readonly endpoints: number;
  /** How many WebSockets the bus's gateways have. */
  readonly connections: number;
  /** The threads that `serve()` started and that were not closed. */
  readonly gateways: readonly GatewayStats[];
  /** How often any gateway's thread was started again since the bus was opened. */
  readonly gatewayRestarts: number;
  /** The rules with which the bus was opened. */
  readonly retention: readonly RetentionRule[];
  /**
   * The time from recording an event to its arrival in an endpoint's thread, ms; measured for one event in 64, with a
   * resolution of 1 ms. Events read again from history do not count.
   */
  readonly deliveryMs: Histogram;
  readonly shards: readonly ShardStats[];
}

/** The questions that `request` asks, and the responders, of all threads and clients together. */
export interface RequestTotals {
  readonly responders: number;
  /** How many requests wait for their answers. */
  readonly pending: number;
  /** Since the bus was opened: how many questions went to a responder, and how many were answered. */
  readonly asked: number;
  readonly answered: number;
  /** How many failed: the responder failed or went, or the asker waited no more. */
  readonly failed: number;
  /** How many found no responder. */
  readonly noResponders: number;
}

/** All durable consumers of a bus together. */
export interface ConsumerTotals {
  readonly count: number;
  /** About how many events are to be done, each once for each consumer; events of others beyond the positions count too. */
  readonly pending: number;
  /** How many events are leased. */
  readonly inFlight: number;
  /** How many events wait for their time after a failed attempt. */
  readonly waiting: number;
  readonly dead: number;
}

/** The calls of every bus, in the same process or over a connection. */
export interface BusApi extends AsyncDisposable {
  /**
   * Publishes one event.
   *
   * @param input the event; `topic`, `type` and `payload` have to be there
   * @param options what the ack waits for, and whether the event is stored
   * @returns once the event has the durability that was asked for
   * @throws BusError `TOPIC_INVALID`, `EVENT_INVALID`, `PAYLOAD_INVALID`, `PAYLOAD_TOO_LARGE`, `OPTION_INVALID`,
   * `BACKPRESSURE`, `STORE_FULL`, `STORE_FAILED`, `ABORTED`, `BUS_CLOSED`, `PUBLISH_UNKNOWN`; with `expect` also
   * `CONFLICT`; of a client also `TIMEOUT`, `CONNECTION_FAILED`
   */
  publish<P>(input: EventInput<P>, options?: PublishOptions): Promise<PublishAck>;
  /**
   * Publishes several events, checked before the first is sent. Each is stored or refused by itself; with
   * `atomic: true` all are stored in one commit, or none.
   *
   * @param inputs at most 65,536; 4096 with `atomic`
   * @param options as of `publish`, for all of them
   * @returns the acks, in the order of the inputs
   * @throws BusError as `publish`; `details` say which events are stored. With `atomic` none is, and it also throws
   * `ATOMIC_ACROSS_SHARDS`, `LIMIT_EXCEEDED` and `CONFLICT`
   */
  publishMany<P>(
    inputs: readonly EventInput<P>[],
    options?: PublishManyOptions,
  ): Promise<PublishAck[]>;
  /** For events whose payloads have several types. */
  publishMany(inputs: readonly EventInput[], options?: PublishManyOptions): Promise<PublishAck[]>;
  /**
   * Publishes without a promise and without a wait; failures after it was accepted go to `onError`.
   *
   * @returns false: there was no room, and nothing was accepted; wait for `drained`
   * @throws BusError for an input or options that are malformed
   */
  tryPublish<P>(input: EventInput<P>, options?: PublishOptions): boolean;
  /** Resolves once there is room again after `tryPublish` has returned false. */
  drained(): Promise<void>;
  /**
   * Subscribes to the events that match, live or from a place in history.
   *
   * @param filter a pattern, patterns, a definition or a filter
   * @param options where it begins, and what becomes of events that it is too slow for
   * @returns at once; `ready` resolves when every shard has it
   * @throws BusError `PATTERN_INVALID`, `FILTER_INVALID`, `OPTION_INVALID`, `CURSOR_INVALID`, `BUS_CLOSED`
   */
  subscribe<P = unknown>(filter: FilterInput<P>, options?: SubscribeOptions): Subscription<P>;
  subscribe<P = unknown>(
    filter: FilterInput<P>,
    handler: EventHandler<P>,
    options?: SubscribeOptions,
  ): Subscription<P>;
  /**
   * Stored events, in one answer.
   *
   * @throws BusError `QUERY_INVALID`, `PATTERN_INVALID`, `FILTER_INVALID`, `CURSOR_INVALID`, `CURSOR_EXPIRED`, `BUS_CLOSED`
   */
  query<P = unknown>(query: Query<P>): Promise<Event<P>[]>;
  /** Stored events of any number, fetched in pages as they are taken; it fails as `query` does. */
  read<P = unknown>(query: Query<P>): AsyncIterable<Event<P>>;
  /**
   * The newest stored event of each topic that matches, the oldest of them first, fetched in pages as they are taken. The
   * log is not scanned. The options choose among these newest events: a topic whose newest event does not fit is left
   * out. A topic that gets an event meanwhile may come once more, with the new event.
   *
   * @param topic a topic, patterns or a definition
   * @param options `after`: only topics with an event after this cursor; the other fields are those of `query`
   * @throws BusError as `query`
   */
  latest<P = unknown>(topic: Query<P>['topic'], options?: LatestOptions): AsyncIterable<Event<P>>;
  /**
   * The stored event with this id on a topic, or on any topic that a pattern matches; the newest if there are several;
   * `undefined` if there is none, or not any more.
   *
   * @param topic a topic, patterns or a definition
   * @param id of the event
   * @param options whose event it is, where ids are those of their sources
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
  /** The topics that have stored events. Default of `pattern`: every topic. */
  topics(pattern?: string): Promise<TopicInfo[]>;
  /**
   * A page of the publishes that wait for their time (`deliverAt`, `delayMs`), in the order in which they are due.
   *
   * @param query patterns, an id, and how many; default: the first 100 of all
   * @throws BusError `OPTION_INVALID`, also if the store keeps none; `PATTERN_INVALID`, `STORE_CORRUPT`,
   * `STORE_FAILED`, `BUS_CLOSED`
   */
  scheduled(query?: ScheduledQuery): Promise<ScheduledPage>;
  /**
   * Takes back a publish that waits for its time.
   *
   * @param id of the publish, as in its ack
   * @param options its topic or source, where several publishes have the id
   * @returns true once that is flushed: it will become no event; false if none waits, as it is an event already, or was
   *   cancelled, or never there
   * @throws BusError `CONFLICT` if several wait, `OPTION_INVALID`, `SHARD_RESTARTED`, `STORE_FULL`, `STORE_FAILED`,
   * `BUS_CLOSED`
   */
  cancel(id: string, options?: CancelOptions): Promise<boolean>;
  /** What the bus publishes again and again, by cron expressions or at intervals. */
  readonly schedules: Schedules;
  /** Figures of the bus and of each shard. */
  stats(): Promise<BusStats>;
  /**
   * Opens the durable consumer of this name, or makes it. Its members, in any thread, share the events that its filter
   * matches. Each event goes to one member at a time, and stays the consumer's until it is acknowledged.
   *
   * @param name a topic of its own kind: segments joined by `.`, at most 128 bytes
   * @param options undefined: the consumer has to be there. `from` counts only if it is made
   * @throws BusError `CONSUMER_UNKNOWN`; `CONSUMER_EXISTS` if it has another definition and `update` is not set;
   *   `CONSUMER_BUSY`, `OPTION_INVALID`, `FILTER_INVALID`, `PATTERN_INVALID`, `CURSOR_INVALID`, `CURSOR_EXPIRED`,
   *   `LIMIT_EXCEEDED`, `STORE_FULL`, `STORE_FAILED`, `STORE_CORRUPT`, `BUS_CLOSED`
   */
  consumer<P = unknown>(name: string, options?: ConsumerOptions<P>): Promise<Consumer<P>>;
  /**
   * All durable consumers of the bus, by name.
   * @throws BusError `OPTION_INVALID` if the store keeps none, `STORE_CORRUPT`, `STORE_FAILED`, `BUS_CLOSED`
   */
  consumers(): Promise<ConsumerInfo[]>;
  /**
   * Asks a question on a topic, and waits for its answer. The question is an event that is not stored; it goes to one
   * responder, chosen among those whose patterns match. The answer goes to this call alone, as an event whose
   * `causationId` is the question's id.
   *
   * @param input the question; `topic`, `type` and `payload` have to be there
   * @param options how long to wait
   * @throws BusError `NO_RESPONDERS` at once if nobody answers on this topic; `REQUEST_TIMEOUT`; `RESPONDER_FAILED` with
   *   the message of the handler; `RESPONDER_LOST`; `LIMIT_EXCEEDED`, `ABORTED`, and as `publish` for a malformed input
   */
  request<R = unknown, P = unknown>(
    input: EventInput<P>,
    options?: RequestOptions,
  ): Promise<Event<R>>;
  /**
   * Answers the questions on the topics that a pattern matches. Of several responders one gets a question: the one with
   * the fewest in hand.
   *
   * @param pattern the topics
   * @param handler returns the answer, a JSON value, or a promise of it; if it throws, the asker is told its message
   * @param options a signal that stops it
   * @returns at once; `ready` resolves when questions reach it
   * @throws BusError `PATTERN_INVALID`, `OPTION_INVALID`, `BUS_CLOSED`
   */
  respond<P = unknown>(
    pattern: string,
    handler: QuestionHandler<P>,
    options?: RespondOptions,
  ): Responder;
  /**
   * Waits until every event that this endpoint has published is acknowledged, and its subscriptions have consumed
   * everything that was stored by then. Waits for ever if a subscription is not read.
   * @throws BusError `DRAIN_IN_HANDLER` if a handler of one of these subscriptions waits for it
   */
  drain(): Promise<void>;
  /** Takes no more, and gives back what it holds: a bus acknowledges first what it has accepted. May be called again. */
  close(): Promise<void>;
}
