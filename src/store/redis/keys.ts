/** The keys of a store. Those of one shard share a hash tag, so that a cluster keeps them in one place. */
export interface ShardKeys {
  /** A hash: `epoch`, `epochs` (before it), `head`, `at` (the time of the last event, ms), `pruned`, `bytes` (of all records), `forgotten`. */
  readonly meta: string;
  /** The stream of events; the id of an entry is `SEQUENCE-0`. */
  readonly log: string;
  /** A hash from the identity of an event to its sequence, for those of the window. */
  readonly ids: string;
  /** A list of batches of identities, the oldest first: their time, and then they themselves. */
  readonly idsByAge: string;
  /** A hash from a topic to its numbers: see `topic-rows.ts`. */
  readonly topics: string;
  /** A sorted set of the topics without events, by the sequence of their last event. */
  readonly emptied: string;
  /** A stream of one entry, whose id is `SEQUENCE-0` of the last event that the replicas have. */
  readonly confirmed: string;
}

/** A hash: what is said of the whole store. */
export function storeKey(prefix: string): string {
  return `{${prefix}}:store`;
}

export function shardKeys(prefix: string, shard: number): ShardKeys {
  const tag = `{${prefix}:${shard}}`;
  return {
    meta: `${tag}:meta`,
    log: `${tag}:log`,
    ids: `${tag}:ids`,
    idsByAge: `${tag}:ids-by-age`,
    topics: `${tag}:topics`,
    emptied: `${tag}:topics-emptied`,
    confirmed: `${tag}:confirmed`,
  };
}

/** Where the last batch of one log is noted, so that it knows what of it is stored when it sends the batch again. */
export function batchKey(prefix: string, shard: number, log: string): string {
  return `{${prefix}:${shard}}:batch:${log}`;
}

/** The keys of a journal of consumers: `state` is a hash, `owner` and `number`; the others are lists of entries. */
export interface JournalKeys {
  readonly state: string;
  readonly journal: string;
  /** What is to take the journal's place. */
  readonly next: string;
}

export function journalKeys(prefix: string, shard: number): JournalKeys {
  const tag = `{${prefix}:${shard}}:consumers`;
  return { state: `${tag}:owner`, journal: `${tag}:journal`, next: `${tag}:snapshot` };
}

/** A hash: `version` and `text`. */
export function sharedTextKey(prefix: string, name: string): string {
  return `{${prefix}}:consumers:${name}`;
}
