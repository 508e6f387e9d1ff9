/**
 * What travels over a link, the pair of an endpoint and a shard, besides the events themselves
 * (`src/record/event-record.ts`). Integers are little endian; every body starts 8-byte aligned.
 *
 * ```
 * publish ring   PUBLISH      event record
 *
 * control ring   every body   i32 generation · i32 request · JSON text
 *                CREDIT       i32 generation · i32 subscription · i32 events · i32 bytes
 *
 * delivery ring  ACK          i32 kind · i32 count · i32 position · i32 0 · f64 first sequence
 *                             · JSON of the error, where the kind is REFUSED
 *                EVENT        f64 sequence (0: ephemeral) · i32 n · i32 0 · n × i32 subscription
 *                             · padding to 8 · event record
 *                REPLY        i32 request · i32 ok (1 or 0) · JSON text
 *                STATE        i32 subscription · i32 state · JSON text
 * ```
 *
 * An ack's `position` is the publish ring's position behind the last publish it covers. After a crash a shard
 * acknowledges again what it cannot know to have been told; an endpoint skips what it has seen by that position.
 * A control record of another generation than the shard's is of before its restart, and is ignored: the endpoint
 * says everything that matters again.
 */
import type { Gap } from '../protocol/bus-api.js';
import type { ErrorCode } from '../protocol/errors.js';
import type { ParsedFilter } from '../protocol/filter.js';

export const PUBLISH = 1;

export const CONTROL_SUBSCRIBE = 1;
export const CONTROL_UPDATE = 2;
export const CONTROL_UNSUBSCRIBE = 3;
/** The endpoint has read history up to a position; the shard takes over from there. */
export const CONTROL_RESUME = 4;
export const CONTROL_CREDIT = 5;
export const CONTROL_REQUEST = 6;
/** The endpoint leaves: its subscriptions end, what it has published is still taken. */
export const CONTROL_LEAVE = 7;

export const CONTROL_GENERATION = 0;
export const CONTROL_REQUEST_ID = 4;
export const CONTROL_BODY = 8;
export const CREDIT_SUBSCRIPTION = 4;
export const CREDIT_EVENTS_COUNT = 8;
export const CREDIT_BYTES_COUNT = 12;
export const CREDIT_LENGTH = 16;

export const DELIVERY_ACK = 1;
export const DELIVERY_EVENT = 2;
export const DELIVERY_REPLY = 3;
export const DELIVERY_STATE = 4;

export const ACK_KIND = 0;
export const ACK_COUNT = 4;
export const ACK_POSITION = 8;
export const ACK_SEQUENCE = 16;
export const ACK_LENGTH = 24;

export const ACK_SYNCED = 0;
export const ACK_WRITTEN = 1;
export const ACK_EPHEMERAL = 2;
/** Stored before, and flushed. */
export const ACK_DUPLICATE = 3;
/** Stored before, and not flushed yet; asked for with `written` only. */
export const ACK_DUPLICATE_WRITTEN = 4;
export const ACK_REFUSED = 5;

export const EVENT_SEQUENCE = 0;
export const EVENT_SUBSCRIPTIONS = 8;
export const EVENT_SUBSCRIPTION_IDS = 16;

/** Where the event record starts in an EVENT body that names `count` subscriptions. */
export function eventRecordOffset(count: number): number {
  return (EVENT_SUBSCRIPTION_IDS + 4 * count + 7) & ~7;
}

export const REPLY_REQUEST = 0;
export const REPLY_OK = 4;
export const REPLY_BODY = 8;

export const STATE_SUBSCRIPTION = 0;
export const STATE_STATE = 4;
export const STATE_BODY = 8;

/** The shard no longer sends what is live: `{ position }`, all up to there was sent. */
export const STATE_LAGGING = 1;
/** Everything up to `{ position }` was sent, and what is live follows. */
export const STATE_LIVE = 2;
/** Too far behind for the shard: the endpoint reads on from `{ position }`. */
export const STATE_BEHIND = 3;
/** `{ count }` more events were dropped. */
export const STATE_DROPPED = 4;
/** `{ code, message, position }`: the shard ended the subscription. */
export const STATE_ENDED = 5;
/** `{ from, to, reason }`: history that cannot be delivered. */
export const STATE_GAP = 6;

/** What a shard says of a subscription's part; each state has the fields that it needs. */
export interface StateBody extends Omit<Gap, 'shard'> {
  readonly position: number;
  readonly count: number;
  readonly code: ErrorCode;
  readonly message: string;
}

/** What a subscription asks of a shard. */
export interface SubscribeCommand {
  readonly subscription: number;
  readonly filter: ParsedFilter;
  readonly name?: string;
  readonly overflow: string;
  readonly maxBuffer: number;
  readonly creditEvents: number;
  readonly creditBytes: number;
  /** `now`: live from the head on. `replay`: registered only; a RESUME follows. A number: catch up from there. */
  readonly start: 'now' | 'replay' | number;
}

export interface ResumeCommand {
  readonly subscription: number;
  readonly position: number;
  /** Tell about history that was pruned after the position; not where the subscription asked for `earliest`. */
  readonly tellGap: boolean;
}

export interface SubscriptionReply {
  /** The shard's head when it took the command. */
  readonly position: number;
}

/** Questions to one shard. Lists come in pages; a page may be empty and not the last. */
export type ShardRequest =
  /** Answered behind everything that was delivered before. */
  | { readonly kind: 'sync' }
  | { readonly kind: 'subscribers'; readonly topic: string; readonly after: SubscriberKey }
  /** Those furthest behind, at most so many. */
  | { readonly kind: 'laggards'; readonly limit: number }
  /** `after` the topic of that number. */
  | { readonly kind: 'topics'; readonly patterns: readonly string[]; readonly after: number };

/** Subscribers are listed by endpoint and, within it, by number. */
export interface SubscriberKey {
  readonly endpoint: string;
  readonly subscription: number;
}

/** Before all of them. */
export const FIRST_SUBSCRIBER: SubscriberKey = { endpoint: '', subscription: 0 };

/** `next`: what to go on after; null: that was all. */
export interface SubscribersReply {
  readonly subscribers: readonly SubscriberEntry[];
  readonly next: SubscriberKey | null;
}

export interface SubscriberEntry {
  readonly id: string;
  readonly name?: string | undefined;
  readonly endpoint: string;
  readonly topics: readonly string[];
  readonly overflow: string;
  readonly mode: string;
  readonly queued: number;
  readonly dropped: number;
  readonly lag: number;
}

export interface TopicsReply {
  readonly topics: readonly TopicEntry[];
  readonly next: number | null;
}

export interface TopicEntry {
  readonly name: string;
  readonly events: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** ms since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
}
