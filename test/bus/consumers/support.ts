import type { TakingConsumer } from '../../../src/endpoint/consume/consumer.js';
import type { Bus } from '../../../src/main/bus.js';
import type { ConsumerOptions } from '../../../src/protocol/consumers.js';

/** A consumer of `jobs.*` from the first event on. */
export function workerOf(
  bus: Bus,
  options: Partial<ConsumerOptions> = {},
): Promise<TakingConsumer> {
  return bus.consumer('worker', { filter: 'jobs.*', from: 'earliest', ...options });
}
