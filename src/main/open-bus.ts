import '../protocol/limit-relations.js';
import { isMemory } from '../endpoint/option-schemas.js';
import { DirectoryStore } from '../store/embedded/directory-store.js';
import { MemoryStore } from '../store/embedded/memory-store.js';
import type { LogStore } from '../store/log-store.js';
import type { Bus, BusOptions } from './bus.js';
import { BusCore } from './bus-core.js';
import { type ParsedBusOptions, parseBusOptions } from './bus-options.js';
import { LocalBus } from './local-bus.js';

/**
 * Opens a bus: the directory is locked and checked, one thread per shard is started, and when all are ready the bus
 * is returned. Everything it has accepted before is there.
 *
 * @param options where its events are, and its bounds; without any, a bus in `./data`
 * @throws BusError `OPTION_INVALID`, `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FAILED`, `SHARD_COUNT_MISMATCH`
 */
export function openBus(options: BusOptions = {}): Promise<Bus> {
  return opened(options, (parsed) => storeOf(parsed.dir));
}

/**
 * The same on any store, for those who write one: its number of shards is its own, and `dir` means nothing. The store may lack
 * capabilities; a bus refuses what it has not with `OPTION_INVALID`.
 *
 * @param store opened by this call, and closed with the bus
 * @param options those of `openBus`, but for `dir`
 */
export function openBusOn(store: LogStore, options: Omit<BusOptions, 'dir'> = {}): Promise<Bus> {
  return opened(options, () => store);
}

/** The store that the options name. */
export function storeOf(dir: string): LogStore {
  return isMemory(dir) ? new MemoryStore() : new DirectoryStore(dir);
}

async function opened(
  options: BusOptions,
  storeFor: (parsed: ParsedBusOptions) => LogStore,
): Promise<Bus> {
  const parsed = parseBusOptions(options);
  const core = await BusCore.open(storeFor(parsed), parsed);
  try {
    await core.start();
    return new LocalBus(core, parsed);
  } catch (error) {
    await core.stop();
    throw error;
  }
}
