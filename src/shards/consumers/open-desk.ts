import type { ShardLog } from '../../store/shard-log.js';
import { elapsedMs } from '../../threads/elapsed.js';
import { missing } from '../missing.js';
import { Desk, type DeskOptions } from './desk.js';

/**
 * Opens the desk of a shard, with what its log keeps.
 * @throws BusError `OPTION_INVALID` if the log keeps no consumers, `STORE_CORRUPT`
 */
export function openDesk(
  log: ShardLog,
  options: Omit<DeskOptions, 'log' | 'store' | 'settled' | 'now'>,
): Desk {
  const store = log.isShared ? undefined : log.consumers;
  if (store === undefined) missing('keeps no consumers');
  const settled = new Map<string, number>();
  for (const one of log.ringPositions?.stored() ?? []) settled.set(one.endpoint, one.settled);
  return new Desk({ ...options, log, store, settled, now: elapsedMs });
}
