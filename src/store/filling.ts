/**
 * The filling of an empty store with the events of another one: see `docs/adr/0087`. Records are appended as they are, with
 * their recorded times, and no repeats are looked for. No bus opens the store before `end`.
 */
export interface FillRequest {
  /** The number of shards that the user gave; `undefined`: the store decides. */
  readonly shards: number | undefined;
  /** A new store takes this number where the user gave none. */
  readonly defaultShards: number;
  readonly shardBy: { readonly segments: number } | undefined;
  /** The epoch of the history that is copied. A filling that was interrupted goes on for the same one alone. */
  readonly history: string;
}

/** An event as a log keeps it. */
export interface FilledEvent {
  /** ms since 1970; never runs backwards within a shard. */
  readonly recordedAt: number;
  /** The event record alone. Nobody changes it. */
  readonly bytes: Buffer;
}

export interface StoreFilling {
  readonly shards: number;
  readonly shardBy: { readonly segments: number } | undefined;
  /** By shard, the last sequence that an interrupted filling has left. */
  readonly heads: readonly number[];
  /**
   * The events after a sequence, up to another, in their order, as many as fit one answer; none if there are none.
   * @throws BusError `STORE_CORRUPT` for an event that is not what was stored
   */
  read(shard: number, after: number, until: number): Promise<readonly FilledEvent[]>;
  /**
   * Stores events behind `head`, of one shard one batch at a time. If it fails, any number of the first ones may be stored.
   * @throws BusError `STORE_FULL`, `PAYLOAD_TOO_LARGE`, `STORE_FAILED`, also if the shard has another head: somebody else writes to it
   */
  append(shard: number, head: number, events: readonly FilledEvent[]): Promise<void>;
  /**
   * Resolves when everything appended has the durability that the store promises.
   * @returns by shard, the last sequence that the store has
   */
  settle(): Promise<readonly number[]>;
  /** Makes it a store like any other. */
  end(): Promise<void>;
  /** Without `end`, what is there stays for the next filling. */
  close(): Promise<void>;
}
