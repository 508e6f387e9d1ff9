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
 * The credit in bytes of a client's subscriptions in a shard, shared by those of one connection, but at least the
 * minimum for each.
 */
export const CLIENT_CREDIT_BYTES = 2 * MIB;
export const CLIENT_CREDIT_BYTES_MIN = 64 * KIB;

/** How many reads of the log a gateway has under way; principals take turns. */
export const READS_AT_ONCE_MAX = 8;
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
