import { KIB } from './units.js';

/** Limits of publishes that wait for their time, and of schedules. */

/** Publishes that may wait in one shard. They cost room on the disk, and no memory. */
export const WAITING_PUBLISHES_MAX = 1_000_000;
/** How far ahead a publish may be delivered: a hundred years, ms. */
export const DELIVER_AHEAD_MS_MAX = 36_525 * 86_400_000;
/** Waiting publishes that one batch of a shard takes at most; their records have a bound of bytes too. */
export const DUE_EVENTS_PER_BATCH = 1024;
/** The pause after which a shard tries again what a full disk, or a subscription that blocks, held up, ms. */
export const DUE_RETRY_MS = 250;
/** The pause after which a schedule's move to another shard that was refused is ended: it doubles up to the second, ms. */
export const MOVE_RETRY_MS = 1000;
export const MOVE_RETRY_MS_MAX = 60_000;
/** Waiting publishes that a list has at most; its default. */
export const SCHEDULED_LIMIT_MAX = 1000;
export const SCHEDULED_LIMIT = 100;
/** Waiting publishes that a shard examines for one answer. */
export const SCHEDULED_PER_REPLY = 256;

/** Schedules of one shard, and the length of a definition's JSON. */
export const SCHEDULES_PER_SHARD_MAX = 1000;
export const SCHEDULE_BYTES_MAX = 32 * KIB;
/** Schedules that one answer of a shard holds. */
export const SCHEDULES_PER_REPLY = 16;
/** A name and a due time make the id of an event. */
export const SCHEDULE_NAME_LENGTH_MAX = 40;
export const SCHEDULE_CRON_LENGTH_MAX = 200;
export const SCHEDULE_EVERY_MS_MIN = 1000;
/** Ten years. */
export const SCHEDULE_EVERY_MS_MAX = 3650 * 86_400_000;
/** A due time is late, and counts as missed, from then on. */
export const SCHEDULE_LATE_MS = 10_000;
/** Due times of one schedule that become events after they were missed: the last ones. */
export const SCHEDULE_MISSED_MAX = 1000;
/** Due times that `schedules.next` lists at most. */
export const SCHEDULE_NEXT_MAX = 1000;
