/** When main hears of consumers, and of what, at times that the test sets. */
import { describe, expect, it } from 'vitest';
import type { ConsumerNews, DeadEntry } from '../../../../src/link/consumer-shapes.js';
import { BusError } from '../../../../src/protocol/errors.js';
import {
  CONSUMER_BLOCKED_MS,
  CONSUMER_NEWS_MAX,
  CONSUMER_NEWS_MS,
} from '../../../../src/protocol/limits/consumers.js';
import { NewsDesk } from '../../../../src/shards/consumers/calls/consumer-news.js';
import type { DeadEntries } from '../../../../src/shards/consumers/calls/dead-entries.js';
import { memoryLog } from '../../support.js';
import { entryOf, withDead, working } from '../rig.js';

/** A news desk of its own beside the shard's, whose turns are over. */
function newsDesk(rig = working({}, 0), one?: DeadEntries['one']) {
  const desk = rig.shard.desk!;
  const told: ConsumerNews[][] = [];
  const entries = one === undefined ? desk.entries : ({ one } as DeadEntries);
  const news = new NewsDesk(desk, entries, (of) => told.push([...of]));
  const step = (now: number) => news.step(desk.roster.listed, now);
  const look = (now: number) => {
    news.touch(now);
    step(now);
    return told.splice(0);
  };
  return { ...rig, news, step, look, told, consumer: desk.consumer('c1') };
}

describe('news of consumers', () => {
  it('are looked for when something has happened, and not too often', () => {
    const { news, step, told, consumer } = newsDesk();
    expect(news.nextDue).toBe(Number.POSITIVE_INFINITY);
    news.touch(10);
    news.touch(5);
    expect(news.nextDue).toBe(10);
    consumer.tidings.gap(1, 2);
    step(9);
    expect(told).toEqual([]);
    step(10);
    expect(told).toHaveLength(1);
    expect(news.nextDue).toBe(Number.POSITIVE_INFINITY);
    news.touch(20);
    news.touch(30);
    expect(news.nextDue).toBe(10 + CONSUMER_NEWS_MS);
    step(10 + CONSUMER_NEWS_MS);
    // Nothing was new.
    expect(told).toHaveLength(1);
    news.touch(5000);
    expect(news.nextDue).toBe(5000);
  });

  it('have what has happened to each consumer, once', () => {
    const rig = withDead(3, { deadLetter: 'dead.jobs' });
    const options = { maxAttempts: 1, deadLetter: 'dead.jobs' };
    rig.shard.applyConsumers([entryOf(options), entryOf({}, { id: 'c2', name: 'other', gate: 1 })]);
    const { look, consumer } = newsDesk(rig);
    consumer.tidings.clear();
    for (const sequence of [1, 2, 9]) consumer.tidings.died(sequence);
    consumer.tidings.gap(4, 6);
    const [news] = look(10);
    expect(news).toStrictEqual([
      {
        id: 'c1',
        deadCount: 3,
        dead: [expect.objectContaining({ id: 'job-1' }), expect.objectContaining({ id: 'job-2' })],
        gaps: [[4, 6]],
        lettersDue: true,
      },
    ]);
    expect(look(1000)).toEqual([]);
    const other = rig.shard.desk!.consumer('c2');
    other.tidings.gap(1, 1);
    expect(look(2000)).toMatchObject([[{ id: 'c2', deadCount: 0, dead: [], lettersDue: false }]]);
  });

  it('count all, and name no more than there is room for', () => {
    const rig = newsDesk(working({}, 0), (_, sequence) => ({ sequence }) as DeadEntry);
    const { tidings } = rig.consumer;
    for (let n = 1; n <= CONSUMER_NEWS_MAX + 2; n++) {
      tidings.died(n);
      tidings.gap(3 * n, 3 * n);
    }
    const last = 3 * CONSUMER_NEWS_MAX;
    tidings.gap(last + 1, last + 2);
    const [[news]] = rig.look(1) as [[ConsumerNews]];
    expect([news.deadCount, news.dead.length, news.gaps.length]).toEqual([
      CONSUMER_NEWS_MAX + 2,
      CONSUMER_NEWS_MAX,
      CONSUMER_NEWS_MAX,
    ]);
    expect(news.gaps.at(-1)).toEqual([last, last + 2]);
    expect(tidings.hasAny).toBe(false);
  });

  it('tell of what stops a consumer, and that it goes on, once either has lasted', () => {
    const rig = newsDesk(working({}, 0, memoryLog(['jobs.a'])));
    const { news, look, consumer, shard } = rig;
    expect([look(0), news.nextDue]).toEqual([[], Number.POSITIVE_INFINITY]);
    const pause = (isPaused: boolean) => shard.applyConsumers([entryOf({}, { isPaused })]);
    pause(true);
    expect([look(1000), news.nextDue]).toEqual([[], 1000 + CONSUMER_NEWS_MS]);
    expect(look(1000 + CONSUMER_BLOCKED_MS - CONSUMER_NEWS_MS)).toEqual([]);
    expect(look(1000 + CONSUMER_BLOCKED_MS)).toStrictEqual([
      [
        {
          id: 'c1',
          deadCount: 0,
          dead: [],
          gaps: [],
          blocked: { reason: 'paused', sequence: 1 },
          lettersDue: false,
        },
      ],
    ]);
    expect(news.nextDue).toBe(Number.POSITIVE_INFINITY);
    expect(consumer.tidings.isWatching).toBe(false);
    // It goes on for a moment only.
    pause(false);
    expect(look(3000)).toEqual([]);
    pause(true);
    expect([look(3100), news.nextDue]).toEqual([[], Number.POSITIVE_INFINITY]);
    pause(false);
    expect(look(3200)).toEqual([]);
    expect(look(3100 + CONSUMER_BLOCKED_MS)).toEqual([]);
    expect(look(3200 + CONSUMER_BLOCKED_MS)).toMatchObject([[{ blocked: null }]]);
    expect(look(9000)).toEqual([]);
  });

  it('leave out a dead event whose row is damaged, and fail with the store', () => {
    let error: Error = new BusError('STORE_CORRUPT', 'a row is damaged');
    const rig = newsDesk(working({}, 0), (_, sequence) => {
      if (sequence === 1) throw error;
      return { sequence } as DeadEntry;
    });
    const die = () => {
      rig.consumer.tidings.died(1);
      rig.consumer.tidings.died(2);
    };
    die();
    expect(rig.look(1)).toMatchObject([[{ deadCount: 2, dead: [{ sequence: 2 }] }]]);
    const errors = [new Error('out of memory'), new BusError('STORE_FAILED', 'gone')];
    for (const [at, other] of errors.entries()) {
      error = other;
      die();
      expect(() => rig.look(1000 * (at + 1))).toThrow(other);
    }
  });
});
