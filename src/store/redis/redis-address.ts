import type { ParsedRedisOptions } from './redis-options.js';

/** What the threads of a bus need to find an open store. */
export interface RedisAddress {
  readonly options: ParsedRedisOptions;
  /** The epoch in which the store was opened. */
  readonly epoch: string;
  readonly shards: number;
  readonly dedupeWindowMs: number;
  /** The servers flushed each write when the store was opened. */
  readonly isSynced: boolean;
}
