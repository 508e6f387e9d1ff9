import '../protocol/limit-relations.js';
import { isMemory, parseBusOptions } from '../endpoint/options.js';
import type { Bus, BusOptions } from './bus.js';
import { BusCore } from './bus-core.js';
import { LocalBus } from './local-bus.js';

/**
 * Opens a bus: the directory is locked and checked, one thread per shard is started, and when all are ready the bus
 * is returned. Everything it has accepted before is there.
 *
 * @throws BusError `OPTION_INVALID`, `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FAILED`, `SHARD_COUNT_MISMATCH`
 */
export async function openBus(options: BusOptions = {}): Promise<Bus> {
  const parsed = parseBusOptions(options);
  const core = isMemory(parsed.dir) ? BusCore.inMemory(parsed) : BusCore.onDisk(parsed);
  try {
    await core.start();
    return new LocalBus(core, parsed);
  } catch (error) {
    await core.stop();
    throw error;
  }
}
