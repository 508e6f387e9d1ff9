/**
 * The journal of one shard's consumers in a broker: what its owner has stored, in order. A broker implements it; docs/adr/0086
 * says what it is for.
 */
export interface ConsumerJournal {
  /**
   * Takes the journal over: from now on every `append` and `compact` of whoever had it before fails.
   * @returns the last snapshot and all entries behind it, in order
   * @throws BusError `STORE_FAILED`
   */
  take(): Promise<readonly Uint8Array[]>;

  /**
   * Adds an entry, one at a time. It resolves when the entry is as safe as an event that the broker has acknowledged.
   * @throws OwnerChanged if another node has taken the journal: nothing was added; BusError `STORE_FULL`: neither; any other
   *   failure: it is not known whether the entry was added
   */
  append(entry: Uint8Array): Promise<void>;

  /**
   * Puts a snapshot, which comes as entries, in the place of all that was added. Whoever takes the journal meanwhile finds either
   * what was there before or the whole snapshot.
   * @throws as `append`
   */
  compact(snapshot: Iterable<Uint8Array>): Promise<void>;
}

/** Another node has taken the journal over. */
export class OwnerChanged extends Error {
  override readonly name = 'OwnerChanged';

  constructor() {
    super('another node owns the consumers of this shard now');
  }
}
