import fc from 'fast-check';
import type { BusOptions } from '../../../src/main/bus.js';
import type { EventInput } from '../../../src/protocol/event.js';
import type { Filter } from '../../../src/protocol/filter.js';
import { KIB } from '../../../src/protocol/limits/units.js';

/**
 * Random buses, topics, patterns, filters and events. The alphabets are small, so that patterns meet topics,
 * filters meet events and topics share shards; ring and batch sizes are small, so that rings wrap and fill.
 */

export const shardCounts = fc.integer({ min: 1, max: 3 });
export const ringSizes = fc.constantFrom(4 * KIB, 8 * KIB, 16 * KIB, 64 * KIB, 4096 * KIB);
export const batchSizes = fc.constantFrom(1, 2, 7, 64, 4096);

export const busOptions: fc.Arbitrary<BusOptions & { ringBytes: number }> = fc.record({
  shards: shardCounts,
  ringBytes: ringSizes,
  commitBatchEvents: batchSizes,
});

const segment = fc.constantFrom('a', 'b', 'c', 'worker', 'é', '雪', 'x-1_y');
export const topics = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join('.'));

const patternSegment = fc.oneof(
  { weight: 3, arbitrary: segment },
  { weight: 1, arbitrary: fc.constantFrom('+', '*') },
);
export const patterns = fc
  .array(patternSegment, { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join('.'));

const types = ['agent_log', 'agent_metric', 'task_created', 'chat_message'];
const sources = ['ada', 'grace', 'größe'];
const correlationIds = ['run-1', 'run-2'];
const attributeValues = ['1', '2', ''];

/** The fields of an event except its payload and id. */
export const eventFields: fc.Arbitrary<Omit<EventInput, 'payload'>> = fc.record(
  {
    topic: topics,
    type: fc.constantFrom(...types),
    source: fc.constantFrom(...sources),
    correlationId: fc.constantFrom(...correlationIds),
    attributes: fc.dictionary(
      fc.constantFrom('agentId', 'taskId', 'größe'),
      fc.constantFrom(...attributeValues),
      { maxKeys: 3, noNullPrototype: true },
    ),
  },
  { requiredKeys: ['topic', 'type'] },
);

const some = (values: readonly string[]): fc.Arbitrary<string[]> =>
  fc.subarray([...values], { minLength: 1 });

export const filters: fc.Arbitrary<Filter> = fc.record(
  {
    topics: fc.array(fc.oneof(patterns, fc.constant('*')), { minLength: 1, maxLength: 3 }),
    types: some(types),
    categories: some(['agent', 'task', 'chat']),
    sources: some(sources),
    correlationIds: some(correlationIds),
    attributes: fc.dictionary(
      fc.constantFrom('agentId', 'taskId', 'größe'),
      some(attributeValues),
      {
        minKeys: 1,
        maxKeys: 2,
        noNullPrototype: true,
      },
    ),
  },
  { requiredKeys: ['topics'] },
);

/** Sizes that matter to a ring: around an eighth, a half and all of it, and more. */
export function payloadSizes(ringBytes: number): fc.Arbitrary<number> {
  const eighth = Math.floor(ringBytes / 8);
  return fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: 0, max: 60 }) },
    { weight: 3, arbitrary: fc.integer({ min: 0, max: Math.min(eighth, 2 * KIB) }) },
    { weight: 1, arbitrary: fc.integer({ min: Math.max(0, eighth - 200), max: eighth + 8 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(eighth + 1, ringBytes >> 1, ringBytes - 40, ringBytes),
    },
  );
}

/** A payload with the event's number, of about the given size. */
export function payloadOf(number: number, size: number): { n: number; pad: string } {
  return { n: number, pad: 'p'.repeat(Math.min(size, 900 * KIB)) };
}
