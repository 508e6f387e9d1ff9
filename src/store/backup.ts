/** The progress of a backup. */
export interface BackupProgress {
  readonly shard: number;
  readonly shards: number;
  /** Pages of this shard's file, and how many of them are still to be copied. */
  readonly pages: number;
  readonly pagesLeft: number;
}
