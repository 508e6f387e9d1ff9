import { threadModule } from '../../threads/packed.js';

/**
 * The modules' URLs. The thread that opens a bus gets only these, so that it loads neither what writes a log nor what
 * reads one.
 */
export const SQLITE_SHARD_LOG = threadModule('store/sqlite/open-shard-log').href;
export const SQLITE_HISTORY = threadModule('store/sqlite/reading/open-history').href;
