/** What a cursor names, and what has become of it in the log that there is now. */
export interface CursorPositions {
  readonly epoch: string;
  readonly positions: readonly number[];
}

/** Sequences of one shard that a cursor had been promised and that no longer exist. */
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
