import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { Subscription } from '../../src/protocol/bus-api.js';
import { openTestBus } from './support/open.js';
import { until, within } from './support/wait.js';
import { EVENTS_A_TURN_MAX, Worked } from './support/worked.js';

/** Subscribers whose code keeps the thread busy: its timers and sockets must have their turns in between. */

const EVENTS = 300;
type Busy = Worked<{ payload: number }, number>;
type Subscribe = (bus: Bus, worked: Busy) => Subscription<number>[];

const SUBSCRIBERS: Record<string, Subscribe> = {
  'a handler': (bus, worked) => [bus.subscribe<number>('a', worked.one)],
  'a handler with a promise': (bus, worked) => [
    bus.subscribe<number>('a', async (event) => worked.one(event)),
  ],
  'an iterator': (bus, worked) => {
    const subscription = bus.subscribe<number>('a');
    void (async () => {
      for await (const event of subscription) worked.one(event);
    })();
    return [subscription];
  },
  'many handlers': (bus, worked) =>
    Array.from({ length: 20 }, () => bus.subscribe<number>('a', worked.one)),
};

describe.each(Object.entries(SUBSCRIBERS))('%s that keeps the thread busy', (_what, subscribe) => {
  test('lets the event loop turn between its events, and gets them all in order', async () => {
    const bus = await openTestBus({ shards: 1 });
    const worked = new Worked(({ payload }: { payload: number }) => payload);
    const subscriptions = subscribe(bus, worked);
    await Promise.all(subscriptions.map(({ ready }) => ready));
    const each = EVENTS / subscriptions.length;
    worked.watch();
    const acks = bus.publishMany(
      Array.from({ length: each }, (_, payload) => ({ topic: 'a', type: 't', payload })),
    );
    await until('all events', () => worked.all.length === EVENTS);
    worked.stop();
    await within('the acks', acks);
    expect(worked.longest).toBeLessThanOrEqual(EVENTS_A_TURN_MAX);
    const expected = Array.from({ length: each }, (_, payload) => payload);
    const times = subscriptions.length;
    expect(worked.all.toSorted((a, b) => a - b)).toEqual(
      expected.flatMap((payload) => Array<number>(times).fill(payload)),
    );
    if (times === 1) expect(worked.all).toEqual(expected);
  });

  test('gets pending events when it is drained, also while its bus closes', async () => {
    const bus = await openTestBus({ shards: 1 });
    const worked = new Worked(({ payload }: { payload: number }) => payload);
    const subscriptions = subscribe(bus, worked);
    await Promise.all(subscriptions.map(({ ready }) => ready));
    const each = EVENTS / subscriptions.length;
    await bus.publishMany(
      Array.from({ length: each }, (_, payload) => ({ topic: 'a', type: 't', payload })),
    );
    const pending = (): number => subscriptions.reduce((sum, one) => sum + one.pending, 0);
    await until('all events', () => worked.all.length + pending() === EVENTS);
    const drained = Promise.all(subscriptions.map((one) => one.drain()));
    await within('the end of the bus', bus.close());
    await within('the drain', drained);
    expect(worked.all).toHaveLength(EVENTS);
  });
});

test('events that wait for their turn are dropped when their subscription ends', async () => {
  const bus = await openTestBus({ shards: 1 });
  const worked = new Worked(({ payload }: { payload: number }) => payload);
  const subscription = bus.subscribe<number>('a', (event) => {
    worked.one(event);
    if (worked.all.length === 10) void subscription.unsubscribe();
  });
  await subscription.ready;
  await bus.publishMany(
    Array.from({ length: 50 }, (_, payload) => ({ topic: 'a', type: 't', payload })),
  );
  await within('its end', subscription.closed);
  await bus.drain();
  expect(worked.all).toHaveLength(10);
});

test('a drain waits for events that wait for their turn', async () => {
  const bus = await openTestBus({ shards: 1 });
  const worked = new Worked(({ payload }: { payload: number }) => payload);
  const subscription = bus.subscribe<number>('a', worked.one);
  await subscription.ready;
  await bus.publishMany(
    Array.from({ length: 50 }, (_, payload) => ({ topic: 'a', type: 't', payload })),
  );
  await within('the drain', bus.drain());
  expect(worked.all).toHaveLength(50);
});
