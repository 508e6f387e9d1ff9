import { MIB } from './units.js';

/** Limits of alerts: the rules that watch a bus. */

/** How many alert rules a bus watches, those of its options included. */
export const ALERTS_MAX = 100;
export const ALERT_NAME_LENGTH_MAX = 64;
export const ALERT_DESCRIPTION_LENGTH_MAX = 1024;
/** The characters of a condition as JSON: all filters go to every shard with each question. */
export const ALERT_CONDITION_LENGTH_MAX = 4096;
/** How often the rules are judged, while there are any. */
export const ALERT_INTERVAL_MS = 1000;
/** The times that a rule may name, up to 31 days. */
export const ALERT_TIME_MS_MIN = ALERT_INTERVAL_MS;
export const ALERT_TIME_MS_MAX = 31 * 86_400_000;
/** How long a rule about single events fires after the last of them, if it names no time. */
export const ALERT_EVENT_WITHIN_MS = 300_000;
/** The largest rate that a rule may name, events a second. */
export const ALERT_RATE_MAX = 1e9;
/** A rule with a bound ceases to fire below this share of it, so that a value around the bound does not flap. */
export const ALERT_RESOLVED_SHARE = 0.9;
/** How many samples the mean of a rate is measured with: its window moves on in steps of that part of it. */
export const ALERT_RATE_SAMPLES = 60;
/** How many changes of alerts the bus keeps in memory. */
export const ALERT_TRANSITIONS_KEPT = 100;
export const ALERTS_FILE_BYTES_MAX = 4 * MIB;
/** How many events, and bytes, a shard's new thread reads again to count those that its predecessor had not told. */
export const ALERT_CATCH_UP_EVENTS = 4096;
export const ALERT_CATCH_UP_BYTES = 4 * MIB;
