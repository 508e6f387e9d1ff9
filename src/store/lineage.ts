/** What a history is, and what it was before: for those who keep parts of it elsewhere. */
export interface Lineage {
  /** The same for a directory and for whatever was restored from its backups. */
  readonly directory: string;
  readonly shards: number;
  readonly epoch: string;
  /** The epochs before, oldest first. */
  readonly earlier: readonly EndedEpoch[];
}

export interface EndedEpoch {
  readonly epoch: string;
  /** Per shard, the last sequence that the next epoch took over. */
  readonly heads: readonly number[];
}
