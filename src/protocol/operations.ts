/**
 * The types of the calls by which operators look after a bus over a connection: upkeep, grants, figures, connections.
 * Types only.
 */

/** Which events to remove, oldest first; at least one of `before`, `maxEvents` and `maxBytes`. */
export interface PruneSelection {
  /** Default `*`: every topic but the bus's own. */
  pattern?: string;
  /** Removes events recorded before this time. Default: age removes nothing. */
  before?: Date | string;
  /** Keeps at most this many matching events, 0 or more; each shard keeps an equal share. Default: no limit. */
  maxEvents?: number;
  /** Keeps at most this many bytes of matching events; each shard keeps an equal share. Default: no limit. */
  maxBytes?: number;
}

export interface PruneResult {
  /** Events removed. */
  readonly events: number;
  /** Roughly the bytes of their payloads and rows. The file does not shrink: its pages are used again. */
  readonly bytes: number;
}

export interface BackupResult {
  readonly dir: string;
  readonly epoch: string;
  readonly takenAt: string;
  /** Per shard, the last sequence that is in the copy. */
  readonly heads: readonly number[];
  /** Cursor of a subscription that has seen every event in the copy. */
  readonly cursor: string;
  /** Size of the files that were written. */
  readonly bytes: number;
}

/** The topics and consumers that a principal may use, as patterns. An empty list: none. */
export interface AccessInfo {
  /** The name of the principal. */
  readonly principal: string;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Of names of consumers. */
  readonly consume: readonly string[];
  /** `*` is the whole bus. */
  readonly admin: readonly string[];
  /** The `source` that every event of this principal gets, in place of its own; absent: it may choose. */
  readonly source?: string;
}

/** A topic that the bus was opened with (`openBus({ topics })`). */
export interface DefinitionInfo {
  readonly pattern: string;
  /**
   * JSON Schema (draft 2020-12) of the payloads. Absent where the validator offers none (`~standard.jsonSchema`), or its
   * types have none.
   */
  readonly jsonSchema?: Readonly<Record<string, unknown>>;
}

/** One client of a gateway. */
export interface ConnectionInfo {
  /** Unique among all gateways; of a WebSocket it is `connection` of its `welcome`. */
  readonly id: string;
  /** The client's address, also behind trusted proxies. */
  readonly address: string;
  /** Absent until the client has authenticated. */
  readonly principal?: string;
  /** `stream`: a streamed answer to an HTTP request. */
  readonly kind: 'websocket' | 'stream';
  /** RFC 3339. */
  readonly since: string;
  readonly subscriptions: number;
  /** Bytes on the wire, as the client has sent them. */
  readonly receivedBytes: number;
  /** Bytes on the wire that the server's system has taken. */
  readonly sentBytes: number;
  /** History that was read for the client and not consumed yet, and what waits in its socket. */
  readonly heldBytes: number;
  readonly userAgent?: string;
}

/** The connections of all gateways of the bus, the oldest first. */
export interface ConnectionList {
  readonly connections: readonly ConnectionInfo[];
  /** False: a gateway has not answered in time, and its connections are not among these. */
  readonly complete: boolean;
}

/** Times of one kind, ms, of the events or commits between two samples; interpolated within buckets. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface ShardFigures {
  readonly state: 'starting' | 'running' | 'restarting' | 'failed' | 'stopped';
  readonly publishedPerSecond: number;
  readonly deliveredPerSecond: number;
  /** How full the fullest ring is, 0 to 1. */
  readonly publishRingFill: number;
  readonly deliveryRingFill: number;
  /** Bytes in the write-ahead log that are not in the shard's file yet. */
  readonly walBytes: number;
  readonly lag: number;
  /** The share of the time since the sample before in which the shard's thread was not parked, 0 to 1. */
  readonly busy: number;
  /** Absent where nothing was committed. */
  readonly commitMs?: Percentiles;
}

/** The bus over the time since the sample before. Rates are means of that time. */
export interface FigureSample {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly publishedPerSecond: number;
  readonly deliveredPerSecond: number;
  readonly droppedPerSecond: number;
  /** Publishes refused because the store was full. */
  readonly refusedPerSecond: number;
  /** Absent where nothing was delivered, or nothing that was measured: one event in 64 is. */
  readonly deliveryMs?: Percentiles;
  /** Absent where nothing was committed. */
  readonly commitMs?: Percentiles;
  readonly subscriptions: number;
  /** WebSockets of all gateways. */
  readonly connections: number;
  readonly lag: number;
  /** Memory of the server's process. */
  readonly rssBytes: number;
  /** The heap of the gateway's thread that answers. */
  readonly heapBytes: number;
  /** What that gateway holds for its clients. */
  readonly heldBytes: number;
  /** By shard number. */
  readonly shards: readonly ShardFigures[];
}

export interface FiguresOptions {
  /** The `at` of a sample; only later ones are answered. Default: all that there are. */
  after?: number;
}

export interface Figures {
  /** The time between two samples. */
  readonly everyMs: number;
  /** The last 15 minutes at most, oldest first. */
  readonly samples: readonly FigureSample[];
}
