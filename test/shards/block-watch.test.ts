import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EventRecordView } from '../../src/record/event-record.js';
import { BlockWatch } from '../../src/shards/block-watch.js';
import { type LinkSubscription, Routes } from '../../src/shards/routes.js';

const WAIT_MS = 100;
const MAX = 50;
const RECORD = {} as EventRecordView;
const hasPublishes = () => true;
const hasNone = () => false;

interface Shape {
  overflow?: string;
  room?: number;
  name?: string;
  predicate?: (view: EventRecordView) => boolean;
}

function subscription({ overflow = 'block', room = 0, ...rest }: Shape = {}) {
  const shape = { overflow, room, number: 7, link: { endpoint: 'e1' }, ...rest };
  return shape as unknown as LinkSubscription & { room: number };
}

function watching(...subscriptions: LinkSubscription[]) {
  const routes = new Routes();
  const watch = new BlockWatch(3, routes, WAIT_MS);
  for (const one of subscriptions) {
    routes.add(one, ['a.*']);
    watch.add(one);
  }
  const limit = (has = hasPublishes) => watch.limit(MAX, has);
  return { watch, limit };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the room of block subscriptions', () => {
  it('limits a batch to the least of them, and to what a batch may take', () => {
    const rooms = [20, 10, 30].map((room) => subscription({ room }));
    expect(watching(...rooms).limit()).toBe(10);
    expect(watching(subscription({ room: MAX + 1 })).limit()).toBe(MAX);
    expect(watching().limit()).toBe(MAX);
  });

  it('lets no publish pass while one of them has none, wherever it stands among them', () => {
    const [full, free] = [subscription(), subscription({ room: 5 })];
    expect(watching(full, free).limit()).toBe(0);
    expect(watching(free, full).limit()).toBe(0);
  });

  it('does not count that of other subscriptions, nor of those that are gone', () => {
    expect(watching(subscription({ overflow: 'drop-oldest' })).limit()).toBe(MAX);
    const full = subscription();
    const { watch, limit } = watching(full);
    watch.delete(full);
    expect(limit()).toBe(MAX);
  });
});

describe('a block subscription that takes nothing', () => {
  it('is overdue after the wait, and then holds up nobody', () => {
    const { watch, limit } = watching(subscription(), subscription({ room: 5 }));
    expect(limit()).toBe(0);
    vi.advanceTimersByTime(WAIT_MS - 1);
    expect([limit(), watch.refuses]).toEqual([0, false]);
    vi.advanceTimersByTime(1);
    expect([limit(), watch.refuses]).toEqual([5, true]);
    expect([limit(), watch.refuses]).toEqual([5, true]);
  });

  it('is not overdue where no publish waits for it', () => {
    const { watch, limit } = watching(subscription());
    for (let n = 0; n < 3; n++) {
      expect(limit(hasNone)).toBe(0);
      vi.advanceTimersByTime(WAIT_MS);
    }
    expect(limit()).toBe(0);
    vi.advanceTimersByTime(WAIT_MS - 1);
    expect(limit()).toBe(0);
    expect(watch.refuses).toBe(false);
    vi.advanceTimersByTime(1);
    // Publishes that wait no longer do not begin the time anew.
    expect(limit(hasNone)).toBe(MAX);
    expect(watch.refuses).toBe(true);
  });

  it('is forgiven when it takes again, and its time begins anew', () => {
    const slow = subscription();
    const { watch, limit } = watching(slow);
    limit();
    vi.advanceTimersByTime(WAIT_MS);
    limit();
    slow.room = 1;
    expect([limit(), watch.refuses]).toEqual([1, false]);
    slow.room = 0;
    expect(limit()).toBe(0);
    vi.advanceTimersByTime(WAIT_MS - 1);
    slow.room = 1;
    limit();
    slow.room = 0;
    limit();
    vi.advanceTimersByTime(WAIT_MS - 1);
    expect([limit(), watch.refuses]).toEqual([0, false]);
  });

  it('is forgotten when it goes, also if it was overdue', () => {
    const slow = subscription();
    const { watch, limit } = watching(slow);
    limit();
    vi.advanceTimersByTime(WAIT_MS);
    limit();
    watch.delete(slow);
    expect(watch.refuses).toBe(false);
    expect(watch.refusalOf('a.b', RECORD)).toBeUndefined();
    watch.add(slow);
    expect(limit()).toBe(0);
  });
});

describe('a publish while a subscription is overdue', () => {
  function overdue(shape: Shape) {
    const { watch, limit } = watching(subscription(shape));
    limit();
    vi.advanceTimersByTime(WAIT_MS);
    limit();
    return watch;
  }

  it('is refused if the subscription would get it, and told which one and how long', () => {
    const details = { shard: 3, waitedMs: WAIT_MS, subscription: 'slow' };
    expect(overdue({ name: 'slow' }).refusalOf('a.b', RECORD)).toEqual({
      code: 'BACKPRESSURE',
      message: `shard 3: the block subscription slow has taken nothing for ${WAIT_MS} ms`,
      details,
    });
    expect(overdue({}).refusalOf('a.b', RECORD)?.details).toEqual({
      ...details,
      subscription: 'e1-7',
    });
  });

  it('is not refused on another topic, or where the filter leaves it out', () => {
    expect(overdue({}).refusalOf('b', RECORD)).toBeUndefined();
    expect(overdue({ predicate: () => false }).refusalOf('a.b', RECORD)).toBeUndefined();
    expect(overdue({ predicate: () => true }).refusalOf('a.b', RECORD)).toBeDefined();
  });

  it('is not refused for a subscription that merely has no room', () => {
    const { watch, limit } = watching(subscription());
    limit();
    expect(watch.refusalOf('a.b', RECORD)).toBeUndefined();
  });
});
