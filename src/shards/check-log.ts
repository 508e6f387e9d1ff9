import type { ShardThreadData } from '../link/shard-mail.js';
import { BusError } from '../protocol/errors.js';
import { SHARED_DEDUPE_WINDOW_MS_MIN } from '../protocol/limits.js';
import type { ShardLog } from '../store/shard-log.js';
import { missing } from './missing.js';

/**
 * What a shard expects of its log before it begins.
 * @throws BusError `OPTION_INVALID` where it cannot do what the bus asks for, `STORE_FAILED` where it is neither kind of log
 */
export function checkLog(log: ShardLog, { prunes, log: { settings } }: ShardThreadData): void {
  if (prunes && log.pruning === undefined) missing('has no retention');
  if (log.isShared !== (log.ringPositions === undefined)) {
    const rule = 'a log of its own has ring positions, and a shared one has none';
    throw new BusError('STORE_FAILED', `the store of this bus breaks its contract: ${rule}`);
  }
  const windowMs = Math.max(settings.dedupeWindowMs, SHARED_DEDUPE_WINDOW_MS_MIN);
  if (log.isShared && log.dedupeWindowMs < windowMs) {
    missing(`knows ids for ${log.dedupeWindowMs} ms, and has to know them for ${windowMs} ms`);
  }
}
