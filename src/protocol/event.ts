/**
 * The types of an event and of the ack of its publication. They are the same in process, on the WebSocket, over HTTP
 * and in the command line's `--json`.
 */

/** How durable a publish has become when it is acknowledged. */
export type Durability = 'synced' | 'replicated' | 'written' | 'none';

/** One immutable fact, published once, delivered to every matching subscription. */
export interface Event<P = unknown> {
  /** A ULID, or the publisher's own id: 1–64 characters of `A-Z a-z 0-9 _ -`. */
  readonly id: string;
  readonly topic: string;
  /** Printable, without spaces, at most 255 bytes of UTF-8: `task_completed`, `com.example.order.created`. */
  readonly type: string;
  /** Any JSON value. */
  readonly payload: P;
  /** The actor or user that published it. */
  readonly source: string;
  /** RFC 3339, UTC, milliseconds. */
  readonly timestamp: string;
  /** Ties the events of one request or run together. */
  readonly correlationId?: string;
  /** The id of the event that caused this one. */
  readonly causationId?: string;
  /** At most 16 flat pairs to filter on: `agentId`, `taskId`, `worldId` … */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Nobody gets or reads it from this time on, RFC 3339, UTC, milliseconds. Absent: it does not expire. */
  readonly expiresAt?: string;
  readonly shard: number;
  /** The position in the shard's log: 1, 2, 3 … Absent on ephemeral events. */
  readonly sequence?: number;
  /**
   * On an event from `query` or `read`: the position behind it, in the order of that answer. With it as `after` the
   * same query goes on. Not enumerable, and computed on access. Absent with `reverse`, and on events of a subscription,
   * whose own `cursor` says how far it has got.
   */
  readonly cursor?: string;
}

/** An event as a publisher gives it to the bus or to a client. */
export interface EventInput<P = unknown> {
  /**
   * The literal, dot-separated name that the event is published to, such as `orders.new`: 1 to 16 segments, at most 255
   * bytes.
   */
  topic: string;
  /** The kind of event, such as `order_created`: printable, without spaces, at most 255 bytes. */
  type: string;
  /** Any JSON value, at most `maxPayloadBytes` of text. */
  payload: P;
  /** The actor or user that publishes, at most 255 bytes. Default: the `source` of the bus or the client. */
  source?: string;
  /** Ties the events of one request or run together, at most 255 bytes. Default: none. */
  correlationId?: string;
  /** The `id` of the event that caused this one. Default: none. */
  causationId?: string;
  /** At most 16 pairs of strings that filters can name. Default: none. */
  attributes?: Readonly<Record<string, string>>;
  /**
   * 1 to 64 characters of `A-Z a-z 0-9 _ -`. Given by the publisher, it makes the publish idempotent on its topic
   * within the dedupe window. Default: a new ULID.
   */
  id?: string;
  /** RFC 3339, UTC, or a `Date`. Default: the time at which the bus records the event. */
  timestamp?: string | Date;
  /**
   * Nobody gets or reads the event from this time on: RFC 3339, UTC, or a `Date`. A time that has passed is no error: the
   * event is stored and acknowledged. It counts before `ttlMs`. Default: it does not expire.
   */
  expiresAt?: string | Date;
}

export type IdScope = 'topic' | 'source';

/** The event that a publisher expects to be its topic's last: by its sequence, or `none`. */
export type Expectation = 'none' | { readonly sequence: number };

export interface PublishOptions {
  /**
   * The durability that the event has when it is acknowledged: a `synced` event survives power loss, a `written` one
   * the death of the process. Default `synced`.
   */
  durability?: 'synced' | 'written';
  /** `false`: ephemeral, delivered live and never stored. Default: the bus's `defaultPersist`. */
  persist?: boolean;
  /**
   * Where an `id` that the publisher gives must be unique. `topic`, the default: a publish of the same id to the same
   * topic repeats the event. `source`: it does so only if the event's `source` is the same too, as in CloudEvents.
   */
  idScope?: IdScope;
  /**
   * Publishes only if the topic's last event is this one: the shard compares at the moment at which it would store the
   * event, and refuses with `CONFLICT` otherwise. An event that was pruned counts. A repeat of a stored `id` is answered
   * as a duplicate all the same. Stored events only. Default: none.
   */
  expect?: Expectation;
  /**
   * Stores the publish at once, and makes an event of it at this time: RFC 3339 in UTC, or a `Date`, up to 100 years
   * ahead. A time that has passed means now. It survives restarts, is listed by `scheduled` and taken back by `cancel`.
   * Stored events only, and without `expect`. Default: it becomes an event at once.
   */
  deliverAt?: Date | string;
  /** As `deliverAt`, so many ms from now. Default: none. */
  delayMs?: number;
  /**
   * How long the event lives, ms: 1 to a hundred years, from the time at which the shard records it or, with `deliverAt`,
   * delivers it. After that nobody gets or reads it, and the log soon removes it. Default: it does not expire.
   */
  ttlMs?: number;
  /** Gives up waiting, with `ABORTED`. What a shard has already taken is not taken back. Default: none. */
  signal?: AbortSignal;
}

export interface PublishManyOptions extends Omit<PublishOptions, 'expect'> {
  /**
   * `true`: stores all events in one commit, or none of them. All topics have to be of one shard. At most 4096 events and
   * 4 MiB. Default `false`: each event is stored or refused by itself.
   */
  atomic?: boolean;
  /**
   * With `atomic`: the last events of the topics before this call, by topic; or one expectation, if all events have one
   * topic. If one is not met, nothing is stored. Default: none.
   */
  expect?: Expectation | Readonly<Record<string, Expectation>>;
}

export interface PublishAck {
  readonly id: string;
  readonly topic: string;
  readonly shard: number;
  /** Absent on ephemeral events, and with `deliverAt`. */
  readonly sequence?: number;
  /**
   * The publish is stored and becomes an event at this time, RFC 3339; it has neither `sequence` nor `cursor` yet. Absent
   * on publishes that are events already. Of a duplicate: the time of the first publish.
   */
  readonly deliverAt?: string;
  readonly durability: Durability;
  /**
   * The same id was stored on this topic before, within the dedupe window; the ack has the position of that first
   * event.
   */
  readonly duplicate: boolean;
  /**
   * A position behind this event in its shard and, in the other shards, where they stood when the event was handed to
   * the bus, or earlier. A subscription `after` it misses no event published in answer to this one, and may get some
   * earlier events too. Computed on access; not enumerable. Absent on ephemeral events and duplicates, and with
   * `deliverAt`.
   */
  readonly cursor?: string;
}

/**
 * The part of an event type before its first `_` or `.`: `agent` of `agent_status_changed`, `order` of `order.created`.
 */
export function categoryOf(type: string): string {
  const end = type.search(/[_.]/);
  return end < 0 ? type : type.slice(0, end);
}
