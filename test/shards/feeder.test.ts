import { describe, expect, it, vi } from 'vitest';
import { STATE_ENDED, STATE_LIVE } from '../../src/link/link-records.js';
import type { SubscribeRequest } from '../../src/link/subscription-calls.js';
import { BusError } from '../../src/protocol/errors.js';
import {
  CATCH_UP_EVENTS_PER_STEP,
  CATCH_UP_EVENTS_PER_TURN,
  LIVE_FEED_EVENTS_PER_TURN,
} from '../../src/protocol/limits/shards.js';
import { Feeder } from '../../src/shards/feeder.js';
import { type LinkSubscription, Routes } from '../../src/shards/routes.js';
import {
  CATCHING_UP,
  LIVE,
  QUEUED,
  REPLAYING,
  ShardSubscription,
} from '../../src/shards/shard-subscription.js';
import { NOT_AT_HAND } from '../../src/store/shard-log.js';
import { record } from '../store/records.js';
import { memoryLog, subscribeRequest, TestLink } from './support.js';

const NOW = 1000;
const RECORD = record();

function feeding(events = 0, ringBytes = 65_536) {
  const log = memoryLog(new Array<string>(events).fill('a'));
  const routes = new Routes();
  const feeder = new Feeder(
    log,
    routes,
    () => 0,
    () => NOW,
  );
  /** A subscriber with a link of its own. */
  const behind = (mode: number, rest: Partial<SubscribeRequest> = {}) => {
    const link = new TestLink(ringBytes);
    const request = subscribeRequest(1, ['*'], { overflow: 'drop-oldest', ...rest });
    const subscription: LinkSubscription = new ShardSubscription(link.shardEnd(), request);
    subscription.mode = mode;
    routes.add(subscription, ['*']);
    feeder.wake(subscription);
    return { link, subscription };
  };
  return { log, feeder, behind };
}

/** Events of the sequences from 1 on, which expire then. */
function queue(subscription: LinkSubscription, ...expiries: readonly number[]): void {
  for (const [index, expiry] of expiries.entries()) {
    const event = { topic: 'a', sequence: index + 1, record: RECORD, expiry, queuedAt: 1 };
    subscription.enqueue(event, 0);
  }
}

const event = (sequence: number) => ({ event: sequence });
const live = { state: STATE_LIVE };

describe('a subscription that is fed from its queue', () => {
  it('gets what has not expired, pays for that alone, and is live then', () => {
    const { feeder, behind } = feeding();
    const { link, subscription } = behind(QUEUED, { creditEvents: 10 });
    queue(subscription, 0, NOW - 1, NOW, NOW + 1);
    expect(feeder.feed(9)).toBe(2);
    expect(link.taken()).toEqual([event(1), event(4), live]);
    expect([subscription.mode, subscription.creditEvents]).toEqual([LIVE, 8]);
    expect(feeder.hasWork).toBe(false);
  });

  it('is live from the last event that the shard has delivered', () => {
    const { feeder, behind } = feeding();
    const { link } = behind(QUEUED);
    feeder.feed(9);
    expect(link.states()).toEqual([{ state: STATE_LIVE, body: { position: 9 } }]);
  });

  it('waits for credit in the midst of it', () => {
    const { feeder, behind } = feeding();
    const { link, subscription } = behind(QUEUED, { creditEvents: 2 });
    queue(subscription, 0, 0, 0);
    expect([feeder.feed(3), feeder.hasWork, subscription.mode]).toEqual([2, false, QUEUED]);
    expect(feeder.feed(3)).toBe(0);
    subscription.creditEvents = 1;
    feeder.wake(subscription);
    expect([feeder.feed(3), subscription.mode]).toEqual([1, LIVE]);
    expect(link.taken()).toEqual([event(1), event(2), event(3), live]);
  });

  it('waits for room in its link, and is not looked at meanwhile', () => {
    const { feeder, behind } = feeding(0, 1024);
    const { link, subscription } = behind(QUEUED);
    queue(subscription, ...new Array<number>(20).fill(0));
    const sent = feeder.feed(20);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(20);
    expect([subscription.queued, feeder.hasWork]).toEqual([20 - sent, false]);
    expect([...subscription.link.waiting]).toEqual([subscription]);
    expect(link.taken()).toHaveLength(sent);
    feeder.wake(subscription);
    expect(feeder.feed(20)).toBeGreaterThan(0);
    expect(link.taken()[0]).toEqual(event(sent + 1));
  });

  it('waits behind what its link has to say first, though there is room again', () => {
    const { feeder, behind } = feeding(0, 1024);
    const { link, subscription } = behind(QUEUED);
    queue(subscription, ...new Array<number>(20).fill(0));
    feeder.feed(20);
    subscription.link.waiting.clear();
    subscription.link.state(7, STATE_ENDED, { code: 'x'.repeat(500) });
    link.taken();
    feeder.wake(subscription);
    expect([feeder.feed(20), feeder.hasWork]).toEqual([0, false]);
    expect(subscription.link.waiting.size).toBe(1);
  });

  it('leaves live subscriptions their turn: so many events go in one, expired ones too', () => {
    const { feeder, behind } = feeding(0, 4 * 1024 * 1024);
    const long = behind(QUEUED, { maxBuffer: 10_000 }).subscription;
    const short = behind(QUEUED).subscription;
    const count = LIVE_FEED_EVENTS_PER_TURN + 10;
    queue(long, ...new Array<number>(100).fill(1), ...new Array<number>(count - 100).fill(0));
    queue(short, 0, 0, 0);
    expect(feeder.feed(count)).toBe(LIVE_FEED_EVENTS_PER_TURN - 100);
    expect([long.queued, short.queued, feeder.hasWork]).toEqual([10, 3, true]);
    expect(feeder.feed(count)).toBe(13);
    expect([long.mode, short.mode, feeder.hasWork]).toEqual([LIVE, LIVE, false]);
  });

  it('gets nothing once it has ended', () => {
    const { feeder, behind } = feeding();
    const { link, subscription } = behind(QUEUED);
    queue(subscription, 0);
    subscription.ended = true;
    expect([feeder.feed(1), link.taken(), feeder.takeEnded()]).toEqual([0, [], []]);
  });
});

describe('a subscription that is fed from the log', () => {
  it('shares a turn with the others that are', () => {
    const events = 2 * CATCH_UP_EVENTS_PER_STEP;
    const { feeder, behind } = feeding(events, 262_144);
    const count = CATCH_UP_EVENTS_PER_TURN / CATCH_UP_EVENTS_PER_STEP;
    const all = Array.from({ length: count + 1 }, () => behind(CATCHING_UP).subscription);
    const step = CATCH_UP_EVENTS_PER_STEP;
    expect(feeder.feed(events)).toBe(count * step);
    expect(all.map(({ position }) => position)).toEqual([...Array(count).fill(step), 0]);
    expect(feeder.feed(events)).toBe(count * step);
    expect(all.map(({ mode }) => mode)).toEqual([
      ...Array(count - 1).fill(LIVE),
      CATCHING_UP,
      CATCHING_UP,
    ]);
    expect(feeder.feed(events)).toBe(2 * step);
    expect(feeder.hasWork).toBe(false);
  });

  it('waits while its position lies behind what this node has delivered', () => {
    const { feeder, behind } = feeding(6);
    const [near, far] = [3, 5].map((position) => {
      const { link, subscription } = behind(CATCHING_UP);
      subscription.position = position;
      return { link, subscription };
    });
    expect([feeder.feed(1), feeder.hasWork]).toEqual([0, false]);
    feeder.reach(2);
    expect(feeder.hasWork).toBe(false);
    feeder.reach(3);
    expect([feeder.hasWork, feeder.feed(4)]).toEqual([true, 1]);
    expect([near!.link.taken(), far!.link.taken()]).toEqual([[event(4), live], []]);
    // It is not woken again by what woke it.
    near!.subscription.mode = CATCHING_UP;
    feeder.reach(4);
    expect(feeder.hasWork).toBe(false);
    feeder.reach(5);
    expect(feeder.feed(6)).toBe(1);
    expect(far!.link.taken()).toEqual([event(6), live]);
  });

  it('at the very event that this node delivered last is live at once', () => {
    const { feeder, behind } = feeding(3);
    const { link, subscription } = behind(CATCHING_UP);
    subscription.position = 3;
    expect([feeder.feed(3), link.taken()]).toEqual([0, [live]]);
  });

  it('waits until the log has fetched its events, and once', () => {
    const { log, feeder, behind } = feeding(2);
    const { link, subscription } = behind(CATCHING_UP, { creditEvents: 1 });
    vi.spyOn(log, 'read').mockReturnValueOnce(NOT_AT_HAND);
    expect([feeder.feed(2), feeder.hasWork]).toEqual([0, false]);
    feeder.fetched();
    expect([feeder.hasWork, feeder.feed(2), feeder.hasWork]).toEqual([true, 1, false]);
    expect(link.taken()).toEqual([event(1)]);
    expect(subscription.mode).toBe(CATCHING_UP);
    feeder.fetched();
    expect(feeder.hasWork).toBe(false);
  });

  it('is handed over once when it ends, because of a damaged row', () => {
    const { log, feeder, behind } = feeding(2);
    const { link, subscription } = behind(CATCHING_UP);
    vi.spyOn(log, 'read').mockImplementation(() => {
      throw new BusError('STORE_CORRUPT', 'planted');
    });
    expect([feeder.feed(2), feeder.hasWork]).toEqual([0, false]);
    expect(link.taken()).toEqual([{ state: STATE_ENDED }]);
    expect([feeder.takeEnded(), feeder.takeEnded()]).toEqual([[subscription], []]);
  });

  it('is not fed any more once it is forgotten, whatever it waited for', () => {
    const { log, feeder, behind } = feeding(2);
    const [ready, ahead, awaiting] = [0, 9, 1].map((position) => {
      const { subscription } = behind(CATCHING_UP);
      subscription.position = position;
      return subscription;
    });
    feeder.forget(ready!);
    vi.spyOn(log, 'read').mockReturnValueOnce(NOT_AT_HAND);
    feeder.feed(2);
    expect(ready!.position).toBe(0);
    feeder.forget(ahead!);
    feeder.forget(awaiting!);
    feeder.reach(20);
    feeder.fetched();
    expect(feeder.hasWork).toBe(false);
  });
});

it.each([
  [LIVE, false],
  [QUEUED, true],
  [CATCHING_UP, true],
  [REPLAYING, false],
])('a subscription in mode %i is looked at when it is woken: %s', (mode, isLookedAt) => {
  const { feeder, behind } = feeding();
  behind(mode);
  expect(feeder.hasWork).toBe(isLookedAt);
});
