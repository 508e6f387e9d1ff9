/** When a shard has work, what a turn does of it, and what it counts, without a thread. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ArchiveWords } from '../../src/link/archive-words.js';
import { ACK_EPHEMERAL, ACK_REFUSED, ACK_SYNCED } from '../../src/link/link-records.js';
import { ShardCounter, TURNS } from '../../src/link/shard-control.js';
import type { SubscribeRequest } from '../../src/link/subscription-calls.js';
import type { BusError } from '../../src/protocol/errors.js';
import { CONTROL_RING_BYTES } from '../../src/protocol/limits/links.js';
import {
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SYNCED,
} from '../../src/record/event-record.js';
import { RingConsumer } from '../../src/ring/ring.js';
import { CATCHING_UP, LIVE, QUEUED, REPLAYING } from '../../src/shards/shard-subscription.js';
import { record } from '../store/records.js';
import { makeShard, memoryLog, subscribeRequest, TestLink } from './support.js';

const STORED = EVENT_FLAG_PERSIST | EVENT_FLAG_SYNCED;
const LONGEST = 60_000;

function running(log = memoryLog([]), rest: Parameters<typeof makeShard>[2] = {}) {
  const made = makeShard(log, true, rest);
  const link = new TestLink();
  const end = made.join(link);
  const subscribe = (request: Partial<SubscribeRequest> = {}) => {
    link.call('subscribe', subscribeRequest(1, ['a'], request));
    made.turn();
    link.taken();
    return end.subscriptions.get(1)!;
  };
  return { ...made, link, end, subscribe };
}

describe('a shard has work', () => {
  test('while publishes wait, and none once they are taken', () => {
    const { shard, link, turn } = running();
    expect([shard.hasWork(), shard.isDrained]).toEqual([false, true]);
    link.publish({ topic: 'a' });
    expect([shard.hasWork(), shard.isDrained]).toEqual([true, false]);
    turn();
    expect([shard.hasWork(), shard.isDrained]).toEqual([false, true]);
  });

  test('while commands wait', () => {
    const { shard, link, turn } = running();
    link.call('sync', {});
    expect(shard.hasWork()).toBe(true);
    turn();
    expect(shard.hasWork()).toBe(false);
  });

  test('while publishes wait that a block subscription has room for', () => {
    const { shard, link, turn, subscribe } = running();
    const rest = { ...({ overflow: 'block' } as object), creditEvents: 0, maxBuffer: 1 };
    const subscription = subscribe(rest);
    for (let n = 0; n < 2; n++) link.publish({ topic: 'a', flags: STORED });
    expect(shard.hasWork()).toBe(true);
    turn();
    expect([subscription.queued, shard.hasWork(), shard.isDrained]).toEqual([1, false, false]);
    turn();
    expect(link.acks()).toHaveLength(1);
    // It holds up nobody when the bus is closed.
    shard.isStopping = true;
    expect(shard.hasWork()).toBe(true);
    turn();
    expect([subscription.queued, shard.isDrained]).toEqual([2, true]);
  });

  test('once a subscription that waits for room in its link may have some', () => {
    const { shard, link: publisher, turn, join } = running();
    const link = new TestLink(1024);
    const end = join(link);
    link.call('subscribe', subscribeRequest(1, ['a']));
    turn();
    for (let n = 0; n < 30; n++) publisher.publish({ topic: 'a', flags: 0 });
    turn();
    while (shard.turn());
    expect([end.waiting.size, shard.hasWork()]).toEqual([1, false]);
    let events = 0;
    for (let n = 0; n < 30; n++) {
      const taken = link.taken();
      events += taken.filter((one) => 'event' in one).length;
      expect(shard.hasWork()).toBe(taken.length > 0 && events < 30);
      while (shard.turn());
    }
    expect(events).toBe(30);
    expect(end.waiting.size).toBe(0);
  });

  test('when something is due, which ends its sleep', () => {
    const { shard, link, turn, log } = running();
    expect(shard.idleMs(LONGEST)).toBe(LONGEST);
    const dueAt = Date.now() + 30_000;
    link.publishOnTerms({ flags: STORED }, { deliverAt: dueAt });
    turn();
    expect(shard.hasWork()).toBe(false);
    expect(shard.idleMs(LONGEST)).toBeLessThanOrEqual(30_000);
    expect(shard.idleMs(LONGEST)).toBeGreaterThan(0);
    vi.spyOn(Date, 'now').mockReturnValue(dueAt);
    vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 30_000);
    const hrtime = process.hrtime();
    vi.spyOn(process, 'hrtime').mockReturnValue([hrtime[0] + 31, hrtime[1]]);
    expect(shard.idleMs(LONGEST)).toBe(0);
    vi.restoreAllMocks();
    expect(log.scheduled.waiting).toBe(1);
  });

  test('when an event has expired, but not while the bus is closed', () => {
    const log = memoryLog([]);
    log.append(record({ topic: 'a', expiry: 5 }), 0, 1);
    log.commit(true, []);
    const { shard, turn, control } = running(log);
    expect([shard.hasWork(), shard.idleMs(LONGEST)]).toEqual([true, 0]);
    shard.isStopping = true;
    expect(shard.hasWork()).toBe(false);
    turn();
    expect(log.prunedEvents).toBe(0);
    shard.isStopping = false;
    while (shard.turn());
    expect([log.prunedEvents, shard.hasWork()]).toEqual([1, false]);
    expect(control.counters[ShardCounter.expired]).toBe(1);
  });
});

describe('a turn', () => {
  test('says whether it did anything, and is counted', () => {
    const { shard, link, control } = running();
    expect([shard.turn(), control.words[TURNS]]).toEqual([false, 1]);
    link.publish({ topic: 'a' });
    expect([shard.turn(), shard.turn(), control.words[TURNS]]).toEqual([true, false, 3]);
  });

  test('takes no more publishes than a batch may have, of another link first each time', () => {
    const { shard, link, turn, join } = running(memoryLog([]), { commitBatchEvents: 1 });
    const other = new TestLink();
    join(other);
    for (let n = 0; n < 2; n++) for (const one of [link, other]) one.publish({ flags: STORED });
    const takers: number[][] = [];
    for (let n = 0; n < 4; n++) {
      turn();
      takers.push([link, other].map((one) => one.acks().length));
    }
    expect(takers.slice(0, 2).flat().sort()).toEqual([0, 0, 1, 1]);
    expect(takers[0]).not.toEqual(takers[1]);
    expect(takers[2]).toEqual(takers[0]);
    expect([shard.delivered, shard.isDrained]).toEqual([4, true]);
  });

  test('counts what it has stored, delivered, refused and found to be repeated', () => {
    const { link, turn, control, subscribe, log } = running();
    subscribe();
    const event = (topic: string) => ({ topic, id: 'x', flags: STORED | EVENT_FLAG_SUPPLIED_ID });
    for (let n = 0; n < 3; n++) link.publish(event('a'));
    link.publish({ topic: 'a', flags: 0 });
    link.publish(event('b'));
    link.publishOnTerms({ topic: 'c', flags: STORED }, 9);
    turn();
    const { counters } = control;
    const { head, published, ephemeral, duplicates, refused, delivered } = ShardCounter;
    const counted = [head, published, ephemeral, duplicates, refused, delivered];
    expect(counted.map((counter) => counters[counter])).toEqual([2, 2, 1, 2, 1, 2]);
    link.publish({ topic: 'a', flags: STORED });
    turn();
    expect(counted.map((counter) => counters[counter])).toEqual([3, 3, 1, 2, 1, 3]);
    expect(log.head).toBe(3);
  });

  test('tells an endpoint up to where its subscriptions have all', () => {
    const { link, turn } = running(memoryLog(['a', 'a']));
    link.publish({ topic: 'a', flags: STORED });
    turn();
    expect(new RingConsumer(link.end.memory.deliveryRing).durableWatermark).toBe(3);
  });
});

test('a shard counts what its log says of itself when it begins', () => {
  const log = memoryLog(['a', 'b']);
  vi.spyOn(log, 'unindexedEvents', 'get').mockReturnValue(7);
  const { control } = makeShard(log);
  const { head, dedupeWindowMs, dedupeReachMs, unindexedEvents } = ShardCounter;
  expect(
    [head, dedupeWindowMs, dedupeReachMs, unindexedEvents].map((n) => control.counters[n]),
  ).toEqual([2, log.dedupeWindowMs, log.dedupeReachMs, 7]);
});

test('a subscription lags by what it has queued, or by what was delivered behind its position', () => {
  const { shard, link, turn, subscribe } = running(memoryLog(['b', 'b']));
  const subscription = subscribe({ creditEvents: 0 });
  subscription.position = 1;
  expect([subscription.mode, shard.lagOf(subscription)]).toEqual([LIVE, 0]);
  link.publish({ topic: 'a' });
  turn();
  expect([subscription.mode, shard.lagOf(subscription)]).toEqual([QUEUED, 1]);
  const lags = [CATCHING_UP, REPLAYING].map((mode) => {
    subscription.mode = mode;
    return shard.lagOf(subscription);
  });
  expect(lags).toEqual([2, 2]);
  subscription.position = 9;
  expect(shard.lagOf(subscription)).toBe(0);
});

test('a subscription reads from the archive what may have left the log for it, and nothing else', () => {
  const log = memoryLog(['a', 'a', 'a']);
  vi.spyOn(log, 'prunedThrough', 'get').mockReturnValue(2);
  const modes = [true, false].map((hasArchive) => {
    const archive = hasArchive ? ArchiveWords.create().buffer : undefined;
    const { subscribe } = running(log, { archive });
    return [1, 2].map((start) => subscribe({ start }).mode);
  });
  expect(modes).toEqual([
    [REPLAYING, LIVE],
    [LIVE, LIVE],
  ]);
});

test('an event that expires while it is queued is not sent', () => {
  const passed = { ms: 0 };
  const [now, elapsed] = [Date.now(), performance.now()];
  vi.spyOn(Date, 'now').mockImplementation(() => now + passed.ms);
  vi.spyOn(performance, 'now').mockImplementation(() => elapsed + passed.ms);
  const hrtime = (): [number, number] => {
    const ms = elapsed + passed.ms;
    return [Math.floor(ms / 1000), Math.floor((ms % 1000) * 1e6)];
  };
  vi.spyOn(process, 'hrtime').mockImplementation(hrtime as typeof process.hrtime);
  onTestFinished(() => void vi.restoreAllMocks());
  const { shard, link, turn, subscribe } = running();
  const subscription = subscribe({ creditEvents: 0 });
  for (const expiry of [-1000, -9000]) link.publish({ topic: 'a', flags: 0, expiry });
  turn();
  expect(subscription.queued).toBe(2);
  passed.ms = 5000;
  subscription.creditEvents = 10;
  shard.wake(subscription);
  turn();
  expect(link.taken().filter((one) => 'event' in one)).toHaveLength(1);
  expect([subscription.queued, subscription.creditEvents]).toEqual([0, 9]);
});

test('an endpoint may send any number of commands, as their room is given back', () => {
  const { link, turn } = running();
  const length = 8000;
  for (let id = 1; id <= (2 * CONTROL_RING_BYTES) / length; id++) {
    link.call('sync', { padding: 'x'.repeat(length) } as object, { id });
    turn();
    expect(link.replies()).toEqual([{ id, isAnswer: true, body: null }]);
  }
});

describe('damage that a shard meets', () => {
  /** A log with a damaged event that has expired, and a damaged publish that is due. */
  function damaged() {
    const log = memoryLog([]);
    const waiting = { number: 1, dueAt: 1, acceptedAt: 1, record: Buffer.alloc(0) };
    let isShown = false;
    vi.spyOn(log.scheduled, 'firstDue', 'get').mockImplementation(() =>
      isShown ? Number.POSITIVE_INFINITY : 1,
    );
    vi.spyOn(log.scheduled, 'due').mockImplementation(() => {
      isShown = true;
      return [{ ...waiting, fault: 'a damaged publish' }];
    });
    let isFound = false;
    vi.spyOn(log.expiry, 'first', 'get').mockImplementation(() =>
      isFound ? Number.POSITIVE_INFINITY : 1,
    );
    vi.spyOn(log.expiry, 'due').mockImplementation(() => {
      isFound = true;
      return [{ sequence: 1, fault: 'a damaged event' }];
    });
    return log;
  }

  test('is told to whoever wants to know, and ends nothing', () => {
    const told: BusError[] = [];
    const onDamage = (error: BusError): void => void told.push(error);
    const { link, turn } = running(damaged(), { onDamage });
    for (let n = 0; n < 3; n++) turn();
    expect(told.map(({ code, details }) => [code, details?.reason]).sort()).toEqual([
      ['STORE_CORRUPT', 'a damaged event'],
      ['STORE_CORRUPT', 'a damaged publish'],
    ]);
    link.publish({ topic: 'a' });
    turn();
    expect(link.acks()).toHaveLength(1);
  });

  test('ends nothing where nobody wants to know', () => {
    const { link, turn } = running(damaged());
    for (let n = 0; n < 3; n++) turn();
    link.publish({ topic: 'a' });
    turn();
    expect(link.acks()).toHaveLength(1);
  });
});

test('publishes that wait too long for a block subscription are refused, unless the bus is closed', () => {
  const { shard, link, turn, subscribe, control } = running(memoryLog([]), { publishWaitMs: 0 });
  const rest = { ...({ overflow: 'block' } as object), creditEvents: 0, maxBuffer: 1 };
  const subscription = subscribe(rest);
  link.publish({ topic: 'a', flags: STORED });
  turn();
  for (const topic of ['a', 'b']) link.publish({ topic, flags: STORED });
  for (let n = 0; n < 3; n++) turn();
  expect(link.acks()).toMatchObject([
    { kind: ACK_SYNCED, sequence: 1 },
    { kind: ACK_REFUSED, code: 'BACKPRESSURE' },
    { kind: ACK_SYNCED, sequence: 2 },
  ]);
  expect(control.counters[ShardCounter.refused]).toBe(1);
  shard.isStopping = true;
  link.publish({ topic: 'a', flags: STORED });
  link.publish({ topic: 'a', flags: 0 });
  turn();
  expect(link.acks()).toMatchObject([{ kind: ACK_SYNCED, sequence: 3 }, { kind: ACK_EPHEMERAL }]);
  expect(subscription.queued).toBe(3);
});
