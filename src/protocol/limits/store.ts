import { KIB, MIB } from './units.js';

/** Limits of stores: the ids that they remember, the room that they reserve, backups and findings. */

export const DEDUPE_WINDOW_MS = 120_000;
/**
 * How many ids given by publishers a shard remembers within that time: 16,600 a second, 84 MB in all. Beyond that, the
 * oldest is forgotten early, and clients are informed of how far back the window reaches.
 */
export const DEDUPE_IDS_MAX = 2_000_000;
/**
 * A store in which only the ids show which events a dead thread has stored remembers them for at least this long; the
 * thread's successor starts within it.
 */
export const SHARED_DEDUPE_WINDOW_MS_MIN = 30_000;
/**
 * A bus gives the opening of a store on a broker up after so long, whatever it waits for. A shard with 100,000 topics took 7 s on
 * NATS, on a busy machine.
 */
export const SHARED_OPEN_MS = 120_000;
/** An event is not handed to such a store again if less than this is left of the window. */
export const SHARED_DEDUPE_MARGIN_MS = 5000;

/** How many topics without events a shard still knows by name, to tell which topics' events may be missing in a gap. */
export const EMPTIED_TOPICS_KEPT = 10_000;
/** The most events of each topic that a rule of retention may keep; for more, one keeps by time or by number. */
export const KEEP_PER_TOPIC_MAX = 1_000_000;
/** How long one step that removes events should take. Publishes of the shard wait meanwhile. */
export const RETENTION_STEP_MS = 10;
/** The least and the most rows that a step removes, however quick or slow the steps before were. */
export const RETENTION_ROWS_MIN = 16;
export const RETENTION_ROWS_MAX = 1024;
/** A row counts once more for each so many bytes, a page of a log: to free them, SQLite goes through all its pages. */
export const RETENTION_ROW_BYTES = 16 * KIB;
/** The most room on the disk that each shard reserves for removals: a checkpoint's worth of its log and a batch. */
export const RESERVE_BYTES_MAX = 8 * MIB;
/** How many pages of 16 KiB a backup copies before it checks whether it was aborted. */
export const BACKUP_PAGES_PER_STEP = 256;
/** The least `claimCheckBytes`, a page of a log: each payload in a file costs the batch a flush of its own. */
export const CLAIM_CHECK_BYTES_MIN = 16 * KIB;
/** The largest payload that lies in a file: the largest that `maxPayloadBytes` allows. */
export const CLAIMED_PAYLOAD_BYTES_MAX = 64 * MIB;
/** How many payload files a log removes, or looks at after an opening, in one step. */
export const PAYLOAD_FILES_PER_STEP = 64;
/** How long a log waits before it tries again to remove a payload file that it could not remove. */
export const PAYLOAD_REMOVAL_RETRY_MS = 60_000;
/** How many files of batches whose commit failed a log remembers, to remove them later; the next opening finds more. */
export const PAYLOAD_LEFTOVERS_MAX = 1024;
/** How often a page is read again because a payload file was removed meanwhile. */
export const PAYLOAD_SNAPSHOTS_MAX = 16;
/** How many findings an error names; `verify` shows all. */
export const FINDINGS_REPORTED_MAX = 20;
/** The most that a copy between stores reads at once, and appends to one shard at once. */
export const COPY_BATCH_EVENTS = 1024;
export const COPY_BATCH_BYTES = MIB;
/** How many events lie between two reports of a copy's progress. */
export const COPY_PROGRESS_EVENTS = 4096;
