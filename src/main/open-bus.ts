import '../protocol/limits/relations.js';
import { resolve } from 'node:path';
import { isMemory } from '../endpoint/option-schemas.js';
import { optionInvalid } from '../protocol/options.js';
import { DirectoryStore } from '../store/embedded/directory-store.js';
import { MemoryStore } from '../store/embedded/memory-store.js';
import type { LogStore } from '../store/log-store.js';
import type { Bus, BusOptions } from './bus.js';
import { BusCore } from './bus-core.js';
import { type ParsedBusOptions, parseBusOptions } from './bus-options.js';
import { LocalBus } from './local-bus.js';

/**
 * Opens a bus: locks and checks the directory, starts one thread per shard, and resolves when all are ready. Everything
 * that the directory's earlier bus accepted is there.
 *
 * @param options the directory and the limits; by default a bus in `./data`
 * @throws BusError `OPTION_INVALID`, `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FAILED`, `SHARD_COUNT_MISMATCH`
 */
export function openBus(options: BusOptions = {}): Promise<Bus> {
  return opened(options, ({ dir, store, archive }) => {
    if (store !== undefined) return store;
    // Both keep a file of the name `archive.json`, and each would take the other's for damaged.
    if (archive?.dir !== undefined && resolve(archive.dir) === resolve(dir!)) {
      throw optionInvalid('openBus', 'archive.dir', 'has to be another directory than dir');
    }
    return storeOf(dir!);
  });
}

/** The store for a `dir` option. */
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
    const bus = new LocalBus(core, parsed);
    await bus.watch();
    return bus;
  } catch (error) {
    await core.stop();
    throw error;
  }
}
