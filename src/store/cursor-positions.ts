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
