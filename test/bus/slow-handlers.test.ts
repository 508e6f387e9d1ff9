import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { Subscription } from '../../src/protocol/bus-api.js';
import { HAND_OUT_TURN_MS, TURN_LOOK_EVENTS_MAX } from '../../src/protocol/limits.js';
import { openTestBus } from './support/open.js';
import { until, within } from './support/wait.js';

/** Subscribers whose code keeps the thread busy: its timers and sockets must have their turns in between. */

const EVENTS = 300;
/** How long one event is worked on, by the clock that the bus looks at: at least so long, on any machine. */
const BUSY_MS = 1;
/** No more events than this may be worked on between two turns of the event loop. */
const EVENTS_A_TURN_MAX = HAND_OUT_TURN_MS / BUSY_MS + TURN_LOOK_EVENTS_MAX;

class Worked {
  readonly payloads: number[] = [];
  longest = 0;
  #sinceTurn = 0;
  #isOver = false;

  /** Turns with the event loop, and looks how much was done between two turns. */
  watch(): void {
    setImmediate(() => {
      this.#sinceTurn = 0;
      if (!this.#isOver) this.watch();
    });
  }

  readonly one = ({ payload }: { payload: number }): void => {
    const end = performance.now() + BUSY_MS;
    while (performance.now() < end);
    this.payloads.push(payload);
    this.longest = Math.max(this.longest, ++this.#sinceTurn);
  };

  stop(): void {
    this.#isOver = true;
  }
}

type Subscribe = (bus: Bus, worked: Worked) => Subscription<number>[];

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
    const worked = new Worked();
    const subscriptions = subscribe(bus, worked);
    await Promise.all(subscriptions.map(({ ready }) => ready));
    const each = EVENTS / subscriptions.length;
    worked.watch();
    const acks = bus.publishMany(
      Array.from({ length: each }, (_, payload) => ({ topic: 'a', type: 't', payload })),
    );
    await until('all events', () => worked.payloads.length === EVENTS);
    worked.stop();
    await within('the acks', acks);
    expect(worked.longest).toBeLessThanOrEqual(EVENTS_A_TURN_MAX);
    const expected = Array.from({ length: each }, (_, payload) => payload);
    const times = subscriptions.length;
    expect(worked.payloads.toSorted((a, b) => a - b)).toEqual(
      expected.flatMap((payload) => Array<number>(times).fill(payload)),
    );
    if (times === 1) expect(worked.payloads).toEqual(expected);
  });

  test('gets what is pending when it is drained, also while its bus closes', async () => {
    const bus = await openTestBus({ shards: 1 });
    const worked = new Worked();
    const subscriptions = subscribe(bus, worked);
    await Promise.all(subscriptions.map(({ ready }) => ready));
    const each = EVENTS / subscriptions.length;
    await bus.publishMany(
      Array.from({ length: each }, (_, payload) => ({ topic: 'a', type: 't', payload })),
    );
    const pending = (): number => subscriptions.reduce((sum, one) => sum + one.pending, 0);
    await until('all events', () => worked.payloads.length + pending() === EVENTS);
    const drained = Promise.all(subscriptions.map((one) => one.drain()));
    await within('the end of the bus', bus.close());
    await within('the drain', drained);
    expect(worked.payloads).toHaveLength(EVENTS);
  });
});

test('what has waited for its turn is dropped when its subscription ends', async () => {
  const bus = await openTestBus({ shards: 1 });
  const worked = new Worked();
  const subscription = bus.subscribe<number>('a', (event) => {
    worked.one(event);
    if (worked.payloads.length === 10) void subscription.unsubscribe();
  });
  await subscription.ready;
  await bus.publishMany(
    Array.from({ length: 50 }, (_, payload) => ({ topic: 'a', type: 't', payload })),
  );
  await within('its end', subscription.closed);
  await bus.drain();
  expect(worked.payloads).toHaveLength(10);
});

test('a drain waits for what has waited for its turn', async () => {
  const bus = await openTestBus({ shards: 1 });
  const worked = new Worked();
  const subscription = bus.subscribe<number>('a', worked.one);
  await subscription.ready;
  await bus.publishMany(
    Array.from({ length: 50 }, (_, payload) => ({ topic: 'a', type: 't', payload })),
  );
  await within('the drain', bus.drain());
  expect(worked.payloads).toHaveLength(50);
});
