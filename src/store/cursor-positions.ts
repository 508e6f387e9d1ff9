/** A decoded cursor: its epoch, and a position per shard. */
export interface CursorPositions {
  readonly epoch: string;
  readonly positions: readonly number[];
}

/** Sequences of one shard, up to a cursor's position, that no longer exist. */
export interface CursorGap {
  readonly shard: number;
  readonly from: number;
  readonly to: number;
  readonly reason: 'rolled-back';
}

export interface ResolvedCursor {
  readonly positions: number[];
  readonly gaps: CursorGap[];
}

/**
 * Cuts positions beyond a shard's head back to that head, each with a gap. A cursor of the current epoch points beyond
 * a head only if the log has lost events: it was put back from an older copy, or its broker came back with less.
 */
export function cutToHeads(
  { positions, gaps }: ResolvedCursor,
  heads: readonly number[],
): ResolvedCursor {
  const cut = positions.map((position, shard) => Math.min(position, heads[shard]!));
  for (const [shard, position] of positions.entries()) {
    const from = cut[shard]! + 1;
    if (from <= position) gaps.push({ shard, from, to: position, reason: 'rolled-back' });
  }
  return { positions: cut, gaps };
}
