import { onTestFinished } from 'vitest';
import type { Bus, BusOptions } from '../../../../src/main/bus.js';
import type { LogStore } from '../../../../src/store/log-store.js';
import { memoryBroker, openBusOn as open } from '../../../testing/subjects.js';

/** A shared store of its own. */
export function memoryStoreOf(): LogStore {
  const broker = memoryBroker();
  onTestFinished(() => broker.close());
  return broker.connect();
}

export async function openBusOn(store: LogStore, options: BusOptions = {}): Promise<Bus> {
  const bus = await open(store, options);
  onTestFinished(() => bus.close());
  return bus;
}
