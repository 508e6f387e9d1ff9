import { describe, expect, test } from 'vitest';
import { ITSELF } from '../../../src/endpoint/asker.js';
import type { Event } from '../../../src/protocol/event.js';
import { watch, within } from '../../bus/support/wait.js';
import { eventOf, FakeHost } from './subscription-host.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

function give(subscription: ReturnType<FakeHost['subscribe']>, ...sequences: number[]): void {
  for (const sequence of sequences) {
    subscription.push(subscription.progress[0]!, eventOf(sequence), 100);
  }
  subscription.flush();
}

test.each([
  ['a program waits for the next turn', true, []],
  ['a gateway, which shares frames within a turn, gets everything at once', false, [1, 2, 3]],
])('where the turn is over, a handler of %s', (_, takesTurns, expected) => {
  const host = new FakeHost();
  host.turns.hasTime = () => false;
  const seen: unknown[] = [];
  const handler = ({ sequence }: Event): void => void seen.push(sequence);
  give(host.subscribe(handler, {}, { ...ITSELF, takesTurns }), 1, 2, 3);
  expect(seen).toEqual(expected);
});

describe('an iterator', () => {
  test('asked for several events at once has consumed each when it gives the next', async () => {
    const subscription = new FakeHost().subscribe();
    const events = subscription[Symbol.asyncIterator]();
    const asked = [events.next(), events.next(), events.next()];
    give(subscription, 1, 2);
    expect(subscription.progress[0]).toMatchObject({ pending: 1, credited: 1, consumed: 1 });
    give(subscription, 3);
    const got = await Promise.all(asked);
    expect(got.map(({ value }) => value.sequence)).toEqual([1, 2, 3]);
    void events.next();
    expect(subscription.progress[0]).toMatchObject({ pending: 0, credited: 0, consumed: 3 });
  });

  const WAYS: Readonly<Record<string, (events: AsyncIterator<Event>) => Promise<unknown>>> = {
    'a return()': (events) => events.return!('value'),
    'a throw()': (events) => events.throw!(new Error('thrown')).catch((error: unknown) => error),
  };

  test.each(Object.keys(WAYS))(
    'left by %s keeps its cursor before the event in hand',
    async (way) => {
      const subscription = new FakeHost().subscribe();
      subscription.progress[0]!.mode = 'shard';
      const events = subscription[Symbol.asyncIterator]();
      give(subscription, 1, 2, 3);
      await events.next();
      await events.next();
      const left = await WAYS[way]!(events);
      expect(left).toEqual(
        way === 'a throw()' ? new Error('thrown') : { done: true, value: 'value' },
      );
      expect(subscription.cursor).toBe('[1]');
      expect(await events.next()).toEqual({ done: true, value: undefined });
      expect(subscription.cursor).toBe('[1]');
      await within('the end', subscription.closed);
    },
  );

  test('left while its subscription drains gives nothing more', async () => {
    const subscription = new FakeHost().subscribe();
    subscription.progress[0]!.mode = 'shard';
    const events = subscription[Symbol.asyncIterator]();
    give(subscription, 1, 2, 3);
    await events.next();
    const drained = subscription.drain();
    await events.return?.();
    await within('drained', drained);
    expect(await events.next()).toEqual({ done: true, value: undefined });
    expect(subscription.cursor).toBe('[0]');
  });

  test('that had asked for more when the subscription failed has not consumed the events that it got', async () => {
    const subscription = new FakeHost().subscribe();
    subscription.progress[0]!.mode = 'shard';
    const events = subscription[Symbol.asyncIterator]();
    const asked = [events.next(), events.next(), events.next()];
    give(subscription, 1, 2);
    await Promise.all(asked.slice(0, 2));
    subscription.fail(new Error('over'));
    await expect(asked[2]).rejects.toThrow('over');
    expect(subscription.cursor).toBe('[1]');
  });

  test('that asks for the next event releases calls that wait for the last', async () => {
    const host = new FakeHost();
    const subscription = host.subscribe();
    subscription.progress[0]!.mode = 'shard';
    const events = subscription[Symbol.asyncIterator]();
    give(subscription, 1);
    await events.next();
    const consumed = subscription.whenConsumed([1]);
    const watched = watch(consumed);
    await settled();
    expect(watched.settled).toBe(false);
    void events.next();
    await within('consumed', consumed);
  });
});

describe('waiting until events are consumed', () => {
  test('does not wait for a shard that was given up', async () => {
    const host = new FakeHost();
    const subscription = host.subscribe(() => {});
    subscription.progress[0]!.mode = 'shard';
    const consumed = subscription.whenConsumed([5]);
    const watched = watch(consumed);
    await settled();
    expect(watched.settled).toBe(false);
    host.gone = true;
    subscription.recheckWaiters();
    await within('consumed', consumed);
  });
});

describe('caughtUp', () => {
  test('comes when the events queued at the hand-over are consumed, whatever came since', async () => {
    const subscription = new FakeHost().subscribe();
    const told: string[] = [];
    subscription.on('caughtUp', ({ cursor }) => told.push(cursor));
    const progress = subscription.progress[0]!;
    progress.mode = 'shard';
    give(subscription, 1, 2);
    subscription.wentLive(progress);
    const events = subscription[Symbol.asyncIterator]();
    for (let sequence = 3; sequence < 6; sequence++) {
      give(subscription, sequence);
      await events.next();
      await settled();
    }
    expect(told).toEqual(['[2]']);
  });
});

describe('a listener', () => {
  test('that throws or rejects is reported to the bus, and the others are still called', async () => {
    const host = new FakeHost();
    const subscription = host.subscribe();
    const counts: number[] = [];
    subscription.on('dropped', () => {
      throw new Error('my own mistake');
    });
    subscription.on('dropped', async () => {
      throw new Error('mine too');
    });
    subscription.on('dropped', ({ count }) => counts.push(count));
    const nothing = { position: 0, from: 0, to: 0, reason: 'pruned', message: '' } as const;
    subscription.onState(subscription.progress[0]!, 4, {
      ...nothing,
      code: 'SLOW_CONSUMER',
      count: 7,
    });
    await settled();
    expect(counts).toEqual([7]);
    expect(host.reported.map(({ code, message }) => `${code} ${message}`)).toEqual([
      "HANDLER_FAILED 'dropped' listener of test-1 failed: my own mistake",
      "HANDLER_FAILED 'dropped' listener of test-1 failed: mine too",
    ]);
  });

  test('for errors that throws is reported too', async () => {
    const host = new FakeHost();
    const subscription = host.subscribe();
    subscription.on('error', () => {
      throw new Error('once more');
    });
    subscription.fail(new Error('first'));
    expect(host.reported.map(({ message }) => message)).toEqual([
      "'error' listener of test-1 failed: once more",
    ]);
  });
});
