import type { Gap } from '../../protocol/bus-api.js';
import type { ParsedFilter } from '../../protocol/filter.js';
import { shardsOf } from '../../protocol/filter-shards.js';
import type { SubscribeFrom } from '../../protocol/subscribe-from.js';
import { parseTimestamp } from '../../protocol/timestamp.js';
import type { Asker } from '../asker.js';
import type { HistorySource } from '../read/history-source.js';
import { lastSequences } from '../read/last-sequences.js';
import { newestPositions } from './newest.js';

/** Finds where a reader begins in each shard's log: a subscription, or a durable consumer. */

export interface Start {
  readonly filter: ParsedFilter;
  readonly from: SubscribeFrom;
  readonly asker: Asker;
  /** True once nobody waits for the result. */
  isOver(): boolean;
  /** Called for each piece of history before the start that a cursor has missed. */
  onGap(gap: Gap): void;
}

/** By shard, the position behind which the reader begins. `heads` are those of the shards, now. */
export async function startPositions(
  source: HistorySource,
  heads: readonly number[],
  { filter, from, asker, isOver, onGap }: Start,
): Promise<readonly number[]> {
  if (from === 'now') return heads;
  if (from === 'earliest') return heads.map(() => 0);
  const needed = shardsOf(filter, { shards: heads.length, segments: source.segments });
  if (from === 'latest') return beforeNewest(source, heads, needed, { filter, asker, isOver });
  if ('since' in from) {
    const sinceMs = parseTimestamp(from.since);
    const positions = heads.map((head, shard) =>
      // A shard that is not needed may have been given up, and its log cannot be asked then.
      needed.includes(shard) ? source.positionAt(shard, sinceMs, asker) : head,
    );
    return Promise.all(positions);
  }
  if ('last' in from) {
    return newestPositions(source, { filter, last: from.last, heads, isOver, asker });
  }
  const { positions, gaps } = await source.resolveCursor(from.after);
  for (const gap of gaps) if (needed.includes(gap.shard)) onGap(gap);
  return positions;
}

type Newest = Pick<Start, 'filter' | 'asker' | 'isOver'>;

/**
 * Right before the first of the newest events of all topics, so that a subscription that is resumed before it has had an
 * event misses none.
 */
async function beforeNewest(
  source: HistorySource,
  heads: readonly number[],
  needed: readonly number[],
  { filter, asker, isOver }: Newest,
): Promise<number[]> {
  const positions = [...heads];
  const find = async (shard: number): Promise<void> => {
    const range = {
      patterns: filter.topics,
      after: 0,
      until: heads[shard]!,
      reverse: false,
      asker,
    };
    for await (const [first] of lastSequences(source.lasts(shard), range, 1)) {
      if (first !== undefined) positions[shard] = first - 1;
      return;
    }
  };
  if (!isOver()) await Promise.all(needed.map(find));
  return positions;
}
