import type { ReaderConnections } from '../link/reader-mail.js';
import type { RetentionRule } from '../protocol/bus-api.js';
import type { TopicDefinition } from '../protocol/define-topic.js';
import type { BusError } from '../protocol/errors.js';
import type { Durability } from '../protocol/event.js';
import type { LinkEnds } from './links/links.js';
import type { PublisherOptions } from './publish/publisher.js';

/** The data from which a thread makes its endpoint; it can be sent between threads. */
export interface EndpointData extends LinkEnds {
  readonly endpoint: string;
  readonly epoch: string;
  /** How many of its links lead to shards; others lead to the threads that serve their consumers, in the same order. */
  readonly shards: number;
  /** What the store's ack is worth; see `OpenStore.durability`. */
  readonly durability: Durability;
  /** The `elapsedMs` at which the bus was opened. */
  readonly openedAt: number;
  /** See `src/link/bus-counters.ts`. */
  readonly busCounters: SharedArrayBuffer;
  /** The share of `busCounters` in which this endpoint counts. */
  readonly share: number;
  /** Ports to the reader threads, empty if it asks for them later. `undefined`: each shard reads its own log. */
  readonly readers: ReaderConnections | undefined;
  readonly options: PublisherOptions;
  readonly retention: readonly RetentionRule[];
  /** The patterns of the definitions with which the bus was opened. */
  readonly definedPatterns: readonly string[];
}

export interface EndpointSettings {
  readonly topics: Iterable<TopicDefinition>;
  readonly onError: (error: BusError) => void;
}
