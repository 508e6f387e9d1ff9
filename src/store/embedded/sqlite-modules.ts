/**
 * The modules' URLs. The thread that opens a bus gets only these, so that it loads neither what writes a log nor what
 * reads one.
 */
export const SQLITE_SHARD_LOG = new URL('../sqlite/open-shard-log.js', import.meta.url).href;
export const SQLITE_HISTORY = new URL('../sqlite/reading/open-history.js', import.meta.url).href;
