/** The progress of a backup. */
export interface BackupProgress {
  readonly shard: number;
  readonly shards: number;
  /** Pages of this shard's file, and how many of them are still to be copied. */
  readonly pages: number;
  readonly pagesLeft: number;
}

export interface BackupResult {
  readonly dir: string;
  readonly epoch: string;
  readonly takenAt: string;
  /** Per shard, the last sequence that is in the copy. */
  readonly heads: readonly number[];
  /** Cursor of a subscription that has seen every event in the copy. */
  readonly cursor: string;
  /** Size of the files that were written. */
  readonly bytes: number;
}
