import { KIB, MIB } from './units.js';

/** Limits of the shards: their loop, the queues of subscribers, their answers, and their clocks. */

export const SHARDS_MAX = 16;
/** How often a shard's thread is started without progress in between before the bus gives it up. */
export const SHARD_RESTARTS_MAX = 5;
export const COMMIT_BATCH_EVENTS = 4096;
export const COMMIT_BATCH_BYTES = 4 * MIB;

/** For how many topics a shard remembers the matching subscriptions. */
export const TOPIC_MATCHES_TOPICS = 65_536;
/** How many subscriptions it remembers over all those topics, eight bytes each. */
export const TOPIC_MATCHES_VALUES = 4 * MIB;
/** How many changes of patterns a shard remembers, to tell which topics they concern. */
export const PATTERN_CHANGES_KEPT = 16;
/** The bytes that one subscriber's queue in one shard may hold, whatever `maxBuffer` is. */
export const SUBSCRIBER_BUFFER_BYTES_MAX = 16 * MIB;

/** A subscription further behind than this reads history from the reader threads, not the shard. */
export const SHARD_CATCH_UP_EVENTS_MAX = 4096;
/**
 * How much one turn of a shard's loop does for subscribers that are behind: queued events sent, and events read from
 * the log.
 */
export const LIVE_FEED_EVENTS_PER_TURN = 4096;
export const CATCH_UP_EVENTS_PER_TURN = 512;
export const CATCH_UP_EVENTS_PER_STEP = 128;
export const CATCH_UP_BYTES_PER_STEP = 256 * KIB;
/** How many topics are examined in one step of finding out what a pruned part of the history means to a subscriber. */
export const GAP_TOPICS_PER_STEP = 1024;

/** How many topics a shard examines for one answer. */
export const TOPICS_PER_REPLY = 1024;
/** How many subscribers, and characters of their patterns, one answer of a shard holds. */
export const SUBSCRIBERS_PER_REPLY = 256;
export const SUBSCRIBERS_PATTERNS_LENGTH_PER_REPLY = 256 * KIB;
/** How many lags of subscriptions one answer of a shard holds. */
export const LAGS_PER_REPLY = 512;
/** Of how many names of subscriptions a shard remembers whether a rule of an alert asks for them. */
export const NAMES_REMEMBERED_MAX = 10_000;
/**
 * How many topics and subscribers a shard examines in one turn for all requests together; the last answer may exceed
 * it.
 */
export const ANSWERED_PER_TURN = 4096;

/** A wall clock that moves by more than this against the monotonic clock was set. */
export const CLOCK_STEP_MS = 1000;
/** A clock that was set forward is trusted once it has stayed there for this long. */
export const CLOCK_CONFIRM_MS = 60_000;
/** For this long after such a step, deletion by age goes by the time before the step. */
export const CLOCK_CAUTION_MS = 600_000;
/** While the wall clock is behind the last recorded time, recorded time passes this many times slower. */
export const CLOCK_CATCH_UP_DIVISOR = 10;
