/**
 * What a broker keeps and carries for the durable consumers of all nodes that share a history. A broker implements it;
 * docs/adr/0086 says what it is for.
 */

/** The exports of the module behind `ConsumerBrokerAddress.module`: each thread that needs the broker opens it. */
export interface ConsumerBrokerModule {
  openConsumerBroker(options: unknown): ConsumerBroker | Promise<ConsumerBroker>;
}

export interface ConsumerBroker {
  /** The longest message that `send` takes, bytes. */
  readonly messageBytesMax: number;

  /** The journal of one shard's consumers. Who takes it has one of them, and no other. */
  journal(shard: number): ConsumerJournal;

  /** A text that all nodes share, by its name. */
  text(name: SharedTextName): SharedText;

  /**
   * Takes the messages that are sent to an address. Resolves once those arrive that are sent from now on.
   * @returns ends it
   */
  listen(address: string, onMessage: (message: Uint8Array) => void): Promise<() => void>;

  /**
   * Sends a message to all who listen at an address. It may be lost; but what arrives of one sender's messages to one
   * address arrives in order, and once.
   */
  send(address: string, message: Uint8Array): void;

  close(): void | Promise<void>;
}

/** `owner`: who serves the consumers. `list`: the list of all consumers. */
export type SharedTextName = 'owner' | 'list';

/**
 * A text that is replaced by compare-and-set. Both calls reject with BusError `STORE_FAILED`, the second also with `STORE_FULL` and
 * with `LIMIT_EXCEEDED` for a text that is longer than the broker takes.
 */
export interface SharedText {
  read(): Promise<VersionedText>;
  /**
   * Replaces the text of a version. After a rejection it is not known whether the text was replaced.
   * @returns the new version; undefined: there is another version by now, and nothing was replaced
   */
  replace(version: number, text: string): Promise<number | undefined>;
}

export interface VersionedText {
  /** Grows with each replacement; 0: nothing was ever written. */
  readonly version: number;
  readonly text: string | undefined;
}

/** The journal of one shard's consumers: what its owner has stored, in order. */
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

export const OWNER_CHANGED = 'OwnerChanged';

/** Another node has taken the journal over. */
export class OwnerChanged extends Error {
  override readonly name = OWNER_CHANGED;

  constructor() {
    super('another node owns the consumers of this shard now');
  }
}
