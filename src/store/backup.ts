/** What a backup says of itself, while it is made and when it is done. */
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
  /** Where a subscription goes on that has seen all that is in the copy. */
  readonly cursor: string;
  /** Of the files that were written. */
  readonly bytes: number;
}
