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
