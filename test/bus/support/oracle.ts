import { expect } from 'vitest';
import { categoryOf, type Event, type PublishAck } from '../../../src/protocol/event.js';
import type { Filter } from '../../../src/protocol/filter.js';
import { matchesPattern } from '../../../src/protocol/topic.js';

/** The rules for events, in simple and slow code: the bus is checked against these functions. */

/** The meaning of a filter: `and` between fields, `or` within one. */
export function matchesFilter(filter: Filter, event: Event): boolean {
  const { topics, types, categories, sources, correlationIds, attributes } = filter;
  if (!topics.some((pattern) => matchesPattern(pattern, event.topic))) return false;
  if (types && !types.includes(event.type)) return false;
  if (categories && !categories.includes(categoryOf(event.type))) return false;
  if (sources && !sources.includes(event.source)) return false;
  if (correlationIds && !correlationIds.includes(event.correlationId ?? '')) return false;
  for (const [key, values] of Object.entries(attributes ?? {})) {
    const value = event.attributes?.[key];
    if (value === undefined || !values.includes(value)) return false;
  }
  return true;
}

/** One line for a stored event, to compare sets and lists by. */
export function lineOf(event: Event | PublishAck): string {
  return `${event.topic} ${event.shard}:${event.sequence ?? '-'} ${event.id}`;
}

export function linesOf(events: readonly (Event | PublishAck)[]): string[] {
  return events.map(lineOf);
}

/** The events of each topic, in the order given. */
export function byTopic<E extends Event | PublishAck>(events: readonly E[]): Map<string, E[]> {
  const topics = new Map<string, E[]>();
  for (const event of events) {
    const list = topics.get(event.topic);
    if (list === undefined) topics.set(event.topic, [event]);
    else list.push(event);
  }
  return topics;
}

/** Every topic's persisted events come in sequence order, none of them twice. */
export function expectTopicOrder(events: readonly Event[], whose: string): void {
  const last = new Map<string, number>();
  for (const { topic, sequence } of events) {
    if (sequence === undefined) continue;
    const before = last.get(topic) ?? 0;
    if (sequence <= before) {
      throw new Error(`${whose}: ${topic} went from sequence ${before} to ${sequence}`);
    }
    last.set(topic, sequence);
  }
}

/** Both hold the same stored events, and each topic's in the same order. */
export function expectSameHistory(
  actual: readonly Event[],
  expected: readonly (Event | PublishAck)[],
  whose: string,
): void {
  expectTopicOrder(actual, whose);
  expect(linesOf(actual).sort(), whose).toEqual(linesOf(expected).sort());
}

/** Every shard gave the sequences 1, 2, 3 … without holes, and duplicates repeat one of them. */
export function expectWithoutHoles(acks: readonly PublishAck[]): void {
  const shards = new Map<number, number[]>();
  for (const { shard, sequence, duplicate } of acks) {
    if (sequence === undefined || duplicate) continue;
    const sequences = shards.get(shard) ?? [];
    sequences.push(sequence);
    shards.set(shard, sequences);
  }
  for (const [shard, sequences] of shards) {
    sequences.sort((a, b) => a - b);
    expect(sequences, `shard ${shard}`).toEqual(sequences.map((_, index) => index + 1));
  }
}

/** The acks that stand for stored events, once each, by shard and sequence. */
export function stored(acks: readonly PublishAck[]): PublishAck[] {
  return acks
    .filter((ack) => ack.sequence !== undefined && !ack.duplicate)
    .sort((a, b) => a.shard - b.shard || a.sequence! - b.sequence!);
}
