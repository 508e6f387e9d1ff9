import type { FilledEvent } from '../filling.js';

/** A history that is copied. It stays as it was when it was opened, but for what retention removes. */
export interface CopySource {
  readonly shards: number;
  readonly shardBy: { readonly segments: number } | undefined;
  /** The epoch. */
  readonly history: string;
  /** About how many events there are: removed ones count. */
  readonly total: number;
  /**
   * All events of a shard from the first on, in pieces, up to the head that the source had when it was opened.
   * @throws BusError `STORE_CORRUPT`, `STORE_FAILED`
   */
  events(shard: number): AsyncIterable<readonly FilledEvent[]>;
  close(): Promise<void>;
}
