import { collectDefaultMetrics, Registry } from 'prom-client';

/**
 * The metrics of the process and of its thread: memory, processor time, collections of garbage, delays of the event loop.
 * Their collectors observe the thread for as long as it lives and cannot be ended, so a thread has them once, however many
 * gateways it opens and closes.
 */
let registry: Registry | undefined;

export function processMetrics(): Registry {
  if (registry !== undefined) return registry;
  registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
