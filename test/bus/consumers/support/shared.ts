import { onTestFinished } from 'vitest';
import type { Bus, BusOptions } from '../../../../src/main/bus.js';
import type { LogStore } from '../../../../src/store/log-store.js';
import { memoryBroker } from '../../../testing/subjects.js';
import { openBus } from '../../support/millrace.js';

/** A shared store of its own. */
export function memoryStoreOf(): LogStore {
  const broker = memoryBroker();
  onTestFinished(() => broker.close());
  return broker.connect();
}

export async function busOn(store: LogStore, options: BusOptions = {}): Promise<Bus> {
  const bus = await openBus({ ...options, store });
  onTestFinished(() => bus.close());
  return bus;
}
