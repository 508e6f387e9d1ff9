/** What the calls about a subscription do to it, in a shard without a thread. */
import { describe, expect, test } from 'vitest';
import { STATE_BEHIND, STATE_ENDED, STATE_LAGGING } from '../../src/link/link-records.js';
import { ShardCounter } from '../../src/link/shard-control.js';
import type { SubscribeRequest } from '../../src/link/subscription-calls.js';
import { SHARD_CATCH_UP_EVENTS_MAX } from '../../src/protocol/limits/shards.js';
import { CATCHING_UP, LIVE, QUEUED, REPLAYING } from '../../src/shards/shard-subscription.js';
import { makeShard, memoryLog, subscribeRequest, TestLink } from './support.js';

function subscribed(rest: Partial<SubscribeRequest> = {}, log = memoryLog([])) {
  const made = makeShard(log);
  const link = new TestLink();
  const end = made.join(link);
  link.call('subscribe', subscribeRequest(1, ['a', 'b'], rest));
  made.turn();
  const subscription = end.subscriptions.get(1)!;
  const publish = (...topics: readonly string[]): void => {
    for (const topic of topics) link.publish({ topic, type: topic === 'a' ? 't' : 'u' });
    made.turn();
  };
  return { ...made, link, end, subscription, publish };
}

describe('a subscription', () => {
  test('is told from where on it is live', () => {
    const { link, subscription } = subscribed({}, memoryLog(['x', 'y', 'z']));
    expect(link.replies()).toMatchObject([{ isAnswer: true, body: { position: 3 } }]);
    expect([subscription.mode, subscription.position]).toEqual([LIVE, 3]);
  });

  test.each([
    ['without its topics', { topics: ['b'] }, ['b', 'b']],
    ['of other types', { topics: ['a', 'b'], types: ['t'] }, ['a']],
    ['that wants all', { topics: ['a', 'b'] }, ['b', 'a', 'b']],
    ['that wants nothing of it', { topics: ['c'] }, []],
  ])('keeps of its queue what another filter wants: %s', (_, filter, left) => {
    const { link, turn, subscription, publish, shard } = subscribed({ creditEvents: 0 });
    publish('b', 'a', 'b');
    expect(shard.lagOf(subscription)).toBe(3);
    link.call('update', { subscription: 1, filter });
    turn();
    expect(link.replies().at(-1)).toMatchObject({ isAnswer: true, body: { position: 3 } });
    const topics: string[] = [];
    for (let one = subscription.peek(); one !== undefined; one = subscription.peek()) {
      topics.push(one.topic);
      subscription.shift();
    }
    expect(topics).toEqual(left);
    expect(subscription.dropped).toBe(0);
    publish('c');
    expect(subscription.queued).toBe(filter.topics.includes('c') ? 1 : 0);
  });

  test('with credit is live once a filter has emptied its queue', () => {
    const { link, turn, subscription, publish } = subscribed({ creditEvents: 0 });
    publish('a');
    expect(subscription.mode).toBe(QUEUED);
    subscription.creditEvents = 1;
    link.call('update', { subscription: 1, filter: { topics: ['c'] } });
    turn();
    expect(subscription.mode).toBe(LIVE);
  });

  test('that lags is told behind which event, also within a batch', () => {
    const { link, publish } = subscribed({ creditEvents: 2 });
    publish('a', 'a', 'a');
    expect(link.states()).toEqual([{ state: STATE_LAGGING, body: { position: 2 } }]);
  });

  test('that is to be disconnected when it is slow ends, and gets no more', () => {
    const rest = { ...({ overflow: 'disconnect' } as object), creditEvents: 0, maxBuffer: 1 };
    const { link, end, publish, control, routes } = subscribed(rest);
    const { counters } = control;
    expect(counters[ShardCounter.subscriptions]).toBe(1);
    publish('a', 'a', 'a');
    expect(link.states()).toMatchObject([
      { state: STATE_LAGGING, body: { position: 0 } },
      { state: STATE_ENDED, body: { code: 'SLOW_CONSUMER', position: 1 } },
    ]);
    expect([end.subscriptions.size, routes.of('a').legs]).toEqual([0, []]);
    expect(counters[ShardCounter.subscriptions]).toBe(0);
    publish('a');
    expect(link.states()).toEqual([]);
  });

  test('that its endpoint ends is forgotten, and calls about it change nothing', () => {
    const { link, turn, end, publish, subscription, shard, routes } = subscribed({
      creditEvents: 0,
    });
    publish('a');
    link.call('unsubscribe', { subscription: 1 });
    turn();
    expect([end.subscriptions.size, routes.of('a').legs, subscription.ended]).toEqual([
      0,
      [],
      true,
    ]);
    link.call('unsubscribe', { subscription: 1 }, { id: 2 });
    link.call('update', { subscription: 1, filter: { topics: ['a'] } }, { id: 3 });
    link.call('resume', { subscription: 1, position: 0, notifyGap: true }, { id: 4 });
    turn();
    expect(
      link
        .replies()
        .slice(1)
        .map(({ isAnswer, body }) => [isAnswer, body]),
    ).toEqual([
      [true, null],
      [true, null],
      [true, { position: 1 }],
      [true, null],
    ]);
    expect(routes.of('a').legs).toEqual([]);
    expect(shard.hasWork()).toBe(false);
  });

  test.each([true, false])(
    'that goes on behind history is told of its gaps if it asks: %s',
    (notifyGap) => {
      const { link, turn, subscription } = subscribed({ start: 'replay' }, memoryLog(['a', 'a']));
      expect(subscription.mode).toBe(REPLAYING);
      Object.assign(subscription, {
        gapsNotified: 5,
        behindSince: 5,
        prunedSeen: 7,
        creditEvents: 0,
      });
      link.call('resume', { subscription: 1, position: 1, notifyGap });
      turn();
      const { mode, position, gapsNotified, behindSince, prunedSeen } = subscription;
      expect([mode, position, gapsNotified, behindSince]).toEqual([CATCHING_UP, 1, 0, undefined]);
      expect(prunedSeen).toBe(notifyGap ? -1 : 0);
    },
  );

  test.each([
    [SHARD_CATCH_UP_EVENTS_MAX, CATCHING_UP],
    [SHARD_CATCH_UP_EVENTS_MAX + 1, REPLAYING],
  ])('that is %d events behind reads on where it may', (behind, mode) => {
    const log = memoryLog(Array.from({ length: behind }, () => 'c'));
    const { link, turn, subscription } = subscribed({ start: 0 }, log);
    turn();
    expect(subscription.mode).toBe(mode);
    const states = mode === REPLAYING ? [{ state: STATE_BEHIND, body: { position: 0 } }] : [];
    expect(link.states()).toEqual(states);
  });
});
