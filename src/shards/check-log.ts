import type { ShardThreadData } from '../link/shard-mail.js';
import { BusError } from '../protocol/errors.js';
import { SHARED_DEDUPE_WINDOW_MS_MIN } from '../protocol/limits/store.js';
import type { ShardLog } from '../store/shard-log.js';
import { missing } from './missing.js';

/**
 * Checks that the log can do what its shard needs, before the shard begins.
 * @throws BusError `OPTION_INVALID` if the log lacks a capability that the bus's options ask for, `STORE_FAILED` if it
 *   is neither a log of the shard's own nor a shared one
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
