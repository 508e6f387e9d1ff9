import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Collector, gather } from '../../bus/support/collector.js';
import { refused } from '../../bus/support/failures.js';
import { expectSameHistory } from '../../bus/support/oracle.js';
import { until } from '../../bus/support/wait.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { busOn, freshPrefix, inputs } from './subjects.js';

describe.runIf(hasRedis)('retention in Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.dispose());

  const place = () => ({ url: server.url, prefix: freshPrefix() });

  test('keeps the newest events, and every node learns which have gone', async () => {
    const at = place();
    const bus = await busOn(at, { shards: 1, retention: [{ maxEvents: 30 }] });
    const other = await busOn(at);
    const acks = await bus.publishMany(inputs(2500, 'x'));
    const length = () => server.command('XLEN', `{${at.prefix}:0}:log`);
    await until('the oldest have gone', async () => (await length()) === 30);
    expectSameHistory(await gather(bus.read({ topic: '*' })), acks.slice(-30), 'the log');
    for (const node of [bus, other]) {
      await until('the node knows', async () => {
        const topics = await node.topics();
        return topics.length === 5 && topics.every(({ events }) => events === 6);
      });
    }
    const late = await Collector.start(other, '*', { from: 'earliest' });
    await until('the other node has them all', () => late.events.at(-1)?.sequence === 2500);
    expectSameHistory(late.events.slice(-30), acks.slice(-30), 'from the earliest on');
    const { length: before } = late.events;
    const more = await bus.publishMany(inputs(5, 'more'));
    expect(more.map(({ sequence }) => sequence)).toEqual([2501, 2502, 2503, 2504, 2505]);
    await late.count(before + 5);
    await refused(() => bus.prune({ maxEvents: 1 }), 'OPTION_INVALID', 'not on request');
  });

  test('goes by bytes, and by the age of events on the clock of Redis', async () => {
    const small = place();
    const bus = await busOn(small, { shards: 1, retention: [{ maxBytes: 20_000 }] });
    await bus.publishMany(inputs(1000, 'x'));
    const kept = async () => (await gather(bus.read({ topic: '*' }))).length;
    await until('the oldest have gone', async () => (await kept()) < 1000);
    await until('what stays fits', async () => {
      return Number(await server.command('HGET', `{${small.prefix}:0}:meta`, 'bytes')) <= 20_000;
    });
    expect(await kept()).toBeGreaterThan(50);
    const aged = place();
    const old = await busOn(aged, { shards: 1, retention: [{ maxAgeMs: 1 }] });
    await old.publishMany(inputs(10, 'x'));
    await until('all have gone', async () => (await gather(old.read({ topic: '*' }))).length === 0);
    expect((await old.publishMany(inputs(1, 'y')))[0]?.sequence).toBe(11);
  });

  test('tells a subscription that was away what it has missed', async () => {
    const at = place();
    const bus = await busOn(at, { shards: 1 });
    const first = await Collector.start(bus, '*', { from: 'earliest' });
    await bus.publishMany(inputs(3, 'x'));
    await first.count(3);
    const { cursor } = first.subscription;
    await first.subscription.unsubscribe();
    await bus.publishMany(inputs(1500, 'y'));
    // Another node, which has none of the events at hand.
    const other = await busOn(at, { retention: [{ maxEvents: 5 }] });
    await until('the oldest have gone', async () => {
      return (await gather(other.read({ topic: '*' }))).length === 5;
    });
    const again = await Collector.start(other, '*', { from: { after: cursor } });
    await again.count(5);
    expect(again.events.map(({ sequence }) => sequence)).toEqual([1499, 1500, 1501, 1502, 1503]);
    expect([again.gaps[0]?.from, again.gaps.at(-1)?.to]).toEqual([4, 1498]);
    expect(new Set(again.gaps.map(({ reason }) => reason))).toEqual(new Set(['pruned']));
  });
});
