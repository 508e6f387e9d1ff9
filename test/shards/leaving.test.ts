import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { ShardCounter } from '../../src/link/shard-control.js';
import { EVENT_FLAG_PERSIST } from '../../src/record/event-record.js';
import { PublishBatch } from '../../src/shards/publish-batch.js';
import { makeShard, subscribeRequest, TestLink } from './support.js';

describe('an endpoint that has left', () => {
  test('gets no subscription from a call that it made before it left', () => {
    const { routes, control, shard, turn, join } = makeShard();
    const link = new TestLink();
    const shardEnd = join(link);
    link.publish({ topic: 'a', flags: EVENT_FLAG_PERSIST });
    link.call('subscribe', subscribeRequest(1, ['a'], { overflow: 'block', maxBuffer: 1 }));
    shard.leave(shardEnd);
    turn();
    expect(routes.of('a').legs).toEqual([]);
    expect(control.counters[ShardCounter.subscriptions]).toBe(0);
    expect(shard.links).toEqual([]);
    expect(control.head).toBe(1);
  });

  test('with its delivery ring full holds up neither its link nor the shard', () => {
    const { control, shard, turn, join } = makeShard();
    const link = new TestLink(4096);
    const shardEnd = join(link);
    let published = 0;
    while (!shardEnd.owesAcks) {
      link.publish({ flags: EVENT_FLAG_PERSIST });
      published++;
      turn();
    }
    link.publish({ flags: EVENT_FLAG_PERSIST });
    turn();
    expect(shard.isDrained).toBe(false);
    expect(control.head).toBe(published);
    shard.leave(shardEnd);
    shardEnd.abandon();
    turn();
    // The shard still takes the events that it had published.
    expect(control.head).toBe(published + 1);
    expect(shard.isDrained).toBe(true);
    expect(shard.links).toEqual([]);
  });

  test('leaves no reference to its rings, even if no other endpoint uses its topics', async () => {
    const { routes, shard, turn, join } = makeShard();
    const links = Array.from({ length: 5 }, (_, n) => {
      const link = new TestLink(4096, `e${n}`);
      const shardEnd = join(link);
      link.call('subscribe', subscribeRequest(1, [`job.${n}`]));
      turn();
      expect(routes.of(`job.${n}`).legs).toHaveLength(1);
      shard.leave(shardEnd);
      turn();
      return new WeakRef(shardEnd);
    });
    expect(shard.links).toEqual([]);
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    // A WeakRef keeps its target alive until the end of the job that made it.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    const left = links.filter((link) => link.deref() !== undefined);
    // The loop may still refer to the link that it served last.
    expect(left.length).toBeLessThanOrEqual(1);
    expect(routes.of('job.0').legs).toEqual([]);
  });
});

test('a restarted shard skips no ephemeral events once it has passed the mark of the dead thread', () => {
  const { log } = makeShard();
  const link = new TestLink();
  const shardEnd = link.shardEnd();
  for (let n = 0; n < 3; n++) link.publish({ flags: EVENT_FLAG_PERSIST });
  shardEnd.skipEphemeralUntil = link.publishRing.position;
  const batch = new PublishBatch(log);
  batch.drain([shardEnd], 0, 2);
  expect(shardEnd.skipEphemeralUntil).toBeDefined();
  batch.drain([shardEnd], 0, 10);
  expect(shardEnd.skipEphemeralUntil).toBeUndefined();
  log.rollback();
});
