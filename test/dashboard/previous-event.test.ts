import type { BusClient, Event, Query } from 'millrace/client';
import { describe, expect, it } from 'vitest';
import { previousOf } from '../../src/dashboard/event/previous-event.js';

const MIB = 1024 * 1024;

interface Recorded {
  /** When it was recorded, ms. */
  readonly at: number;
  readonly event: Event;
}

function recorded(sequence: number, timestamp = sequence, payload: unknown = 1): Recorded {
  const event = { topic: 't', shard: 0, sequence, id: String(sequence), type: 'x', source: 's' };
  return {
    at: sequence * 1000,
    event: { ...event, timestamp: new Date(timestamp * 1000).toISOString(), payload } as Event,
  };
}

/** A topic with these events, and what was asked of it. */
class Topic {
  readonly limits: number[] = [];
  brought = 0;
  readonly #events: readonly Recorded[];

  constructor(events: readonly Recorded[]) {
    this.#events = events;
  }

  get client(): BusClient {
    const query = async ({ until, limit = 100 }: Query): Promise<Event[]> => {
      const end = until === undefined ? Number.POSITIVE_INFINITY : new Date(until).getTime();
      const found = this.#events.filter(({ at }) => at < end).reverse();
      const page = found.slice(0, limit).map(({ event }) => event);
      this.limits.push(limit);
      this.brought += page.length;
      return page;
    };
    return { query } as Partial<BusClient> as BusClient;
  }
}

describe('the event before', () => {
  it('is found with two events, however long the topic is', async () => {
    const events = Array.from({ length: 5000 }, (_, n) => recorded(n + 1));
    const topic = new Topic(events);
    const { event } = await previousOf(topic.client, events[2500]!.event);
    expect(event?.sequence).toBe(2500);
    expect(topic.brought).toBe(2);
  });

  it('of the first event is not looked for among the later ones', async () => {
    const events = Array.from({ length: 5000 }, (_, n) => recorded(n + 1));
    const topic = new Topic(events);
    expect(await previousOf(topic.client, events[0]!.event)).toMatchObject({
      event: undefined,
      isAll: true,
    });
    expect(topic.brought).toBe(1);
  });

  it('is found where the publisher gave it a time of its own, past or future', async () => {
    for (const time of [1, 1_000_000]) {
      const events = Array.from({ length: 500 }, (_, n) => recorded(n + 1));
      events[300] = recorded(301, time);
      const { event } = await previousOf(new Topic(events).client, events[300]!.event);
      expect(event?.sequence).toBe(300);
    }
  });

  it('is not looked for in hundreds of large payloads', async () => {
    const payload = 'x'.repeat(MIB);
    const events = Array.from({ length: 2000 }, (_, n) => recorded(n + 1, n + 1, payload));
    // Its time is long before that of its recording, so it stands far behind the newest.
    events[1000] = recorded(1001, 0, payload);
    const topic = new Topic(events);
    const found = await previousOf(topic.client, events[1000]!.event);
    expect(found).toMatchObject({ event: undefined, isAll: false });
    expect(topic.brought).toBeLessThanOrEqual(24);
  });
});
