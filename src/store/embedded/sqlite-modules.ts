/** Found by their addresses, so that the thread that opens a bus loads neither what writes a log nor what reads it. */
export const SQLITE_SHARD_LOG = new URL('../sqlite/open-shard-log.js', import.meta.url).href;
export const SQLITE_HISTORY = new URL('../sqlite/reading/open-history.js', import.meta.url).href;
