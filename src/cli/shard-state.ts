import type { ShardStats } from '../protocol/bus-api.js';
import { formatNumber } from './table.js';

/** The state of a shard in a table, with what is left of an index that it makes in the background. */
export function shardState({
  state,
  unindexedEvents,
}: Pick<ShardStats, 'state' | 'unindexedEvents'>): string {
  return unindexedEvents > 0 ? `${state}, ${formatNumber(unindexedEvents)} to index` : state;
}
