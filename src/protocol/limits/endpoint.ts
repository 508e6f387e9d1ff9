import { MIB } from './units.js';

/** Limits of an endpoint: publishing, handing out, reading history, and its reports. */

export const PUBLISH_WAIT_MS = 10_000;
/** How many publishes of one endpoint may wait for room in one shard's ring, and how many bytes of them. */
export const PUBLISH_WAITERS_MAX = 65_536;
export const PUBLISH_WAITERS_BYTES_MAX = 64 * MIB;
/**
 * How many events of an endpoint may wait for the thread that opened the bus to check their payloads, how many
 * characters of payloads, and for how long.
 */
export const PAYLOAD_CHECKS_MAX = 65_536;
export const PAYLOAD_CHECKS_LENGTH_MAX = 64 * MIB;
export const PAYLOAD_CHECK_WAIT_MS = 10_000;
/** For how many topics an endpoint remembers the definitions (`defineTopic`). */
export const TOPIC_DEFINITION_CACHE_TOPICS = 4096;
/** For how many topics an endpoint remembers the shard. */
export const TOPIC_ROUTES_CACHED_MAX = 16_384;

/** How many records an endpoint takes from one shard before it lets its event loop turn. */
export const DELIVERIES_PER_TURN = 2048;
/** How long an endpoint takes records, while there are always some, before it lets its event loop turn. */
export const DELIVERY_TURN_MS = 5;
/**
 * How long an endpoint hands out events, while there are always some, before it lets its event loop turn. Longer than
 * quick handlers take for a full window.
 */
export const HAND_OUT_TURN_MS = 20;
/** The most events that are handed out between two readings of the clock. */
export const TURN_LOOK_EVENTS_MAX = 16;
/** The time to the endpoint is measured for one event in this many. */
export const DELIVERIES_PER_SAMPLE = 64;

/** How many threads read history, while a worker or gateway is attached or a read is under way. */
export const READER_THREADS = 2;
export const READ_PAGE_EVENTS = 512;
export const READ_PAGE_BYTES = 1 * MIB;
/** How many topics of one shard `latest` holds the last sequences of; for more topics it asks the shard again. */
export const LATEST_TOPICS_HELD = 65_536;
/** How many subscriptions `subscribers()` lists if no topic is named, those furthest behind first. */
export const SUBSCRIBERS_LISTED_MAX = 100;

/** A shard that has not answered within this time is not ready. */
export const READY_ANSWER_MS = 2000;
/** How many system events about errors an endpoint publishes in a second. */
export const SYSTEM_ERRORS_PER_SECOND_MAX = 10;
/** How often the bus publishes its health on `$sys.health`. */
export const HEALTH_INTERVAL_MS = 10_000;
