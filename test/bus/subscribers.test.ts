import { describe, expect, it } from 'vitest';
import type { SubscriberInfo } from '../../src/protocol/bus-api.js';
import { SseClient } from '../gateway/http/support/sse-client.js';
import { SocketClient } from '../gateway/support/socket-client.js';
import { openTestBus } from './support/open.js';
import { Gate, until } from './support/wait.js';

const event = (topic: string) => ({ topic, type: 'note', payload: 'x'.repeat(1000) });

describe('a subscriber in the list', () => {
  it('waits for nothing and was never slow while it consumes as fast as events come', async () => {
    const bus = await openTestBus({ shards: 2 });
    const before = Date.now();
    await bus.subscribe('*', () => {}, { name: 'quick' }).ready;
    await bus.publishMany(['a', 'b', 'c', 'd'].map(event));
    await bus.drain();
    for (const topic of [undefined, 'a']) {
      const [one] = await bus.subscribers(topic);
      expect(one).toMatchObject({ name: 'quick', lagMs: 0, slow: 0 });
      expect(Date.parse(one!.since)).toBeGreaterThanOrEqual(before);
      expect(Date.parse(one!.since)).toBeLessThanOrEqual(Date.now());
      expect(one).not.toHaveProperty('principal');
      expect(one).not.toHaveProperty('connection');
    }
  });

  it.each(['catch-up', 'drop-oldest', 'conflate'] as const)(
    'shows with %s how long its oldest event waits, and how often it was slow',
    async (overflow) => {
      const bus = await openTestBus({ shards: 1 });
      const gate = new Gate();
      const slow = bus.subscribe('a', () => gate.opened, { overflow, maxBuffer: 4 });
      await slow.ready;
      const listed = async (): Promise<SubscriberInfo> => (await bus.subscribers('a'))[0]!;
      await until('it is behind', async () => {
        await bus.publishMany(Array.from({ length: 32 }, () => event('a')));
        return (await listed()).slow === 1;
      });
      await until('its oldest event gets older', async () => ((await listed()).lagMs ?? 0) > 30);
      const { lagMs } = await listed();
      await until('and older', async () => (await listed()).lagMs! > lagMs!);
      gate.open();
      await until('it is live again', async () => (await listed()).mode === 'live');
      const { lagMs: after, slow: times } = await listed();
      expect(after).toBe(0);
      expect(times).toBeGreaterThanOrEqual(1);
    },
  );

  it('keeps the time at which it subscribed when its shard is replaced', async () => {
    const { controls } = await import('./support/millrace.js');
    const bus = await openTestBus({ shards: 1 });
    await bus.subscribe('a', () => {}).ready;
    const [before] = await bus.subscribers('a');
    await controls(bus).killShard(0);
    await until('the next thread knows it', async () => (await bus.subscribers('a')).length === 1);
    expect((await bus.subscribers('a'))[0]).toMatchObject({ since: before!.since });
  });

  it('of a gateway shows its principal and the connection that the list of connections names', async () => {
    const bus = await openTestBus({ shards: 2 });
    const { port, url } = await bus.serve({ port: 0 });
    const socket = new SocketClient(port, { headers: { 'user-agent': 'socket' } });
    const { payload } = await socket.next('welcome');
    await socket.ask('subscribe', { subscription: 'mine', filter: '*' });
    const stream = await SseClient.open(`${url}/v1/events/stream?topic=a&name=streamed`, {
      'user-agent': 'stream',
    });
    await stream.next();
    const { connections } = (await (await fetch(`${url}/v1/connections`)).json()) as {
      connections: { id: string; userAgent: string }[];
    };
    const streamed = connections.find(({ userAgent }) => userAgent === 'stream')!;
    for (const topic of [undefined, 'a']) {
      const byName = new Map((await bus.subscribers(topic)).map((one) => [one.name, one]));
      const mine = { principal: 'anonymous', connection: payload.connection };
      expect(byName.get('mine')).toMatchObject(mine);
      expect(byName.get('streamed')).toMatchObject({ connection: streamed.id });
    }
    stream.close();
  });
});
