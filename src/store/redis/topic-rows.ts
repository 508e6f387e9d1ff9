import type { TopicSummary } from '../shard-log.js';

/**
 * A topic's row: six float64, little endian. The append script writes it with `struct.pack`.
 *
 * ```
 *  0 events   8 firstSequence   16 firstAt   24 lastSequence   32 lastAt   40 prunedThrough
 * ```
 */
export function topicOfRow(name: string, row: Buffer): TopicSummary {
  return {
    name,
    events: row.readDoubleLE(0),
    firstSequence: row.readDoubleLE(8),
    firstAt: row.readDoubleLE(16),
    lastSequence: row.readDoubleLE(24),
    lastAt: row.readDoubleLE(32),
    prunedThrough: row.readDoubleLE(40),
  };
}
