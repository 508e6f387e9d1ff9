import { expect } from 'vitest';
import type { BusApi } from '../../../src/protocol/bus-api.js';
import type { Event } from '../../../src/protocol/event.js';
import { gather } from './collector.js';

/** Reads a whole log by queries of a number of events, each after the last event of the one before. */
export async function readInPages(api: BusApi, topic: string, limit: number): Promise<Event[]> {
  const all: Event[] = [];
  let page = await api.query({ topic, limit });
  while (page.length > 0) {
    all.push(...page);
    page = await api.query({ topic, limit, after: page.at(-1)!.cursor! });
  }
  return all;
}

/** Every event of a read has the cursor of the events after it. */
export async function expectCursorsOfEach(api: BusApi, topic: string): Promise<void> {
  const all = await gather(api.read({ topic }));
  for (const [index, { cursor }] of all.entries()) {
    const rest = await api.query({ topic, after: cursor!, limit: 10_000 });
    expect(idsOf(rest)).toEqual(idsOf(all.slice(index + 1)));
  }
}

export function idsOf(events: readonly Event[]): string[] {
  return events.map(({ id }) => id);
}
