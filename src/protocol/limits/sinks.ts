/** Limits of the sinks of `millrace/sinks`. */

/** The waits before a sink tries again what has failed: the first and the longest. */
export const SINK_RETRY_MS = 250;
export const SINK_RETRY_MS_MAX = 30_000;

/** How many events one transaction of a projection applies: the default and the most. */
export const PROJECT_BATCH = 256;
export const PROJECT_BATCH_MAX = 5000;
/** After how many events a projection asks its consumer how far all is done, so that it need not name them any more. */
export const PROJECT_SETTLE_EVENTS = 512;
/** How many events the position of a projection may name: those applied beyond one that is not done, and dead ones. */
export const PROJECT_NAMED_MAX = 50_000;

/** How many rows of an outbox are published at once: the default and the most. */
export const OUTBOX_BATCH = 256;
export const OUTBOX_BATCH_MAX = 4096;
/** How often an outbox looks for rows of other processes: the default and the longest. */
export const OUTBOX_POLL_MS = 100;
export const OUTBOX_POLL_MS_MAX = 60_000;
/** An attempt that took longer leaves the next rows in doubt. Far shorter than the bus remembers ids. */
export const OUTBOX_STALE_MS = 10_000;
/** Of how many topics rows are passed over that cannot be published now; beyond, all rows wait. */
export const OUTBOX_TOPICS_WAITING_MAX = 1000;
/** How many rows in doubt are looked up at the same time. */
export const OUTBOX_LOOKUPS_AT_ONCE = 16;
/** How many rows of an outbox its figures count: more are told as so many. */
export const OUTBOX_COUNTED_MAX = 10_000;

/** How many sinks figures name; all are counted. */
export const SINKS_LISTED_MAX = 100;
/** How many sinks of one thread that have failed are still shown. */
export const SINKS_FAILED_KEPT_MAX = 20;
/** How often a thread notes the figures of its sinks, and how long those who ask for them wait for the main thread. */
export const SINK_FIGURES_MS = 1000;
export const SINK_FIGURES_WAIT_MS = 250;
/** The characters of a failure and of a target that figures show. */
export const SINK_ERROR_LENGTH_MAX = 300;
export const SINK_TARGET_LENGTH_MAX = 200;
/** The characters of a text that are looked at for credentials; the rest is left out. */
export const MASKED_INPUT_LENGTH_MAX = 4096;
