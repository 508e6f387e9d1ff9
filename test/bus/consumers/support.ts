import type { TakingConsumer } from '../../../src/endpoint/consume/consumer.js';
import type * as endpointInternals from '../../../src/endpoint/internals.js';
import type { ConsumerEntry } from '../../../src/link/consumer-shapes.js';
import type { Bus } from '../../../src/main/bus.js';
import { parseDefinition } from '../../../src/protocol/consumer-definition.js';
import type { ConsumerOptions } from '../../../src/protocol/consumers.js';

const { internalsOf }: typeof endpointInternals = await import(
  /* @vite-ignore */ new URL('../../../dist/endpoint/internals.js', import.meta.url).href
);

export function internals(bus: Bus): endpointInternals.EndpointInternals {
  return internalsOf(bus)!;
}

/** Tells all shards of these consumers, and of no others, as the thread that opened the bus does. */
export async function apply(bus: Bus, entries: readonly ConsumerEntry[]): Promise<void> {
  const shards = Array.from({ length: bus.shards }, (_, shard) => shard);
  await Promise.all(
    shards.map((shard) => internals(bus).callShard(shard, 'applyConsumers', () => ({ entries }))),
  );
}

export function entryOf(options: Partial<ConsumerOptions> = {}, id = 'c1'): ConsumerEntry {
  const definition = parseDefinition({ filter: 'jobs.*', ...options });
  return { id, name: 'worker', definition, isPaused: false, round: 1, position: 0 };
}

/** The one consumer of the bus. */
export async function consumerOf(
  bus: Bus,
  options: Partial<ConsumerOptions> = {},
): Promise<TakingConsumer> {
  const entry = entryOf(options);
  await apply(bus, [entry]);
  return internals(bus).consumer(entry);
}
