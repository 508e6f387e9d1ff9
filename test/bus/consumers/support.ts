import type { Bus } from '../../../src/main/bus.js';
import type { Consumer, ConsumerOptions } from '../../../src/protocol/consumers.js';

/** A consumer of `jobs.*` from the first event on. */
export function workerOf(bus: Bus, options: Partial<ConsumerOptions> = {}): Promise<Consumer> {
  return bus.consumer('worker', { filter: 'jobs.*', from: 'earliest', ...options });
}

/** Publishes so many jobs on several topics; their payloads count from `first` on. */
export async function publishJobs(bus: Bus, count: number, first = 0): Promise<void> {
  const inputs = Array.from({ length: count }, (_, n) => ({
    topic: `jobs.${(first + n) % 7}`,
    type: 'job',
    payload: first + n,
  }));
  for (let from = 0; from < count; from += 1000) {
    await bus.publishMany(inputs.slice(from, from + 1000));
  }
}
