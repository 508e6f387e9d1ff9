import { describe, expect, test } from 'vitest';
import { STATE_GAP, STATE_LIVE } from '../../src/link/link-records.js';
import { GAP_TOPICS_PER_STEP } from '../../src/protocol/limits/shards.js';
import { CatchUp } from '../../src/shards/catch-up.js';
import { type LinkSubscription, Routes } from '../../src/shards/routes.js';
import { CATCHING_UP, ShardSubscription } from '../../src/shards/shard-subscription.js';
import type { SqliteShardLog } from '../../src/store/sqlite/sqlite-shard-log.js';
import { record } from '../store/records.js';
import { memoryLog, subscribeRequest, TestLink } from './support.js';

class Reader {
  readonly link = new TestLink(262_144);
  readonly subscription: LinkSubscription;
  readonly #log: SqliteShardLog;
  readonly #catchUp: CatchUp;

  constructor(log: SqliteShardLog, topics: readonly string[], position = 0) {
    const routes = new Routes();
    this.#log = log;
    this.subscription = new ShardSubscription(this.link.shardEnd(), subscribeRequest(1, topics));
    this.subscription.position = position;
    this.subscription.mode = CATCHING_UP;
    routes.add(this.subscription, topics);
    this.#catchUp = new CatchUp(log, routes);
  }

  step(): void {
    this.#catchUp.step(this.subscription, this.#log.head, 512);
    this.link.states();
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
