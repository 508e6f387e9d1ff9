/** Messages between a broker and the threads of all nodes, shards and readers, over one `BroadcastChannel`. */
import type { ErrorData } from '../../protocol/errors.js';
import type { Page, PageRequest } from '../../store/page.js';
import type { TopicSummary } from '../../store/shard-log.js';

/** An event that is stored. */
export interface Entry {
  readonly sequence: number;
  /** ms since 1970; never runs backwards within a shard. */
  readonly recordedAt: number;
  /** An event record. */
  readonly bytes: Uint8Array;
}

export type BrokerCall =
  | { readonly call: 'join' }
  | { readonly call: 'append'; readonly events: readonly NewEvent[] }
  | { readonly call: 'fetch'; readonly after: number; readonly until: number }
  | { readonly call: 'page'; readonly request: PageRequest }
  | { readonly call: 'positionAt'; readonly timeMs: number };

export interface NewEvent {
  readonly recordedAt: number;
  readonly bytes: Uint8Array;
}

export interface BrokerRequest {
  readonly shard: number;
  /** The id of the store that the log belongs to; the broker may hold back its appends. */
  readonly store: string;
  /** The id of the log or the history that asks. */
  readonly log: string;
  readonly id: number;
  readonly call: BrokerCall;
}

export interface Joined {
  readonly head: number;
  readonly lastRecordedAt: number;
  readonly topics: readonly TopicSummary[];
  readonly dedupeWindowMs: number;
}

export interface Appended {
  readonly sequences: readonly number[];
  readonly repeats: readonly boolean[];
  /** Set if nothing was stored, because there was no room for the new events. */
  readonly refusal?: ErrorData;
}

export interface BrokerAnswer {
  readonly log: string;
  readonly id: number;
  readonly value?: Joined | Appended | readonly Entry[] | Page | number;
  readonly error?: ErrorData;
}

/** Sent to all nodes, before the answer to the node that appended. */
export interface BrokerNews {
  readonly shard: number;
  readonly entries: readonly Entry[];
}

/** The address by which a thread finds its broker. */
export interface BrokerAddress {
  readonly channel: string;
  readonly store: string;
}
