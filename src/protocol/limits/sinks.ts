/** Limits of the sinks of `millrace/sinks`. */

/** The waits before a sink tries again what has failed: the first and the longest. */
export const SINK_RETRY_MS = 250;
export const SINK_RETRY_MS_MAX = 30_000;
