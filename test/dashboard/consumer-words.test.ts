import { expect, test } from 'vitest';
import type { ConsumerInfo } from '../../src/client.js';
import {
  filterText,
  stateOf,
  troubledOf,
  troublesOf,
} from '../../src/dashboard/screens/consumers/consumer-words.js';

import { consumersPollMs } from '../../src/dashboard/state/consumers-poll.js';

const MEMBER = {
  endpoint: 'main',
  concurrency: 1,
  inFlight: 0,
  isDetached: false,
  since: '2026-11-29T08:00:00.000Z',
} as const;
const WELL = {
  name: 'billing',
  definition: {
    filter: { topics: ['orders.*'], types: ['a', 'b'], attributes: { region: ['eu'] } },
    order: 'topic',
    priority: [],
    leaseMs: 30_000,
    maxAttempts: 5,
    backoffMs: [1000],
    maxInFlight: 1000,
    maxAhead: 10_000,
    ackDurability: 'synced',
  },
  paused: false,
  epoch: 'e',
  createdAt: '2026-11-28T00:00:00.000Z',
  members: [MEMBER],
  pending: 3,
  inFlight: 1,
  waiting: 0,
  held: 0,
  dead: 0,
  lettersDue: 0,
  lost: 0,
  expired: 0,
  oldestAgeMs: 5,
  redelivered: 0,
  acked: 0,
  shards: [],
} as const satisfies ConsumerInfo;

const told = (changes: Partial<ConsumerInfo>): readonly string[] =>
  troublesOf({ ...WELL, ...changes }).map(({ text }) => text);

test('a consumer that goes on has nothing wrong, though events are pending', () => {
  expect(told({})).toEqual([]);
  expect(told({ members: [], pending: 0 })).toEqual([]);
  expect(stateOf(WELL)).toBe('active');
});

test.each<[Partial<ConsumerInfo>, string, string]>([
  [
    { members: [] },
    'no member',
    "It has no member, and about 3 of the log's events are to be done.",
  ],
  [{ paused: true }, 'paused', 'It is paused: it hands out nothing until somebody resumes it.'],
  [
    { blocked: { reason: 'maxAhead', shard: 2, sequence: 17, key: 'a' } },
    'blocked',
    'Shard 2 reads no further: maxAhead (10,000) events are open there. The oldest open event is 2:17 of the key a.',
  ],
  [
    { blocked: { reason: 'maxInFlight', shard: 0 } },
    'blocked',
    'It leases no further event: maxInFlight (1,000) events are leased.',
  ],
  [
    { blocked: { reason: 'full', shard: 1 } },
    'blocked',
    'The disk has no room for its state in shard 1.',
  ],
  [{ dead: 1 }, 'active', '1 event is dead: no further attempt is made.'],
  [{ dead: 2 }, 'active', '2 events are dead: no further attempt is made.'],
  [{ lettersDue: 2 }, 'active', '2 dead letters are not published yet.'],
  [{ held: 1 }, 'active', '1 event waits for an earlier one of its key.'],
  [{ lost: 4 }, 'active', '4 events were pruned before the consumer had done them.'],
])('one sentence says what is wrong: %j', (changes, state, sentence) => {
  expect(told(changes)).toEqual([sentence]);
  expect(stateOf({ ...WELL, ...changes })).toBe(state);
});

test('those that need a person stand first, and what passes by itself last', () => {
  const held = { ...WELL, name: 'held', held: 1 };
  const dead = { ...WELL, name: 'dead', dead: 1, held: 1 };
  const paused = { ...WELL, name: 'paused', paused: true };
  const names = troubledOf([held, WELL, paused, dead]).map(({ name }) => name);
  expect(names).toEqual(['dead', 'paused', 'held']);
});

test('a longer list of consumers is asked for less often', () => {
  const waits = [undefined, 0, 200, 1000, 100_000].map((count) =>
    consumersPollMs(count === undefined ? undefined : ({ length: count } as unknown[])),
  );
  expect(waits).toEqual([2000, 2000, 2000, 10_000, 30_000]);
});

test('a pause that is a block as well is told once', () => {
  expect(told({ paused: true, blocked: { reason: 'paused', shard: 0 } })).toHaveLength(1);
});

test('a filter is told in one line', () => {
  expect(filterText(WELL.definition)).toBe('orders.*, type a|b, region eu');
});
