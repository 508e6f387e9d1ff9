/** Limits of publishes that wait for their time, and of schedules. */

/** Publishes that may wait in one shard. They cost room on the disk, and no memory. */
export const WAITING_PUBLISHES_MAX = 1_000_000;
/** How far ahead a publish may be delivered: a hundred years, ms. */
export const DELIVER_AHEAD_MS_MAX = 36_525 * 86_400_000;
/** Waiting publishes that one batch of a shard takes at most; their records have a bound of bytes too. */
export const DUE_EVENTS_PER_BATCH = 1024;
/** The pause after which a shard tries again what a full disk, or a subscription that blocks, held up, ms. */
export const DUE_RETRY_MS = 250;
/** Waiting publishes that a list has at most; its default. */
export const SCHEDULED_LIMIT_MAX = 1000;
export const SCHEDULED_LIMIT = 100;
/** Waiting publishes that a shard examines for one answer. */
export const SCHEDULED_PER_REPLY = 256;
