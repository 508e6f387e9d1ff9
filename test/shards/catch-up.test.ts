import { describe, expect, test, vi } from 'vitest';
import { STATE_BEHIND, STATE_ENDED, STATE_GAP, STATE_LIVE } from '../../src/link/link-records.js';
import { BusError } from '../../src/protocol/errors.js';
import {
  CATCH_UP_BYTES_PER_STEP,
  CATCH_UP_EVENTS_PER_STEP,
  GAP_TOPICS_PER_STEP,
  SHARD_CATCH_UP_EVENTS_MAX,
} from '../../src/protocol/limits/shards.js';
import { CatchUp } from '../../src/shards/catch-up.js';
import { type LinkSubscription, Routes } from '../../src/shards/routes.js';
import {
  CATCHING_UP,
  LIVE,
  REPLAYING,
  ShardSubscription,
} from '../../src/shards/shard-subscription.js';
import type { SqliteShardLog } from '../../src/store/sqlite/sqlite-shard-log.js';
import { record } from '../store/records.js';
import { memoryLog, subscribeRequest, TestLink } from './support.js';

class Reader {
  readonly link = new TestLink(262_144);
  readonly subscription: LinkSubscription;
  readonly #log: SqliteShardLog;
  readonly #catchUp: CatchUp;

  /** `leftThrough`: up to there events may have left the log for an archive. */
  constructor(log: SqliteShardLog, topics: readonly string[], position = 0, leftThrough = 0) {
    const routes = new Routes();
    this.#log = log;
    this.subscription = new ShardSubscription(this.link.shardEnd(), subscribeRequest(1, topics));
    this.subscription.position = position;
    this.subscription.mode = CATCHING_UP;
    routes.add(this.subscription, topics);
    this.#catchUp = new CatchUp(log, routes, () => leftThrough);
  }

  step(limit = 512, head = this.#log.head) {
    const step = this.#catchUp.step(this.subscription, head, limit);
    return { ...step, states: this.link.states() };
  }

  /** Feeds the subscription until it is live; returns its states and the number of steps. */
  finish(meanwhile: () => void = () => undefined) {
    let steps = 0;
    let sent = 0;
    const states: ReturnType<TestLink['states']> = [];
    for (; this.subscription.mode === CATCHING_UP; steps++) {
      sent += this.#catchUp.step(this.subscription, this.#log.head, 512).sent;
      states.push(...this.link.states());
      meanwhile();
      if (steps > 10_000) throw new Error('it never gets anywhere');
    }
    const told = states.filter(({ state }) => state !== STATE_LIVE);
    expect(told.every(({ state }) => state === STATE_GAP)).toBe(true);
    return { steps, sent, gaps: told.map(({ body }) => body) };
  }
}

const TOPICS = Array.from({ length: 4000 }, (_, n) => `t.${n}`);
const pruned = (from: number, to: number) => ({ from, to, reason: 'pruned' });

test('a subscriber that catches up waits since the event that it read last was recorded', () => {
  const log = memoryLog(TOPICS);
  const reader = new Reader(log, ['*']);
  reader.subscription.creditEvents = 10;
  expect(reader.subscription.waitingSince).toBeUndefined();
  reader.step();
  expect(reader.subscription.waitingSince).toBe(1);
  reader.subscription.creditEvents = 100_000;
  reader.finish();
  expect(reader.subscription.waitingSince).toBe(0);
});

test('a subscriber that catches up gets no expired event, and pays no credit for it', () => {
  const log = memoryLog([]);
  for (const expiry of [0, 5, 4e12]) log.append(record({ topic: 'a', expiry }), 0, 1);
  log.commit(true, []);
  const reader = new Reader(log, ['a']);
  reader.subscription.creditEvents = 10;
  expect(reader.finish()).toMatchObject({ sent: 2, gaps: [] });
  expect(reader.subscription.creditEvents).toBe(8);
  expect(reader.subscription.position).toBe(3);
});

describe('a page of the log', () => {
  const TEN = new Array<string>(10).fill('a');

  test('is as long as there is room for in the turn, and no longer than any may be', () => {
    const log = memoryLog(TEN);
    const reader = new Reader(log, ['a']);
    const read = vi.spyOn(log, 'read');
    expect(reader.step(3)).toEqual({ read: 3, sent: 3, states: [] });
    reader.step(CATCH_UP_EVENTS_PER_STEP + 1, 8);
    const limits = { limitBytes: CATCH_UP_BYTES_PER_STEP };
    expect(read.mock.calls.map(([request]) => request)).toEqual([
      { after: 0, until: 10, limit: 3, ...limits },
      { after: 3, until: 8, limit: CATCH_UP_EVENTS_PER_STEP, ...limits },
    ]);
    expect([reader.subscription.position, reader.subscription.mode]).toEqual([8, LIVE]);
  });

  test('counts all that it has read, and sends what the subscriber wants', () => {
    const log = memoryLog(['a', 'b', 'a', 'b']);
    const reader = new Reader(log, ['b']);
    reader.subscription.predicate = ({ type }) => type === 'test_type';
    expect(reader.step()).toMatchObject({ read: 4, sent: 2, states: [{ body: { position: 4 } }] });
    const none = new Reader(log, ['b']);
    none.subscription.predicate = () => false;
    expect(none.step()).toMatchObject({ read: 4, sent: 0, states: [{ state: STATE_LIVE }] });
  });

  test('ends before the first event that the subscriber has no credit for', () => {
    const log = memoryLog(['a', 'b', 'a', 'a']);
    const reader = new Reader(log, ['a']);
    reader.subscription.creditEvents = 1;
    expect(reader.step()).toMatchObject({ sent: 1, states: [] });
    expect([reader.subscription.position, reader.subscription.mode]).toEqual([2, CATCHING_UP]);
    expect(reader.step()).toMatchObject({ sent: 0, states: [] });
    expect(reader.subscription.position).toBe(2);
  });

  test('that begins with a damaged row ends the subscriber, behind what it was sent', () => {
    const log = memoryLog(TEN);
    const reader = new Reader(log, ['a']);
    const { read } = log;
    vi.spyOn(log, 'read').mockImplementation((request, visit) => {
      read.call(log, { ...request, limit: 2 }, visit);
      throw new BusError('STORE_CORRUPT', 'planted');
    });
    const body = { code: 'STORE_CORRUPT', message: 'planted', position: 2 };
    expect(reader.step()).toEqual({ read: 0, sent: 2, states: [{ state: STATE_ENDED, body }] });
  });

  test.each([
    new BusError('STORE_FAILED', 'planted'),
    Object.assign(new Error('planted'), { code: 'STORE_CORRUPT' }),
  ])('that cannot be read because of another fault (%s) ends the shard', (error) => {
    const log = memoryLog(TEN);
    const reader = new Reader(log, ['a']);
    vi.spyOn(log, 'read').mockImplementation(() => {
      throw error;
    });
    expect(() => reader.step()).toThrow(error);
    expect(reader.subscription.ended).toBe(false);
  });
});

describe('a subscriber whose endpoint has to read history', () => {
  const behind = (position: number) => [{ state: STATE_BEHIND, body: { position } }];

  test('is the one that is further behind than a shard feeds anybody', () => {
    const log = memoryLog([]);
    const far = SHARD_CATCH_UP_EVENTS_MAX + 3;
    const reader = new Reader(log, ['a'], 2);
    reader.subscription.gapScan = {} as typeof reader.subscription.gapScan;
    expect(reader.step(512, far)).toEqual({ read: 0, sent: 0, states: behind(2) });
    expect(reader.subscription).toMatchObject({ mode: REPLAYING, gapScan: undefined });
    const near = new Reader(log, ['a'], 3);
    near.step(512, far);
    expect(near.subscription.mode).not.toBe(REPLAYING);
  });

  test('is the one whose next events may be in the archive alone', () => {
    const log = memoryLog(new Array<string>(5).fill('a'));
    expect(new Reader(log, ['a'], 2, 3).step()).toEqual({ read: 0, sent: 0, states: behind(2) });
    expect(new Reader(log, ['a'], 3, 3).step()).toMatchObject({ sent: 2 });
  });
});

describe('a subscriber that comes upon pruned history', () => {
  test('is notified of a gap, which is searched for among many topics in bounded steps', () => {
    const log = memoryLog(TOPICS, { retention: [{ maxEvents: 500 }] });
    while (log.pruning.pruneStep(1));
    const { steps, sent, gaps } = new Reader(log, ['*']).finish();
    expect(gaps).toEqual([pruned(1, 3500)]);
    expect(sent).toBe(500);
    expect(steps).toBeGreaterThanOrEqual(TOPICS.length / GAP_TOPICS_PER_STEP);
  });

  test('is not notified of a gap in topics that it does not want', () => {
    const log = memoryLog(TOPICS, { retention: [{ pattern: 't.1', maxAgeMs: 1 }] });
    while (log.pruning.pruneStep(1000));
    expect(new Reader(log, ['t.2', 't.+']).finish().gaps).toEqual([pruned(2, 2)]);
    expect(new Reader(log, ['t.2']).finish().gaps).toEqual([]);
  });

  test('makes progress while retention does', () => {
    const log = memoryLog(TOPICS, {
      // Steps that take no time grow; on a slow machine retention would fall behind the reader, and there be no gap.
      elapsed: () => 0,
      retention: [{ maxAgeMs: 1 }, { pattern: 't.7', maxAgeMs: 1 }],
    });
    const { gaps } = new Reader(log, ['t.3999', 't.12']).finish(() => log.pruning.pruneStep(1000));
    expect(gaps).toEqual(expect.arrayContaining([expect.objectContaining({ to: 4000 })]));
  });

  test('is notified of a gap that one rule makes after events that another rule had pruned', () => {
    const log = memoryLog(['a', 'b', 'c', 'b'], {
      retention: [
        { pattern: 'c', maxAgeMs: 10 },
        { pattern: 'a', maxAgeMs: 1000 },
      ],
    });
    while (log.pruning.pruneStep(100));
    const reader = new Reader(log, ['a']);
    // The subscription has already checked what was pruned until then.
    reader.subscription.prunedSeen = log.prunedEvents;
    const { prunedThrough } = log;
    while (log.pruning.pruneStep(5000));
    expect(log.prunedThrough).toBe(prunedThrough);
    expect(reader.finish().gaps).toEqual([pruned(1, 1)]);
  });
});
