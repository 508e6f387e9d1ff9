import { KIB, MIB } from './units.js';

/** Limits of the memory that threads share: rings, credit, counters; and of the names that each thread has decoded. */

/** The size of a publish ring and of a delivery ring; there is one of each per endpoint and shard. */
export const RING_BYTES = 4 * MIB;
/** The rings to a thread that serves consumers and no subscriptions. */
export const DESK_RING_BYTES = MIB;
export const RING_BYTES_MIN = 4 * KIB;
export const RING_BYTES_MAX = 256 * MIB;
/**
 * The ring for subscribe, update, credit and requests. They are small and rare, and with their own ring never wait
 * behind publishes.
 */
export const CONTROL_RING_BYTES = 256 * KIB;
/** A record larger than one part in this many of its ring travels in a shared buffer of its own. */
export const RING_RECORD_SHARE = 8;
/** The bytes of a sender's records that travel in buffers of their own; a single record may have any size. */
export const LARGE_RECORD_BYTES_IN_FLIGHT_MAX = 64 * MIB;

/**
 * How many events, and how many of their bytes, a shard may send to a subscription ahead of their consumption. At least
 * four full batches, or a subscriber that keeps up would count as slow whenever a batch comes at once; and a multiple
 * of the subscription's own buffer.
 */
export const CREDIT_EVENTS = 16_384;
export const CREDIT_PER_BUFFERED_EVENT = 16;
export const CREDIT_BYTES = 8 * MIB;

/** How many gateway threads a bus counts, and for how many endpoints it counts connections separately. */
export const GATEWAYS_MAX = 64;
export const ENDPOINT_SHARES = 256;

/**
 * The cache of names (topic, type, source) that a thread has decoded from their bytes: its entries, a power of two, and
 * the bytes of one name.
 */
export const NAME_CACHE_ENTRIES = 8192;
export const NAME_CACHE_ENTRY_BYTES = 128;
