/** Found by its address, so that the thread that opens a bus loads nothing that writes a log. */
export const SQLITE_SHARD_LOG = new URL('../sqlite/open-shard-log.js', import.meta.url).href;
