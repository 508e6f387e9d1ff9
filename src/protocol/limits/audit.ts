import { KIB, MIB } from './units.js';

/** Limits and defaults of `audit`. */

/** How many events are written and flushed together, and their bytes; a crash can tear no more than that. */
export const AUDIT_BATCH_EVENTS_MAX = 1024;
export const AUDIT_BATCH_BYTES_MAX = 8 * MIB;
/** How many events a sink holds at once: the default and the most. */
export const AUDIT_CONCURRENCY = 1000;
export const AUDIT_CONCURRENCY_MAX = 4096;
/** The size beyond which a file is followed by the next: the default and the bounds. */
export const AUDIT_FILE_BYTES = 64 * MIB;
export const AUDIT_FILE_BYTES_MIN = KIB;
export const AUDIT_FILE_BYTES_MAX = 1024 * MIB;
/** The shortest `rotateMs`. */
export const AUDIT_ROTATE_MS_MIN = 1000;
/** A longer line is none: the largest payload, and room for the rest of its event. */
export const AUDIT_LINE_BYTES_MAX = 80 * MIB;
/** The bytes of a key. */
export const AUDIT_KEY_BYTES_MIN = 16;
export const AUDIT_KEY_BYTES_MAX = 4 * KIB;
/** Of how many earlier files the events are kept in memory, while the consumer hands out old ones again. */
export const AUDIT_FILES_KEPT = 4;
export const AUDIT_FILES_MAX = 999_999;
/** How often a writer looks again for a trail that another is writing to, and when it takes that one for dead. */
export const AUDIT_LOCK_RETRY_MS = 20;
export const AUDIT_LOCK_STALE_MS = 15_000;
