import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/index.js';
import { controls } from './support/millrace.js';
import { openTestBus, temporaryDirectory } from './support/open.js';

/** The next event of a subscription to the bus's own topics. */
async function next(events: AsyncIterator<Event>): Promise<Event> {
  const { value } = await events.next();
  return value as Event;
}

describe('system events', () => {
  it('report when the bus starts and stops, and are stored if asked for', async () => {
    const dir = temporaryDirectory();
    const systemEvents = { persist: true, healthIntervalMs: 0 };
    const bus = await openTestBus({ dir, shards: 1, systemEvents });
    await bus.close();
    const again = await openTestBus({ dir, systemEvents: false });
    const told = await again.query({ topic: '$sys.*' });
    expect(told.map(({ topic, type }) => [topic, type])).toEqual([
      ['$sys.daemon.started', 'daemon_started'],
      ['$sys.daemon.stopping', 'daemon_stopping'],
    ]);
    expect(told[0]).toMatchObject({ source: 'millrace', payload: { pid: process.pid, shards: 1 } });
  });

  it('are ephemeral by default, do not count as publishes, and reach only subscriptions that name $sys', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 1, systemEvents: { healthIntervalMs: 1 } });
    const everything: string[] = [];
    const all = bus.subscribe('*', ({ topic }) => void everything.push(topic));
    const system = bus.subscribe('$sys.health');
    await Promise.all([all.ready, system.ready]);
    const health = await next(system[Symbol.asyncIterator]());
    expect(health).toMatchObject({
      topic: '$sys.health',
      type: 'health_check',
      payload: { status: 'ok', shards: [{ shard: 0, state: 'running', restarts: 0 }] },
    });
    expect(health.sequence).toBeUndefined();
    expect(await bus.stats()).toMatchObject({ published: 0 });
    expect(everything).toEqual([]);
    await bus.close();
    const again = await openTestBus({ dir });
    expect(await again.query({ topic: '$sys.*' })).toEqual([]);
  });

  it('report figures at an interval, if one is set', async () => {
    const bus = await openTestBus({ shards: 1, systemEvents: { metricsIntervalMs: 1 } });
    const system = bus.subscribe('$sys.metrics');
    await system.ready;
    const { type, payload } = await next(system[Symbol.asyncIterator]());
    expect(type).toBe('metrics_update');
    expect(payload).toMatchObject({ epoch: bus.epoch, shards: [{ shard: 0 }] });
  });

  it('report failures that no promise carries, at a limited rate', async () => {
    const bus = await openTestBus({ dir: ':memory:', shards: 1, maxShardBytes: 200_000 });
    const system = bus.subscribe('$sys.errors');
    await system.ready;
    // The shard refuses events that its store has no room for, and the answers are not awaited.
    const payload = 'x'.repeat(100_000);
    for (let n = 0; n < 100; n++) {
      bus.tryPublish({ topic: 'a', type: 'state_updated', payload });
    }
    const events = system[Symbol.asyncIterator]();
    const told = await next(events);
    expect(told).toMatchObject({ type: 'system_error', payload: { code: 'STORE_FULL' } });
  });

  it('can only be published by the bus', async () => {
    const bus = await openTestBus({ shards: 1 });
    const input = { topic: '$sys.health', type: 'health_check', payload: null };
    await expect(bus.publish(input)).rejects.toMatchObject({ code: 'TOPIC_INVALID' });
    await expect(bus.publishMany([input])).rejects.toMatchObject({ code: 'TOPIC_INVALID' });
    expect(() => bus.tryPublish(input)).toThrow(expect.objectContaining({ code: 'TOPIC_INVALID' }));
  });

  it('are not published if turned off', async () => {
    const bus = await openTestBus({ shards: 1, systemEvents: false });
    const told: string[] = [];
    const system = bus.subscribe('$sys.*', ({ topic }) => void told.push(topic));
    await system.ready;
    await bus.close();
    expect(told).toEqual([]);
  });

  it('go on after their shard has died', async () => {
    const bus = await openTestBus({ shards: 1, systemEvents: { healthIntervalMs: 1 } });
    const system = bus.subscribe('$sys.health');
    await system.ready;
    await controls(bus).killShard(0);
    const events = system[Symbol.asyncIterator]();
    let restarts = 0;
    while (restarts === 0) {
      const { payload } = (await next(events)) as Event<{ shards: { restarts: number }[] }>;
      restarts = payload.shards[0]!.restarts;
    }
    expect(restarts).toBe(1);
  });

  it('report connections of the gateways', async () => {
    const bus = await openTestBus({ shards: 1 });
    const gateway = await bus.serve({ port: 0 });
    const system = bus.subscribe('$sys.connections.*');
    await system.ready;
    const { WebSocket } = await import('ws');
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/events`, 'millrace.v1');
    // The gateway counts a connection before its client has read the answer to the upgrade.
    const connected = once(socket, 'open');
    const events = system[Symbol.asyncIterator]();
    const opened = await next(events);
    expect(opened).toMatchObject({
      topic: '$sys.connections.opened',
      type: 'connection_established',
      payload: { connection: expect.any(String), address: '127.0.0.1' },
    });
    expect((await bus.stats()).connections).toBe(1);
    await connected;
    socket.terminate();
    const closed = await next(events);
    expect(closed).toMatchObject({ type: 'connection_closed', payload: opened.payload });
    expect((await bus.stats()).connections).toBe(0);
  });
});
