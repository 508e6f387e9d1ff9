import type { Bus } from '../../../src/main/bus.js';
import type { Consumer, ConsumerOptions } from '../../../src/protocol/consumers.js';

/** A consumer of `jobs.*` from the first event on. */
export function workerOf(bus: Bus, options: Partial<ConsumerOptions> = {}): Promise<Consumer> {
  return bus.consumer('worker', { filter: 'jobs.*', from: 'earliest', ...options });
}
