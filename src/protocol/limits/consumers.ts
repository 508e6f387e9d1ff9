import { KIB, MIB } from './units.js';

/** Limits and defaults of consumers: their definitions, members, leases, and all that shards and doors keep of them. */

/** How many consumers a bus has. */
export const CONSUMERS_MAX = 1000;
export const CONSUMER_NAME_BYTES_MAX = 128;
/** Fewer than a topic may have: a consumer's name stands within the topics on which the bus tells of it. */
export const CONSUMER_NAME_SEGMENTS_MAX = 13;
/** How many consumers one rule of retention may wait for. */
export const RETENTION_CONSUMERS_MAX = 100;
/** How many changes of consumers may wait for those before them. */
export const CONSUMER_CHANGES_WAITING_MAX = 1000;
export const CONSUMERS_FILE_BYTES_MAX = 16 * MIB;
/** How many members all consumers of a bus have together, those of one principal at one gateway, and of one connection. */
export const CONSUMER_MEMBERS_MAX = 10_000;
export const CONSUMER_MEMBERS_PER_PRINCIPAL_MAX = 2000;
export const CONSUMER_MEMBERS_PER_CONNECTION_MAX = 32;
/** How many handlers of one member may run at once. */
export const CONSUMER_CONCURRENCY_MAX = 10_000;
/** The default and the largest `maxInFlight`: how many events of one consumer may be leased, in all shards together. */
export const CONSUMER_IN_FLIGHT = 1000;
export const CONSUMER_IN_FLIGHT_MAX = 100_000;
/** The default and the largest `maxAhead`: how many open events a consumer may have in one shard. */
export const CONSUMER_AHEAD = 10_000;
export const CONSUMER_AHEAD_MAX = 100_000;
/** The bytes of records that one shard keeps in memory for all consumers, to lease them; others are read again. */
export const CONSUMER_RECORD_BYTES_MAX = 16 * MIB;
/** As many of these bytes may be records of events that a consumer has not come to because enough of them are open. */
export const CONSUMER_BACKLOG_BYTES_MAX = 12 * MIB;
/** How many patterns `priority` may have; each is a lane, and the rest of the events is one more. */
export const PRIORITIES_MAX = 8;

/** How long a member may take for an event, unless it asks for more time: the default and the bounds. */
export const LEASE_MS = 30_000;
export const LEASE_MS_MIN = 100;
export const LEASE_MS_MAX = 86_400_000;
/** The default and the largest `maxAttempts`. */
export const ATTEMPTS = 5;
export const ATTEMPTS_MAX = 1000;
/** How many waits `backoffMs` may list, and the longest wait, of a `nak` too: 30 days. */
export const BACKOFF_STEPS_MAX = 32;
export const BACKOFF_MS_MAX = 30 * 86_400_000;
/** The characters of the reason of a `nak` or a `term`. */
export const REASON_LENGTH_MAX = 1024;
/** After how many losses in a row, each the death of a member that had begun the event, it is leased alone. */
export const LOSSES_BEFORE_ALONE = 2;
/**
 * A member is leased as many events ahead of its handlers as it handled in this time, and at most so many. Shorter than
 * any lease, so that no event is leased ahead whose lease runs out before its turn.
 */
export const PREFETCH_MS = 20;
export const PREFETCH_MAX = 1024;
/** How long a bus that closes waits for the handlers of its members, and then for the shards to take note of the end. */
export const MEMBER_CLOSE_MS = 30_000;
export const MEMBER_LEAVE_MS = 1000;

/** How many settlements one record holds, and how many of one endpoint may wait for one shard's commit. */
export const SETTLEMENTS_PER_RECORD = 256;
export const SETTLEMENTS_OUT_MAX = 16_384;
/** The bytes that one settlement takes in its record, at the most. */
export const SETTLEMENT_BYTES_MAX = 32;
/** How many events a shard leases in one turn, and how many it reads for consumers that are behind. */
export const LEASES_PER_TURN = 4096;
export const CONSUMER_READ_EVENTS_PER_TURN = 1024;
/** A consumer's position that passes over events of others is stored once it is this many ahead of the stored one. */
export const CONSUMER_PASSED_MAX = 16_384;
/** How long a shard's new thread waits for the endpoints to say which leases they hold. */
export const CLAIMS_WAIT_MS = 5000;
/** How often a shard tries again to store a consumer's state for which the disk had no room. */
export const CONSUMER_FULL_RETRY_MS = 250;
/** The words of shared memory in which shards agree on keys and on `maxInFlight`. */
export const GATE_WORDS = 64 * KIB;
/**
 * How long a shard leaves a place of `maxInFlight` or a key that others wait for, or that it was handed, to whoever may
 * want it: in units of this.
 */
export const GATE_RETRY_MS = 4;
/** A shard is woken for a key or a place that another one gives up. It looks by itself as often as this. */
export const GATE_WAIT_MS = 250;

/** How often a shard reports news of consumers to main, and how many dead events and gaps of each it names. */
export const CONSUMER_NEWS_MS = 100;
export const CONSUMER_NEWS_MAX = 16;
/** How long a consumer has to be blocked, or to go on, before main is told of the change. */
export const CONSUMER_BLOCKED_MS = 1000;
/** How many entries a shard puts into one answer about a consumer: others wait for it meanwhile. */
export const CONSUMER_ENTRIES_PER_ANSWER = 64;

/** How many dead events one shard keeps for `redrive`, and the bytes of those that retention has removed. */
export const DEAD_KEPT_MAX = 100_000;
export const DEAD_BYTES_MAX = 64 * MIB;
/** How many dead letters an endpoint takes from a shard at once. */
export const LETTERS_PER_CALL = 64;
/** The waits before dead letters are published again that found no room: the first and the longest. */
export const LETTER_RETRY_MS = 250;
export const LETTER_RETRY_MS_MAX = 30_000;

/**
 * The characters of the reasons that one shard keeps in memory for all consumers: why the last attempts of open events
 * failed. Each counts for 100 besides.
 */
export const CONSUMER_FAILURES_LENGTH_MAX = 4 * MIB;

/** How many open or dead events a page of them has: the default and the most. */
export const CONSUMER_PAGE = 100;
export const CONSUMER_PAGE_MAX = 1000;
/** How many events of the log the preview of a `seek` looks at, in all shards together. */
export const SEEK_PREVIEW_EVENTS_MAX = 200_000;
/** How many of them a shard looks at for one call. */
export const SEEK_PREVIEW_EVENTS_PER_ANSWER = 256;
/** How many dead events one call may name to redrive them. */
export const REDRIVE_IDS_MAX = 10_000;
/** How long metrics wait for the figures of the consumers. */
export const CONSUMER_FIGURES_MS = 2000;
/** Of how many consumers a list asks the shards at the same time. */
export const CONSUMERS_AT_ONCE = 32;

/** How many events one `pull` may ask for, and how long it may wait for the first. */
export const PULL_MAX = 1000;
export const PULL_WAIT_MS_MAX = 30_000;

/** The bytes of payloads that one `pull` of a gateway's client answers with, beyond its first event. */
export const PULL_BYTES_MAX = 8 * MIB;
/** How many pulls of one principal may wait or be answered at once, over all its connections to one gateway. */
export const PULLS_PER_PRINCIPAL_MAX = 256;
/** How many settlements one frame or request may hold, and the characters of a lease's text. */
export const SETTLEMENTS_PER_REQUEST_MAX = 256;
export const LEASE_TEXT_LENGTH_MAX = 128;
/** How many names a request for consumers may list. */
export const CONSUMER_NAMES_PER_REQUEST_MAX = 256;
/** How long an endpoint stays the member by which it settles leases of others, once nobody uses it. */
export const SETTLER_IDLE_MS = 10_000;
/** How many consumers' names a gateway remembers by the ids in the texts of leases. */
export const LEASE_NAMES_MAX = 1000;
/** How many leases of consumers that it does not remember it goes on with in one turn: refusing one takes about 6 µs. */
export const LEASE_NAMES_PER_TURN = 16;
/** How often a gateway checks a client's grants anew because the consumer was changed before the client's change of it. */
export const CONSUMER_CHANGE_TRIES_MAX = 8;
/**
 * Of how many endpoints that have left a shard keeps which settlement it decided last. Endpoints of other nodes may come
 * again, and repeat what they were not told of.
 */
export const SETTLED_ENDPOINTS_MAX = 4096;
