/** When what is due in a shard has its turn, how long the shard may sleep until then, and what damage does to it. */
import { describe, expect, it } from 'vitest';
import { DUE_EVENTS_PER_BATCH, DUE_RETRY_MS } from '../../../src/protocol/limits/schedules.js';
import {
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SYNCED,
  EventRecordView,
} from '../../../src/record/event-record.js';
import { DueEvents } from '../../../src/shards/later/due-events.js';
import { FiringEncoder } from '../../../src/shards/later/firing-encoder.js';
import type { PublishBatch } from '../../../src/shards/publish-batch.js';
import type { DuePublish, ShardScheduled } from '../../../src/store/scheduled.js';

const NOW = 1_800_000_000_000;
const LONGEST = 60_000;

/** Publishes that wait, by their due times; damaged ones have a fault. */
function dueOf(rows: readonly { readonly dueAt: number; readonly fault?: string }[]) {
  const left = rows.map((row, number): DuePublish => {
    return { ...row, number, acceptedAt: 0, record: Buffer.alloc(0) };
  });
  const limits: number[] = [];
  const scheduled = {
    get waiting() {
      return left.length;
    },
    get firstDue() {
      return Math.min(...left.map(({ dueAt }) => dueAt));
    },
    due: (until: number, limit: number) => {
      limits.push(limit);
      return left.filter(({ dueAt }) => dueAt <= until).slice(0, limit);
    },
    remove: (number: number) => {
      const index = left.findIndex((one) => one.number === number);
      left.splice(index, 1);
    },
    schedules: () => [],
  };
  const state = { dueNow: NOW, elapsed: 500, waits: false };
  const damage: unknown[] = [];
  const due = new DueEvents(scheduled as unknown as ShardScheduled, {
    ...{ shard: 3, clock: state, elapsed: () => state.elapsed, waits: () => state.waits },
    onDamage: ({ code, details }) => damage.push({ code, details }),
  });
  const batch = { handled: 0, takeDue: () => void batch.handled++, noteDone: () => undefined };
  const take = (limit: number): number | false => {
    batch.handled = 0;
    return due.take(batch as unknown as PublishBatch, limit) ? batch.handled : false;
  };
  return { due, state, damage, take, left, limits };
}

describe('what is due in a shard', () => {
  it('is work once its time has come, until when the shard may sleep', () => {
    const { due, state } = dueOf([{ dueAt: NOW + 100 }]);
    expect([due.hasWork, due.idleMs(LONGEST), due.idleMs(30), due.waiting]).toEqual([
      false,
      100,
      30,
      1,
    ]);
    state.dueNow += 100;
    expect([due.hasWork, due.idleMs(LONGEST)]).toEqual([true, 0]);
    state.dueNow += 1;
    expect([due.hasWork, due.idleMs(LONGEST)]).toEqual([true, 0]);
    const none = dueOf([]).due;
    expect([none.hasWork, none.idleMs(LONGEST), none.waiting]).toEqual([false, LONGEST, 0]);
  });

  it('is no work, and wakes nobody, while it has to wait', () => {
    const { due, state, take } = dueOf([{ dueAt: NOW }]);
    state.waits = true;
    expect([due.hasWork, due.idleMs(LONGEST), take(9)]).toEqual([false, LONGEST, false]);
    state.waits = false;
    expect([due.hasWork, due.idleMs(LONGEST), take(9)]).toEqual([true, 0, 1]);
  });

  it('is held up for a while after a batch that found no room', () => {
    const { due, state, take } = dueOf([{ dueAt: NOW }]);
    due.refused();
    expect([due.hasWork, due.idleMs(LONGEST), take(9)]).toEqual([false, DUE_RETRY_MS, false]);
    state.elapsed += DUE_RETRY_MS - 1;
    expect([due.hasWork, due.idleMs(LONGEST)]).toEqual([false, 1]);
    state.elapsed += 1;
    expect([due.hasWork, due.idleMs(LONGEST), take(9)]).toEqual([true, 0, 1]);
  });

  it('leaves every second batch to publishers, and takes no more than a batch may have', () => {
    const { take, left, limits } = dueOf(Array.from({ length: 5 }, () => ({ dueAt: NOW })));
    expect([take(2), take(2), take(2), take(2), take(9999), take(2)]).toEqual([
      2,
      false,
      2,
      false,
      1,
      false,
    ]);
    expect([left, limits]).toEqual([[], [2, 2, DUE_EVENTS_PER_BATCH]]);
    expect(take(2)).toBe(false);
  });

  it('is told of where it is damaged, and becomes no event then', () => {
    const { take, damage, left } = dueOf([{ dueAt: NOW, fault: 'broken' }, { dueAt: NOW }]);
    expect(take(9)).toBe(1);
    expect(damage).toEqual([{ code: 'STORE_CORRUPT', details: { shard: 3, reason: 'broken' } }]);
    expect(left).toMatchObject([{ fault: 'broken' }]);
  });
});

describe('the event of a due time', () => {
  const event = { topic: 'a', type: 't', source: 's', payload: { n: 1 } };
  const encoded = (rest: object, ofEvent: object = {}) => {
    const kept = {
      everyMs: 1000,
      missed: 'all' as const,
      event: { ...event, ...ofEvent },
      ...rest,
    };
    return new EventRecordView().wrap(new FiringEncoder().encode('nightly', kept, NOW), 0);
  };

  it('has what the schedule says, and which schedule and time it is of', () => {
    const ties = { correlationId: 'c', causationId: 'd', attributes: { k: 'v' } };
    const view = encoded({ ttlMs: 7 }, ties);
    const { topic, type, source, id, timestamp, correlationId, causationId, expiry } = view;
    expect({ topic, type, source, correlationId, causationId }).toEqual({
      ...{ topic: 'a', type: 't', source: 's', correlationId: 'c', causationId: 'd' },
    });
    const dueAt = new Date(NOW).toISOString();
    expect(view.attributes).toEqual({ k: 'v', schedule: 'nightly', dueAt });
    expect([id, timestamp, expiry]).toEqual([`nightly-${dueAt.replace(/[-:.]/g, '')}`, 0, -7]);
    expect(JSON.parse(view.payloadText)).toEqual({ n: 1 });
    expect(view.flags).toBe(EVENT_FLAG_PERSIST | EVENT_FLAG_SYNCED | EVENT_FLAG_SUPPLIED_ID);
  });

  it('has no ties and no end where the schedule has none', () => {
    const { correlationId, causationId, hasExpiry } = encoded({});
    expect([correlationId, causationId, hasExpiry]).toEqual([undefined, undefined, false]);
  });
});
