import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  ACK_DUPLICATE,
  ACK_EPHEMERAL,
  ACK_REFUSED,
  ACK_SYNCED,
  STATE_GAP,
  STATE_LAGGING,
  STATE_LIVE,
} from '../../src/link/link-records.js';
import { ShardControl } from '../../src/link/shard-control.js';
import { BusError } from '../../src/protocol/errors.js';
import { DEDUPE_WINDOW_MS } from '../../src/protocol/limits/store.js';
import {
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SYNCED,
} from '../../src/record/event-record.js';
import { LinkRecovery } from '../../src/shards/recovery.js';
import { REFUSED_FULL } from '../../src/shards/refusals.js';
import { Routes } from '../../src/shards/routes.js';
import { Shard } from '../../src/shards/shard.js';
import type { ShardEnd } from '../../src/shards/shard-end.js';
import { CATCHING_UP, ShardSubscription } from '../../src/shards/shard-subscription.js';
import { Stream } from '../../src/testing/broker/stream.js';
import { record } from '../store/records.js';
import { SharedLog } from './shared-log.js';
import { subscribeRequest, TestLink } from './support.js';

/** Lets the machine sleep: its uptime goes on, and no other clock. */
const asleep = vi.hoisted(() => ({ ms: 0 }));
vi.mock('node:os', async (original) => {
  const os = await original<typeof import('node:os')>();
  return { ...os, uptime: () => os.uptime() + asleep.ms / 1000 };
});

const EPHEMERAL = 0;
const STORED = EVENT_FLAG_PERSIST | EVENT_FLAG_SYNCED;
const NAMED = STORED | EVENT_FLAG_SUPPLIED_ID;

/** A shard without a thread on a shared log, and one endpoint that is subscribed to everything. */
function shardOn(log: SharedLog, link = new TestLink()) {
  const options = { shard: 0, commitBatchEvents: 100, publishWaitMs: 1000, prunes: false };
  const shard = new Shard(log, new Routes(), ShardControl.create(), options);
  const shardEnd = link.shardEnd();
  shard.add(shardEnd);
  shard.subscribe(new ShardSubscription<ShardEnd>(shardEnd, subscribeRequest(1, ['*'])));
  return { shard, link, shardEnd };
}

const event = (sequence: number) => ({ event: sequence });
const ack = (kind: number, sequence = 0) => ({ kind, sequence });

describe('a shard of a shared log', () => {
  test('delivers ephemeral and stored events of one publisher in their order', async () => {
    const log = new SharedLog();
    const { shard, link } = shardOn(log);
    link.publish({ flags: EPHEMERAL });
    link.publish({ flags: STORED });
    link.publish({ flags: EPHEMERAL });
    link.publish({ flags: STORED });
    shard.turn();
    expect(link.taken()).toEqual([ack(ACK_EPHEMERAL), event(0)]);
    for (const sequence of [1, 2]) {
      await log.decide();
      shard.turn();
      expect(link.taken()).toEqual([]);
      log.hear();
      shard.turn();
      expect(link.taken()).toEqual([event(sequence), ack(ACK_SYNCED, sequence)]);
      shard.turn();
      if (sequence === 1) expect(link.taken()).toEqual([ack(ACK_EPHEMERAL), event(0)]);
    }
    expect(shard.hasWork()).toBe(false);
  });

  test('keeps that order after a repeat whose first event may not be delivered yet', async () => {
    const stream = new Stream();
    const log = new SharedLog(stream);
    const { shard, link } = shardOn(log);
    storeOn(stream, 'given');
    log.known.set('given', 1);
    link.publish({ id: 'given', flags: NAMED });
    link.publish({ flags: EPHEMERAL });
    shard.turn();
    await log.decide();
    shard.turn();
    expect(link.taken()).toEqual([]);
    log.hear();
    shard.turn();
    expect(link.taken()).toEqual([event(1), ack(ACK_DUPLICATE, 1)]);
    shard.turn();
    expect(link.taken()).toEqual([ack(ACK_EPHEMERAL), event(0)]);
  });

  test('lets a subscription that is ahead of the tail wait, and go on from its position', () => {
    const stream = new Stream();
    for (const id of ['a', 'b', 'c', 'd']) storeOn(stream, id);
    const log = new SharedLog(stream);
    log.head = 1;
    const { shard } = shardOn(log);
    const link = new TestLink();
    const shardEnd = link.shardEnd();
    shard.add(shardEnd);
    const ahead = new ShardSubscription<ShardEnd>(shardEnd, subscribeRequest(1, ['*']));
    ahead.mode = CATCHING_UP;
    ahead.position = 3;
    shard.subscribe(ahead);
    for (const head of [1, 2]) {
      log.hear(head);
      while (shard.turn());
      expect(link.taken()).toEqual([]);
    }
    log.hear(4);
    while (shard.turn());
    expect(link.taken()).toEqual([event(4), { state: STATE_LIVE }]);
  });

  test('asks once for events that are not at hand, however the head moves meanwhile', () => {
    const stream = new Stream();
    const log = new SharedLog(stream);
    const { shard, link } = shardOn(log);
    storeOn(stream, 'a');
    log.isFetching = true;
    log.hear();
    shard.turn();
    storeOn(stream, 'b');
    log.hear();
    shard.turn();
    expect([log.reads, shard.hasWork()]).toEqual([1, false]);
    log.fetch();
    while (shard.turn());
    expect(link.taken()).toEqual([event(1), event(2)]);
  });

  test('tells of a gap where the store removed events before this node delivered them', () => {
    const stream = new Stream();
    const log = new SharedLog(stream);
    const { shard, link } = shardOn(log);
    for (const id of ['a', 'b', 'c', 'd']) storeOn(stream, id);
    log.hear(1);
    while (shard.turn());
    expect(link.taken()).toEqual([event(1)]);
    log.prunedThrough = 3;
    log.hear();
    while (shard.turn());
    const gap = [{ state: STATE_LAGGING }, { state: STATE_GAP }];
    expect(link.taken()).toEqual([...gap, event(4), { state: STATE_LIVE }]);
    storeOn(stream, 'e');
    log.prunedThrough = 5;
    log.hear();
    while (shard.turn());
    expect(link.taken()).toEqual([...gap, { state: STATE_LIVE }]);
    expect(shard.delivered).toBe(5);
  });

  test('ends if a commit fails, whatever the error’s code', async () => {
    const stream = new Stream();
    const log = new SharedLog(stream);
    const { shard, link } = shardOn(log);
    storeOn(stream, 'given');
    log.known.set('given', 1);
    link.publish({ id: 'given', flags: NAMED });
    link.publish({ flags: STORED });
    shard.turn();
    await log.decide(new BusError('STORE_FULL', 'no room'));
    expect(() => shard.turn()).toThrow('no room');
    expect(log.isDeciding).toBe(false);
    expect(link.taken()).toEqual([]);
  });

  test('ends if a commit throws, since it cannot tell which publishes repeat stored events', () => {
    const log = new SharedLog();
    const { shard, link } = shardOn(log);
    log.commit = () => {
      throw new BusError('STORE_FULL', 'no room');
    };
    link.publish({ flags: STORED });
    expect(() => shard.turn()).toThrow('no room');
    expect(link.taken()).toEqual([]);
  });

  test('says of each event whether a dead thread had read it, however late it is appended', async () => {
    const { shard, link } = shardOn(new SharedLog());
    for (let n = 0; n < 2; n++) link.publish({ flags: STORED });
    shard.turn();
    const next = new SharedLog();
    const { shard: successor, shardEnd } = shardOn(next, link);
    shardEnd.recovery = new LinkRecovery(shardEnd, next, undefined);
    link.publish({ flags: STORED });
    successor.turn();
    successor.turn();
    expect(next.again).toEqual([true, true, false]);
  });

  test('does not append publishes of a dead thread again that the store may have forgotten', async () => {
    const log = new SharedLog();
    const { shard, link } = shardOn(log);
    link.publish({ flags: STORED });
    link.publish({ id: 'given', flags: NAMED });
    shard.turn();
    expect(log.isDeciding).toBe(true);
    const next = new SharedLog();
    next.dedupeReachMs = 0;
    const { shard: successor, shardEnd } = shardOn(next, link);
    shardEnd.recovery = new LinkRecovery(shardEnd, next, undefined);
    link.publish({ flags: STORED });
    successor.turn();
    successor.turn();
    await next.decide();
    next.hear();
    successor.turn();
    expect(link.acks()).toMatchObject([
      { kind: ACK_REFUSED, code: 'PUBLISH_UNKNOWN' },
      { kind: ACK_REFUSED, code: 'PUBLISH_UNKNOWN' },
      { kind: ACK_SYNCED, sequence: 1 },
    ]);
  });

  test('does not append publishes again that were under way when the machine fell asleep for long', async () => {
    onTestFinished(() => {
      asleep.ms = 0;
    });
    const { shard, link } = shardOn(new SharedLog());
    link.publish({ flags: STORED });
    shard.turn();
    asleep.ms = DEDUPE_WINDOW_MS;
    const next = new SharedLog();
    const { shard: successor, shardEnd } = shardOn(next, link);
    shardEnd.recovery = new LinkRecovery(shardEnd, next, undefined);
    successor.turn();
    successor.turn();
    expect(link.acks()).toMatchObject([{ kind: ACK_REFUSED, code: 'PUBLISH_UNKNOWN' }]);
  });

  test('does not claim after a dead thread that a refused event is not stored', () => {
    const log = new SharedLog();
    log.known.set('known', 7);
    const link = new TestLink();
    link.publish({ flags: EPHEMERAL });
    link.publish({ id: 'known', flags: NAMED });
    link.publish({ flags: STORED });
    const first = link.shardEnd();
    first.publishes.read(() => undefined, 10);
    first.publishRing.mark = first.publishRing.position;
    first.refusePublishes(REFUSED_FULL);
    expect(new LinkRecovery(link.shardEnd(), log, undefined).step()).toBe(true);
    expect(link.acks()).toMatchObject([
      { kind: ACK_EPHEMERAL },
      { kind: ACK_DUPLICATE, sequence: 7 },
      { kind: ACK_REFUSED, code: 'PUBLISH_UNKNOWN' },
    ]);
  });
});

/** Another node stores an event. */
function storeOn(stream: Stream, id: string): void {
  stream.append([{ recordedAt: 1, bytes: record({ id, flags: NAMED }) }]);
}
