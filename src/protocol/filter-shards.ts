import type { ParsedFilter } from './filter.js';
import { hasWildcard } from './topic.js';
import { shardOf } from './topic-hash.js';

/** How topics are divided among shards. */
export interface ShardLayout {
  readonly shards: number;
  /** How many first segments of a topic decide; 0: the whole topic does. */
  readonly segments: number;
}

/**
 * The shards that can hold events of the filter, in order: a topic lies in one shard, and so do all topics of a pattern
 * whose deciding segments are literal. Any other pattern may need all.
 */
export function shardsOf({ topics }: ParsedFilter, { shards, segments }: ShardLayout): number[] {
  const found = new Set<number>();
  for (const pattern of topics) {
    const start = decidingPart(pattern, segments);
    if (start === undefined) return Array.from({ length: shards }, (_, shard) => shard);
    found.add(shardOf(start, shards, segments));
  }
  return [...found].sort((a, b) => a - b);
}

/** The literal part of a pattern that decides the shard of all topics that it matches; undefined if there is none. */
function decidingPart(pattern: string, segments: number): string | undefined {
  if (!hasWildcard(pattern)) return pattern;
  const parts = pattern.split('.');
  if (segments === 0 || parts.length <= segments) return undefined;
  const start = parts.slice(0, segments).join('.');
  return hasWildcard(start) ? undefined : start;
}
