/**
 * How a shard's log lets go of events that have expired. The event's record carries the time; a log of its own also
 * finds the events by it. The shard's thread alone calls this, outside a batch.
 */
export interface ShardExpiry {
  /**
   * When the first of the committed events expires, ms since 1970; `Infinity` if none does. A damaged entry that `due` has
   * shown does not count.
   * @throws BusError `STORE_FAILED`, `STORE_CORRUPT`
   */
  readonly first: number;

  /**
   * Events that have expired at a time, ms since 1970: the first ones, in the order of their sequences. A bounded number
   * of them, and fewer where looking for them takes long; one at least. A damaged entry is shown once, with its fault, and
   * then passed over until the log is opened again.
   * @throws BusError `STORE_FAILED`; `STORE_CORRUPT` if the entries cannot be read at all
   */
  due(now: number): ExpiredEvent[];

  /**
   * Removes events that `due` has shown, in one transaction; those that are gone already are passed over. For readers,
   * what is removed is no gap: no topic counts as pruned by it.
   * @returns the number of events removed
   * @throws BusError `STORE_FULL`, `STORE_FAILED`; `STORE_CORRUPT` if something that goes with one of them is damaged: none is
   * removed then
   */
  remove(sequences: readonly number[]): number;

  /** The event cannot be removed: it stays, and `due` does not show it until the log is opened again. */
  passOver(sequence: number): void;
}

export interface ExpiredEvent {
  readonly sequence: number;
  /** What is wrong with its entry or its row: it stays, hidden. */
  readonly fault?: string;
}
