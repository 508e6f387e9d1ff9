/**
 * The event and the acknowledgement of its publication: the shapes that users see everywhere,
 * in process, on the WebSocket, over HTTP and in the command line's `--json`.
 */

/** How durable a publish has become when it is acknowledged. */
export type Durability = 'synced' | 'written' | 'none';

/** One immutable fact, published once, delivered to every matching subscription. */
export interface Event<P = unknown> {
  /** A ULID, or the publisher's own id: 1–64 characters of `A-Z a-z 0-9 _ -`. */
  readonly id: string;
  readonly topic: string;
  /** `snake_case`, at most 64 characters. */
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
  readonly shard: number;
  /** The position in the shard's log: 1, 2, 3 … Absent on ephemeral events. */
  readonly sequence?: number;
}

/** What a publisher hands over. `source` defaults to the bus's `source` option. */
export interface EventInput<P = unknown> {
  topic: string;
  type: string;
  payload: P;
  source?: string;
  correlationId?: string;
  causationId?: string;
  attributes?: Readonly<Record<string, string>>;
  /** Given by the publisher, it makes the publish idempotent within the dedupe window. */
  id?: string;
  /** RFC 3339, UTC, or a `Date`. Left out: the time at which the bus records the event. */
  timestamp?: string | Date;
}

export interface PublishOptions {
  /** `synced` (the default) survives power loss; `written` survives the death of the process. */
  durability?: 'synced' | 'written';
  /** `false`: ephemeral, delivered live and never stored. Default: the bus's `defaultPersist`. */
  persist?: boolean;
  /** Gives up waiting. What a shard has already taken is not taken back. */
  signal?: AbortSignal;
}

export interface PublishAck {
  readonly id: string;
  readonly topic: string;
  readonly shard: number;
  /** Absent on ephemeral events. */
  readonly sequence?: number;
  readonly durability: Durability;
  /** The same id was stored before, within the dedupe window; this is its first position. */
  readonly duplicate: boolean;
}
