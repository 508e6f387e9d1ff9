import { KIB, MIB } from './units.js';

/** How much clients may hold of a gateway: bytes, queries, subscriptions, patterns. */

/**
 * The bytes of history and of socket buffers that a gateway may hold: for one connection, for one principal (without a
 * token: for one address), and in all. At any of these limits history is read no further until clients have taken some.
 */
export const HELD_BYTES_PER_CONNECTION_MAX = 16 * MIB;
export const HELD_BYTES_PER_PRINCIPAL_MAX = 128 * MIB;
export const HELD_BYTES_MAX = 512 * MIB;
/**
 * The credit in bytes that a client's subscription has in a shard: what has been sent to it and was not consumed. Each gets
 * a share of what the principal's others leave of `HELD_BYTES_PER_PRINCIPAL_MAX`, and those of one connection share
 * `HELD_BYTES_PER_CONNECTION_MAX`. Each gets `_MIN` at least until the sum is twice what a principal may hold, and `_LEAST`
 * from then on.
 */
export const CLIENT_CREDIT_BYTES = 2 * MIB;
export const CLIENT_CREDIT_SHARES = 32;
export const CLIENT_CREDIT_BYTES_MIN = 64 * KIB;
export const CLIENT_CREDIT_BYTES_LEAST = 4 * KIB;

/**
 * While others are there too: how long a gateway's thread works for one principal before it looks at the others, and how
 * many publishes and settlements of one may be under way, and their bytes. Others are there if they have asked for
 * something within the first time, and busy if within the second.
 */
export const WORK_SLICE_MS = 1;
/**
 * While others are busy, a slice is done in pieces of this length, between which the thread looks at their sockets. A
 * request passes through the thread about five times, and waits for half a piece each time.
 */
export const WORK_PIECE_MS = 0.25;
/** So much of what a socket has brought is read before that is looked at. */
export const WORK_PIECE_BYTES_MAX = 8 * KIB;
/** How much longer it waits for each ms by which one piece of work was longer than a slice. */
export const WORK_OVERRUN_PAUSE = 2;
/** What a frame costs the thread besides, until it is answered: an estimate. */
export const WORK_FRAME_MS = 0.06;
/** What a MiB of inflated messages costs the process, in other threads: 1.4 to 4.5 ms. */
export const WORK_INFLATED_MIB_MS = 3;
/** A call of a shard counts no more than this: the shard's thread may have been replaced meanwhile. */
export const WORK_ASK_MS_MAX = 1_000;
export const WORK_OTHERS_MS = 10_000;
export const WORK_BUSY_MS = 20;
/** Of how many principals without a connection a gateway remembers what they have taken of its thread. */
export const WORK_SHARES_KEPT_MAX = 1024;
export const WORK_REQUESTS_MAX = 512;
export const WORK_REQUEST_BYTES_MAX = 512 * KIB;

/** What the settlement of a lease costs the thread besides, where it is refused: an estimate. */
export const WORK_SETTLEMENT_MS = 0.02;
/** What a member of a consumer costs it, with the shards' part: an estimate. */
export const WORK_MEMBER_MS = 0.3;
/** What a question to a reader of history, and its answer, cost the thread: an estimate. */
export const WORK_LOOK_MS = 0.05;
/**
 * What an event costs the thread, and a KiB of its record, that comes for a subscription's history, a query of the newest of
 * each topic, or a pull: an estimate. What is sent for other queries and lists is measured.
 */
export const WORK_FOUND_EVENT_MS = 0.004;
export const WORK_FOUND_KIB_MS = 0.002;

/** How many reads of the log a gateway has under way, in all and of one principal; principals take turns. */
export const READS_AT_ONCE_MAX = 8;
export const READS_PER_PRINCIPAL_MAX = 6;
/** How many short looks a thread that reads history does for one question, each in its turn. */
export const READ_LOOKS_MAX = 16;
/** How many principals and endpoints a thread that reads history remembers, to share its time among them. */
export const READ_OWNERS_KNOWN_MAX = 1024;
/** For how many principals a gateway has shards look for something; each has one such call under way. */
export const ASKS_AT_ONCE_MAX = 64;
/**
 * How many queries and lists run at once: of one connection, of one principal and in all. Others wait for their turns.
 */
export const QUERIES_PER_CONNECTION_MAX = 8;
export const QUERIES_PER_PRINCIPAL_MAX = 32;
export const QUERIES_AT_ONCE_MAX = 128;
/** How many queries and lists of one principal may wait; more are refused. */
export const QUERIES_WAITING_PER_PRINCIPAL_MAX = 1024;

export const SUBSCRIPTIONS_PER_CONNECTION_MAX = 128;
/** For one principal over all its connections, or for one address without a token. */
export const SUBSCRIPTIONS_PER_PRINCIPAL_MAX = 32_768;
/**
 * How many patterns all subscriptions of one connection, and of one principal, may have. Every shard keeps each of
 * them.
 */
export const PATTERNS_PER_CONNECTION_MAX = 8192;
export const PATTERNS_PER_PRINCIPAL_MAX = 262_144;
