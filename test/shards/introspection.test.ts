import { describe, expect, test } from 'vitest';
import type { TopicsPage } from '../../src/link/calls.js';
import {
  FIRST_SUBSCRIBER,
  type LagsPage,
  type SubscriberKey,
} from '../../src/link/subscription-calls.js';
import {
  ANSWERED_PER_TURN,
  LAGS_PER_REPLY,
  SUBSCRIBERS_PER_REPLY,
  TOPICS_PER_REPLY,
} from '../../src/protocol/limits/shards.js';
import { Introspection } from '../../src/shards/introspection.js';
import { type LinkSubscription, Routes } from '../../src/shards/routes.js';
import { ShardSubscription } from '../../src/shards/shard-subscription.js';
import type { ShardLog } from '../../src/store/shard-log.js';
import { controls } from '../bus/support/millrace.js';
import { openTestBus } from '../bus/support/open.js';
import { memoryLog, subscribeRequest, TestLink } from './support.js';

const names = (count: number): string[] =>
  Array.from({ length: count }, (_, n) => `t.${n % 2 ? 'odd' : 'even'}.${n}`);

const introspectionOf = (log: ShardLog, routes = new Routes()): Introspection =>
  new Introspection(log, routes, { links: [], lagOf: () => 0 });

describe('a call for topics', () => {
  test('is answered in pages that no change between them disturbs', () => {
    const log = memoryLog(names(5000), { retention: [{ pattern: 't.even.*', maxEvents: 100 }] });
    const introspection = introspectionOf(log);
    const found: string[] = [];
    for (let after: number | null = 0; after !== null; ) {
      introspection.beginTurn();
      const reply: TopicsPage = introspection.topics({ patterns: ['t.odd.+'], after });
      expect(reply.topics.length).toBeLessThanOrEqual(TOPICS_PER_REPLY);
      found.push(...reply.topics.map(({ name }) => name));
      log.pruning.pruneStep(1000);
      after = reply.next;
    }
    expect(found).toEqual(names(5000).filter((name) => name.includes('odd')));
  });

  test('takes a bounded part of a turn, however many endpoints call', () => {
    const log = memoryLog(names(20_000));
    const introspection = introspectionOf(log);
    introspection.beginTurn();
    let found = 0;
    for (let asker = 0; asker < 1000; asker++) {
      const reply = introspection.topics({ patterns: ['*'], after: 0 });
      found += reply.topics.length;
      expect(reply.next).toBe(reply.topics.length);
    }
    expect(found).toBe(ANSWERED_PER_TURN);
  });

  test('of a bus spreads over many turns of its shard', async () => {
    const bus = await openTestBus({ dir: ':memory:', shards: 1 });
    const topics = names(20_000);
    await bus.publishMany(topics.map((topic) => ({ topic, type: 'agent_log', payload: 1 })));
    const before = controls(bus).shardTurns(0);
    const lists = await Promise.all([bus.topics(), bus.topics('t.odd.*')]);
    const turns = controls(bus).shardTurns(0) - before;
    expect(turns).toBeGreaterThanOrEqual((2 * topics.length) / ANSWERED_PER_TURN);
    expect(lists[0].map(({ name }) => name)).toEqual([...topics].sort());
    expect(lists[1]).toHaveLength(topics.length / 2);
  });
});

describe('a call for subscribers', () => {
  const fill = (routes: Routes, link: TestLink, numbers: readonly number[]): LinkSubscription[] => {
    const shardEnd = link.shardEnd();
    return numbers.map((number) => {
      const subscription = new ShardSubscription(shardEnd, subscribeRequest(number, ['a.*']));
      routes.add(subscription, subscription.filter.topics);
      return subscription;
    });
  };

  test('is answered in pages that list each subscriber once, although others come and go between them', () => {
    const routes = new Routes();
    const log = memoryLog([]);
    const first = fill(
      routes,
      new TestLink(4096, 'e1'),
      [...Array(700).keys()].map((n) => n + 1),
    );
    const second = fill(routes, new TestLink(4096, 'e0'), [5, 3, 1]);
    const introspection = introspectionOf(log, routes);
    const found: string[] = [];
    for (let after = FIRST_SUBSCRIBER, gone = 0; ; gone++) {
      introspection.beginTurn();
      const reply = introspection.subscribers('a.b', after);
      expect(reply.subscribers.length).toBeLessThanOrEqual(SUBSCRIBERS_PER_REPLY);
      found.push(...reply.subscribers.map(({ id }) => id));
      // A listed subscriber goes, which moves all that follow it.
      routes.remove(first[gone]!, ['a.*']);
      if (reply.next === null) break;
      after = reply.next;
    }
    expect(second).toHaveLength(3);
    expect(found).toEqual([
      ...[1, 3, 5].map((n) => `e0-${n}`),
      ...first.map(({ number }) => `e1-${number}`),
    ]);
  });

  test('that finds the budget of the turn spent is answered with an empty page that is not the last one', () => {
    const introspection = introspectionOf(memoryLog([]));
    const ask = () => introspection.subscribers('a', FIRST_SUBSCRIBER);
    expect(ask()).toEqual({ subscribers: [], next: FIRST_SUBSCRIBER });
    introspection.beginTurn();
    expect(ask()).toEqual({ subscribers: [], next: null });
  });

  test('that are furthest behind finds the budget spent as well', () => {
    const introspection = introspectionOf(memoryLog([]));
    expect(introspection.laggards(3)).toEqual({ subscribers: [], next: FIRST_SUBSCRIBER });
    introspection.beginTurn();
    expect(introspection.laggards(3)).toEqual({ subscribers: [], next: null });
  });

  test('of a bus lists thousands', async () => {
    const bus = await openTestBus({ dir: ':memory:', shards: 1 });
    const all = Array.from({ length: 1500 }, () => bus.subscribe('a.*', () => {}));
    await Promise.all(all.map(({ ready }) => ready));
    expect(new Set((await bus.subscribers('a.b')).map(({ id }) => id)).size).toBe(1500);
  });
});

describe('a call for lags', () => {
  const lagging = (link: TestLink, numbers: readonly number[], nameOf: (n: number) => string) => {
    const shardEnd = link.shardEnd();
    for (const number of numbers) {
      const request = { ...subscribeRequest(number, ['a']), name: nameOf(number) };
      shardEnd.subscriptions.set(number, new ShardSubscription(shardEnd, request));
    }
    return shardEnd;
  };

  test('is answered with all subscriptions of the names that are behind, page by page', () => {
    const count = 3 * LAGS_PER_REPLY;
    const numbers = Array.from({ length: count }, (_, n) => n + 1);
    const nameOf = (n: number): string => (n % 3 === 0 ? `other-${n}` : `mine-${n}`);
    const links = [
      lagging(new TestLink(4096, 'e0'), numbers, nameOf),
      lagging(new TestLink(4096, 'e1'), [1, 2, 3], nameOf),
    ];
    // One of them is not behind.
    const lagOf = ({ number }: LinkSubscription): number => number - 1;
    const introspection = new Introspection(memoryLog([]), new Routes(), { links, lagOf });
    const names = ['mine-*', 'other-3'];
    const found: string[] = [];
    for (let after: SubscriberKey | null = FIRST_SUBSCRIBER; after !== null; ) {
      introspection.beginTurn();
      const page: LagsPage = introspection.lags({ names, after });
      expect(page.lags.length).toBeLessThanOrEqual(LAGS_PER_REPLY);
      for (const { endpoint, subscription, lag } of page.lags) {
        expect(lag).toBe(subscription - 1);
        found.push(`${endpoint}-${subscription}`);
      }
      after = page.next;
    }
    const wanted = numbers.filter((n) => n > 1 && (n % 3 !== 0 || n === 3));
    expect(found).toEqual([...wanted.map((n) => `e0-${n}`), 'e1-2', 'e1-3']);
  });

  test('that finds the budget of the turn spent is answered with an empty page that is not the last one', () => {
    const introspection = introspectionOf(memoryLog([]));
    const ask = () => introspection.lags({ names: ['*'], after: FIRST_SUBSCRIBER });
    expect(ask()).toEqual({ lags: [], next: FIRST_SUBSCRIBER });
    introspection.beginTurn();
    expect(ask()).toEqual({ lags: [], next: null });
  });
});
