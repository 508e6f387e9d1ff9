import type { ParsedFilter } from './filter.js';
import { hasWildcard } from './topic.js';
import { shardOf } from './topic-hash.js';

/** The shards that can hold events of the filter, in order: a topic lies in one shard, a wildcard may need all. */
export function shardsOf(filter: ParsedFilter, shards: number): number[] {
  if (filter.topics.some(hasWildcard)) return Array.from({ length: shards }, (_, shard) => shard);
  return [...new Set(filter.topics.map((topic) => shardOf(topic, shards)))].sort((a, b) => a - b);
}
