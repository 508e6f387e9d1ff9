import '../protocol/limit-relations.js';
import { isMemory, type ParsedBusOptions, parseBusOptions } from '../endpoint/options.js';
import { DirectoryStore } from '../store/embedded/directory-store.js';
import { MemoryStore } from '../store/embedded/memory-store.js';
import type { LogStore } from '../store/log-store.js';
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
  return openBusOn(storeOf(parsed.dir), parsed);
}

/** The store that the options name. */
export function storeOf(dir: string): LogStore {
  return isMemory(dir) ? new MemoryStore() : new DirectoryStore(dir);
}

/** The same on any store. */
export async function openBusOn(store: LogStore, options: ParsedBusOptions): Promise<Bus> {
  const core = await BusCore.open(store, options);
  try {
    await core.start();
    return new LocalBus(core, options);
  } catch (error) {
    await core.stop();
    throw error;
  }
}
