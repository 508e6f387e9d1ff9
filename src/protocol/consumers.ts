import type { BusError } from './errors.js';
import type { Event, EventInput, PublishAck, PublishManyOptions } from './event.js';
import type { FilterInput, ParsedFilter } from './filter.js';
import type { SubscribeFrom } from './subscribe-from.js';

/**
 * Consumers: readers that the bus keeps under a name, whose members share the events, acknowledge them, and get them
 * again otherwise. Types only; `consumer-definition.ts` and `consumer-options.ts` check what is given.
 */

/**
 * The key of an event: its topic, its source, its correlation id, or the value of one of its attributes. Events of one
 * key go out one after the other; `none`: all go out side by side. An event that lacks the key is alone with it, so
 * such events go out side by side as well.
 */
export type ConsumerOrder = 'none' | 'topic' | 'source' | 'correlationId' | `attributes.${string}`;

/** `synced`: flushed before the ack resolves. `written`: it may be lost, and the event come again, after power loss. */
export type AckDurability = 'synced' | 'written';

export interface ConsumerOptions<P = unknown> {
  /** The events of the consumer: a pattern, patterns, a definition or a filter. */
  filter: FilterInput<P>;
  /** Where it begins; counts only when the consumer is created. Default `now`. */
  from?: SubscribeFrom;
  /** Which events go out one after the other, through retries too. Default `none`. */
  order?: ConsumerOrder;
  /**
   * Patterns, at most 8, only with order `none`: events of the first go out before all others, then those of the
   * second, and at last those of no pattern. Default: none.
   */
  priority?: readonly string[];
  /** How long a member may take for an event, unless it asks for more, 100 to 86,400,000 ms. Default 30,000. */
  leaseMs?: number;
  /** How often an event is tried before it is dead, 1 to 1000. Default 5. */
  maxAttempts?: number;
  /**
   * The waits after the first failed attempt, the second and so on, ms; the last one holds for all further attempts. 1 to
   * 32 waits of at most 30 days. Default `[1000, 10_000, 60_000]`.
   */
  backoffMs?: readonly number[];
  /** How many events may be leased at once, in all shards together, 1 to 100,000. Default 1000. */
  maxInFlight?: number;
  /**
   * How many events of one shard may be open: read, and neither done nor dead. At this bound the consumer reads no
   * further, and `info` says so. 1 to 100,000. Default 10,000.
   */
  maxAhead?: number;
  /** The topic on which dead events are published. The filter must not match it. Default: nowhere. */
  deadLetter?: string;
  /** What an ack waits for, if it does not say it itself. Default `synced`. */
  ackDurability?: AckDurability;
  /** Changes the consumer of this name to this definition, instead of refusing another one. Default false. */
  update?: boolean;
}

/** A checked definition, complete with its defaults; frozen, and safe to send as JSON. */
export interface ConsumerDefinition {
  readonly filter: ParsedFilter;
  readonly order: ConsumerOrder;
  readonly priority: readonly string[];
  readonly leaseMs: number;
  readonly maxAttempts: number;
  readonly backoffMs: readonly number[];
  readonly maxInFlight: number;
  readonly maxAhead: number;
  readonly deadLetter?: string;
  readonly ackDurability: AckDurability;
}

export interface AckOptions {
  /** What the ack waits for. Default: the consumer's `ackDurability`. */
  durability?: AckDurability;
}

export interface NakOptions {
  /** After which time the event comes again, 0 to 30 days in ms. Default: the consumer's backoff; with `count: false` 0. */
  delayMs?: number;
  /** `false`: a planned hand-back, which costs no attempt. Default: it costs one. */
  count?: false;
  /** Kept with the event if it dies, at most 1024 characters. Default: none. */
  reason?: string;
}

/** One event, handed to one member until it settles it or the lease runs out. */
export interface Delivery<P = unknown> {
  readonly event: Event<P>;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** When the lease runs out, by this process's clock. */
  readonly leaseUntil: Date;
  /** The lease as text, by which doors name it. */
  readonly lease: string;
  /** Aborts when the lease is lost: it ran out, or the consumer was moved, changed or deleted. */
  readonly signal: AbortSignal;
  /**
   * Says that the event is done. It never comes again once this has resolved. A second call returns the same promise.
   *
   * @throws BusError `LEASE_LOST`: the lease ran out, or the event was settled in another way; `BUS_CLOSED`
   */
  ack(options?: AckOptions): Promise<void>;
  /**
   * Gives the event back: it comes again after its backoff, or is dead if this was the last attempt.
   * @throws BusError `LEASE_LOST`, `OPTION_INVALID`, `BUS_CLOSED`
   */
  nak(options?: NakOptions): Promise<void>;
  /**
   * Says that no attempt will ever succeed: the event is dead at once.
   * @throws BusError `LEASE_LOST`, `OPTION_INVALID`, `BUS_CLOSED`
   */
  term(reason: string): Promise<void>;
  /**
   * Extends the lease by `leaseMs` from now, and returns its new end.
   * @throws BusError `LEASE_LOST`, `BUS_CLOSED`
   */
  working(): Promise<Date>;
  /**
   * Acknowledges the event and publishes others in the same commit: both or neither. If it is refused for any reason but
   * `LEASE_LOST`, the event is still leased; where the outcome is not known (`CONNECTION_FAILED`, `PUBLISH_UNKNOWN`, an
   * abort after it was sent), only if nothing is stored. Without inputs it is an `ack`.
   * @param options as `publishMany`; `atomic` is always on
   * @throws BusError `ATOMIC_ACROSS_SHARDS` if a topic belongs to another shard than the event, `LEASE_LOST`, and as
   *   `publishMany`
   */
  ackAndPublish(
    inputs: readonly EventInput[],
    options?: AckAndPublishOptions,
  ): Promise<PublishAck[]>;
}

export type AckAndPublishOptions = Omit<PublishManyOptions, 'atomic'>;

export interface RunOptions {
  /** How many handlers run at once, 1 to 10,000. Default 1. */
  concurrency?: number;
  /**
   * Leases events ahead while handlers are quick, so that the next ones are at hand. A death may then leave an attempt
   * uncounted. Default true, and false where `maxAttempts` is 1.
   */
  prefetch?: boolean;
  /** Stops taking events once it aborts. Default: none. */
  signal?: AbortSignal;
  /** Shown among the consumer's members, 1 to 255 characters. Default: none. */
  name?: string;
}

export interface PullOptions {
  /** The most events to take, 1 to 1000. Default 1. */
  max?: number;
  /** How long to wait for the first, 0 to 30,000 ms. Default 0. */
  waitMs?: number;
}

/** A member that runs a handler. */
export interface Run extends AsyncDisposable {
  /** Resolves when the member has left; rejects if it ended with an error. */
  readonly closed: Promise<void>;
  /** Takes no further events, and resolves when its handlers have ended. */
  drain(): Promise<void>;
  /** Hands back the events that no handler has begun, and resolves when the handlers have ended. */
  stop(): Promise<void>;
}

export type DeliveryHandler<P = unknown> = (delivery: Delivery<P>) => void | Promise<void>;

export interface MemberInfo {
  readonly name?: string;
  readonly endpoint: string;
  readonly concurrency: number;
  /** How many events are leased to it. */
  readonly inFlight: number;
  /** An HTTP caller's, whose leases outlive connections and restarts. */
  readonly isDetached: boolean;
  /** The principal and the connection of a gateway's client; absent for others. */
  readonly principal?: string;
  readonly connection?: string;
  /** When it joined, RFC 3339. */
  readonly since: string;
}

/** Why a consumer does not go on in a shard, although there are events for it. */
export interface ConsumerBlocked {
  /** `full`: the disk has no room for its state. */
  readonly reason: 'maxAhead' | 'maxInFlight' | 'paused' | 'full';
  readonly shard: number;
  /** The oldest open event and its key, if the order has keys and the event has one. */
  readonly sequence?: number;
  readonly key?: string;
}

export interface ConsumerShard {
  readonly shard: number;
  /** Everything up to here is done, dead or none of its events, except what is open. */
  readonly position: number;
  /** The last sequence before the first open event. */
  readonly floor: number;
  readonly head: number;
  readonly lag: number;
}

export interface ConsumerInfo {
  readonly name: string;
  readonly definition: ConsumerDefinition;
  readonly paused: boolean;
  /** Since when it is paused, RFC 3339. */
  readonly pausedAt?: string;
  /** The principal that paused it; absent where a program paused it that needs no grant. */
  readonly pausedBy?: string;
  /** The identity of the history that the sequences in `shards` belong to. */
  readonly epoch: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly members: readonly MemberInfo[];
  /** About how many events are to be done: open ones, and the logs' events beyond its positions, of others too. */
  readonly pending: number;
  readonly inFlight: number;
  /** How many events wait for their time after a failed attempt. */
  readonly waiting: number;
  /** How many events wait for an earlier one of their key. */
  readonly held: number;
  readonly dead: number;
  /** How many dead letters are not published yet. */
  readonly lettersDue: number;
  /** How many events were pruned before they were done. */
  readonly lost: number;
  /** How many events expired (`ttlMs`) before they were done, since the shards' threads began. */
  readonly expired: number;
  /** The age of the oldest open event, ms; `null`: none is open. */
  readonly oldestAgeMs: number | null;
  /** How many leases were not the first of their event, and how many events were acknowledged, since its creation. */
  readonly redelivered: number;
  readonly acked: number;
  readonly blocked?: ConsumerBlocked;
  readonly shards: readonly ConsumerShard[];
}

/** The state of an open event: `held` by an earlier one of its key, `waiting` for its time. */
export type OpenState = 'ready' | 'held' | 'leased' | 'waiting';

export interface OpenEvent {
  readonly shard: number;
  readonly sequence: number;
  readonly state: OpenState;
  readonly attempts: number;
  /** In how many deaths of members, one soon after the other, it was in hand. */
  readonly losses: number;
  readonly key?: string;
  /** In state `leased` its member's name, if it has one. */
  readonly member?: string;
  /** When the lease runs out, or the wait ends; RFC 3339. */
  readonly until?: string;
  /** Absent if its record is lost. */
  readonly id?: string;
  readonly topic?: string;
  /**
   * Why its last attempt failed. Kept in memory, as far as there is room for all consumers of the shard: after a restart
   * it is absent until an attempt fails again.
   */
  readonly lastFailure?: AttemptFailure;
}

export interface AttemptFailure {
  readonly cause: FailureCause;
  /** The reason that its member gave, or an empty text. */
  readonly reason: string;
  /** RFC 3339. */
  readonly at: string;
}

/** A key of which events wait, in one shard. */
export interface HeldKey {
  readonly shard: number;
  readonly key: string;
  /** How many events wait for another one of the key. */
  readonly waiting: number;
  /** The event that stands first. In state `held` it waits for one of its key in another shard. */
  readonly first: OpenEvent;
}

export interface HeldKeyPage {
  readonly keys: readonly HeldKey[];
  /** The `after` of the next page; absent on the last one. */
  readonly next?: string;
}

export interface OpenPage {
  readonly events: readonly OpenEvent[];
  /** The `after` of the next page; absent on the last one. */
  readonly next?: string;
}

/** Why an event is dead: its last attempt was refused, its member gave it up, its lease ran out, or its member died. */
export type DeadCause = 'nak' | 'term' | 'expired' | 'lost';
/** Why an attempt failed after which the event comes again. */
export type FailureCause = Exclude<DeadCause, 'term'>;

export interface DeadEvent {
  readonly id: string;
  readonly shard: number;
  readonly sequence: number;
  readonly topic: string;
  /** RFC 3339. */
  readonly diedAt: string;
  readonly attempts: number;
  readonly cause: DeadCause;
  /** The reason that its member gave, or an empty text. */
  readonly reason: string;
  /** `due`: its letter is not published yet. `kept`: no letter was wanted. */
  readonly letter: 'due' | 'published' | 'kept';
}

export interface DeadPage {
  readonly events: readonly DeadEvent[];
  /** The `after` of the next page; absent on the last one. */
  readonly next?: string;
}

export interface PageOptions {
  /** The `next` of the page before. Default: the first page. */
  after?: string;
  /** The most entries, 1 to 1000. Default 100. */
  limit?: number;
}

export interface RedriveOptions {
  /** Only says what would come again. Default false. */
  dryRun?: boolean;
  /** The ids of dead events. Default: all of them. */
  ids?: readonly string[];
}

export interface RedriveResult {
  readonly redriven: readonly DeadEvent[];
  /** Ids that are of no dead event of this consumer. */
  readonly unknown: readonly string[];
  /** False: some could not come again yet, as too many redriven events are open. Call again later for these. */
  readonly isComplete: boolean;
}

/** What a `seek` would change, as of now. */
export interface SeekPreview {
  /** How many events are done or dead, and would be handed out again. */
  readonly again: number;
  /** How many events are to be done, and would not be handed out any more. */
  readonly passed: number;
  /** How many leases would be lost. */
  readonly inFlight: number;
  /**
   * How many events of the log, of others too, were not looked at, as they are too many. 0: the counts are complete.
   * Otherwise more events may come again, or be passed over.
   */
  readonly unseen: number;
}

export interface ConsumerMessages {
  /** Events that were pruned before the consumer had done them. */
  gap: { readonly shard: number; readonly from: number; readonly to: number };
  blocked: ConsumerBlocked;
  dead: DeadEvent;
  /** A dead letter that can never be published; the dead event is kept. Or the listeners hear nothing any more. */
  error: BusError;
}

export type ConsumerEvents = {
  [E in keyof ConsumerMessages]: (message: ConsumerMessages[E]) => void;
};

/** A consumer as its users hold it, in any thread or over a connection. */
export interface Consumer<P = unknown> {
  readonly name: string;
  /**
   * Calls the handler with events, several at once if asked. Resolves: ack. Rejects or throws: nak with backoff.
   * @throws BusError `OPTION_INVALID`, `LIMIT_EXCEEDED`, `BUS_CLOSED`
   */
  run(handler: DeliveryHandler<P>, options?: RunOptions): Run;
  /** Events one after the other, to be settled by hand; leaving the loop gives back what is not settled. */
  deliveries(options?: RunOptions): AsyncIterableIterator<Delivery<P>>;
  /** Takes events that are there, or waits for the first. Their leases outlive this endpoint. */
  pull(options?: PullOptions): Promise<Delivery<P>[]>;
  info(): Promise<ConsumerInfo>;
  /** The events that are open now, in the order of shards and sequences. */
  open(page?: PageOptions): Promise<OpenPage>;
  /**
   * The keys of which events wait, in the order of shards and of the sequences of their first events. None without an
   * `order`. After a restart a key is listed once the shard has read its events again.
   */
  heldKeys(page?: PageOptions): Promise<HeldKeyPage>;
  /** Leases nothing until `resume`; what is leased goes on. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Moves the consumer. Leases are lost, attempts are forgotten; dead events stay dead. */
  seek(from: SubscribeFrom): Promise<void>;
  /** Counts what a `seek` would change, and changes nothing. */
  seekPreview(from: SubscribeFrom): Promise<SeekPreview>;
  /** Takes one open event for done. @throws BusError `NOT_FOUND` */
  skip(event: { readonly shard: number; readonly sequence: number }): Promise<void>;
  dead(page?: PageOptions): Promise<DeadPage>;
  /** Makes dead events open again, with no attempts counted, out of their key's old order. */
  redrive(options?: RedriveOptions): Promise<RedriveResult>;
  /** Ends all members, and forgets what the consumer has done. */
  delete(): Promise<void>;
  on<E extends keyof ConsumerEvents>(event: E, listener: ConsumerEvents[E]): this;
}
