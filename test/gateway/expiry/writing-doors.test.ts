import { describe, expect, it } from 'vitest';
import type { Event } from '../../../src/protocol/event.js';
import { Collector } from '../../bus/support/collector.js';
import { until } from '../../bus/support/wait.js';
import { eventOn, Served } from './served.js';
import { WRITING_DOORS } from './writing-doors.js';

/** Every door by which an event gets a time to live, over threads, sockets and processes. */
const HOUR_MS = 3_600_000;

describe.each(WRITING_DOORS)('$name', ({ publish, events = 1 }) => {
  // One bus for both: each test that opens one costs a second.
  it('gives an event its end, and hides one that is over from those who subscribe and who read', async () => {
    const served = await Served.open();
    await givesEnd(served, publish, events);
    await hidesAfterEnd(served, publish);
  });
});

/** Those that take a value which may be wrong. */
const CHECKING = WRITING_DOORS.flatMap(({ name, refused, refusal }) =>
  refusal === undefined || refused.length === 0 ? [] : [{ name, refused, refusal }],
);

describe.each(CHECKING)('$name', ({ refused, refusal }) => {
  it('refuses what is no time to live, with the documented code', async () => {
    const served = await Served.open();
    const answers: unknown[] = [];
    for (const [value] of refused) answers.push([value, await refusal(served, value)]);
    expect(answers).toEqual(refused);
    expect(await served.bus.query({ topic: 'a' })).toEqual([]);
  });
});

interface Expected {
  /** What the publisher gave, where it gave a time. */
  readonly end: string | undefined;
  /** Around the publish, ms since 1970. */
  readonly from: number;
  readonly to: number;
}

function expectEnd(expiresAt: string | undefined, { end, from, to }: Expected): void {
  if (end !== undefined) {
    expect(expiresAt).toBe(end);
    return;
  }
  expect(Date.parse(expiresAt!)).toBeGreaterThanOrEqual(from + HOUR_MS);
  expect(Date.parse(expiresAt!)).toBeLessThanOrEqual(to + HOUR_MS);
}

const topicsOf = (events: readonly Event[]): string[] => events.map(({ topic }) => topic);

type Publish = (typeof WRITING_DOORS)[number]['publish'];

async function givesEnd(served: Served, publish: Publish, events: number): Promise<void> {
  const live = await Collector.start(served.bus, 'long.*');
  const from = Date.now();
  const end = await publish(served, 'long.a', HOUR_MS);
  const to = Date.now();
  await live.count(events);
  for (const { expiresAt } of live.events) expectEnd(expiresAt, { end, from, to });
  const stored = await served.bus.query({ topic: 'long.*' });
  // A schedule may have fired again before it was deleted.
  expect(stored.slice(0, events)).toEqual(live.events.slice(0, events));
  expect(stored.every(({ expiresAt }) => expiresAt !== undefined)).toBe(true);
}

async function hidesAfterEnd(served: Served, publish: Publish): Promise<void> {
  const { bus } = served;
  const live = await Collector.start(bus, '*');
  const end = await publish(served, 'short.a', 1);
  // The shard had recorded it by then.
  const over = Math.max(Date.now() + 1, end === undefined ? 0 : Date.parse(end));
  await until('it has expired', () => Date.now() >= over);
  const seen = live.events.length;
  await bus.publish(eventOn('after'));
  await until('the next has come', () => live.events.at(-1)?.topic === 'after');
  expect(topicsOf(live.events.slice(seen))).toEqual(['after']);
  expect(live.gaps).toEqual([]);
  expect(await bus.query({ topic: 'short.*' })).toEqual([]);
  const late = await Collector.start(bus, ['short.*', 'after'], { from: 'earliest' });
  await until('it has caught up', () => late.caughtUp.length > 0);
  expect(topicsOf(late.events)).toEqual(['after']);
  expect(late.gaps).toEqual([]);
}
