import { describe, expect, test } from 'vitest';
import { openTestBus } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { connectTo } from './support/millrace-client.js';
import { TcpProxy } from './support/proxy.js';

/** A client behind a network that loses, delays and cuts. */

const event = { topic: 'a', type: 'agent_log' };

async function behindProxy() {
  const bus = await openTestBus({ shards: 2 });
  const gateway = await bus.serve({ port: 0 });
  const proxy = await TcpProxy.start(gateway.port);
  return { bus, proxy };
}

describe('a partition', () => {
  test.each(['black-hole', 'half-open'] as const)(
    'that is a %s is noticed by the silence, and no event is lost or repeated',
    async (mode) => {
      const { bus, proxy } = await behindProxy();
      const { client, states } = connectTo(proxy.url, { heartbeatMs: 100, connectTimeoutMs: 300 });
      const seen: unknown[] = [];
      await client.subscribe('a', ({ payload }) => void seen.push(payload)).ready;
      await client.publish({ ...event, payload: 0 });
      await until('the first', () => seen.length === 1);
      proxy.mode = mode;
      const acks = [1, 2, 3].map((payload) => client.publish({ ...event, payload }));
      await bus.publish({ ...event, payload: 'of another' });
      await until('it is noticed', () => client.state === 'reconnecting');
      expect(states.at(-1)?.error?.message).toContain('silent');
      proxy.mode = 'pass';
      proxy.reset();
      for (const ack of await Promise.all(acks)) expect(ack.duplicate).toBe(false);
      await until('all', () => seen.length === 5);
      expect(seen.filter((payload) => typeof payload === 'number')).toEqual([0, 1, 2, 3]);
      expect((await bus.query({ topic: 'a' })).map(({ payload }) => payload)).toEqual(seen);
    },
  );

  test('that resets every connection, again and again, loses nothing', async () => {
    const { bus, proxy } = await behindProxy();
    const { client } = connectTo(proxy.url);
    const seen: unknown[] = [];
    await client.subscribe('a', ({ payload }) => void seen.push(payload)).ready;
    const acks: Promise<unknown>[] = [];
    for (let payload = 0; payload < 200; payload++) {
      acks.push(client.publish({ ...event, payload }));
      if (payload % 40 !== 39) continue;
      const before = client.reconnects;
      proxy.reset();
      await until('again', () => client.reconnects > before && client.state === 'connected');
    }
    await Promise.all(acks);
    await until('all', () => seen.length >= 200);
    expect(seen).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect(await bus.query({ topic: 'a', limit: 1000 })).toHaveLength(200);
  });

  test('that refuses every connection makes the client wait longer and longer, and give up at its limit', async () => {
    const { proxy } = await behindProxy();
    proxy.mode = 'refuse';
    const { client, states } = connectTo(proxy.url, { maxReconnectAttempts: 3 });
    const waiting = client.publish({ ...event, payload: 1 });
    const subscription = client.subscribe('a');
    const events = subscription[Symbol.asyncIterator]().next();
    await expect(events).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      details: { cursor: '' },
    });
    await expect(waiting).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    await expect(client.connected()).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(states.map(({ state, attempt }) => [state, attempt])).toEqual([
      ['reconnecting', 1],
      ['reconnecting', 2],
      ['reconnecting', 3],
      ['failed', undefined],
    ]);
    expect(proxy.accepted).toBe(4);
    await expect(client.publish({ ...event, payload: 2 })).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
    });
    proxy.mode = 'pass';
    client.connect();
    await client.connected();
    expect(await client.publish({ ...event, payload: 3 })).toMatchObject({ topic: 'a' });
  });
});

describe('a page that says that its network is back', () => {
  test('makes the client try at once, and probe an open connection', async () => {
    const page = new EventTarget();
    const names = ['addEventListener', 'removeEventListener'] as const;
    for (const name of names) Reflect.set(globalThis, name, page[name].bind(page));
    const { proxy } = await behindProxy();
    const longMs = 600_000;
    const waits = { reconnectFloorMs: longMs, reconnectBaseMs: longMs, reconnectMaxMs: longMs };
    const { client } = connectTo(proxy.url, { ...waits, heartbeatMs: longMs });
    await client.connected();
    proxy.reset();
    await until('lost', () => client.state === 'reconnecting');
    page.dispatchEvent(new Event('online'));
    await until('again', () => client.state === 'connected');
    proxy.mode = 'black-hole';
    page.dispatchEvent(new Event('offline'));
    await until('found out', () => client.state === 'reconnecting');
    for (const name of names) Reflect.deleteProperty(globalThis, name);
  });
});

describe('a slow network', () => {
  test('delivers everything, in order, to a client that goes on publishing', async () => {
    const { bus, proxy } = await behindProxy();
    proxy.sliceBytes = 700;
    const { client } = connectTo(proxy.url);
    const seen: unknown[] = [];
    await client.subscribe('a', ({ payload }) => void seen.push(payload), { from: 'earliest' })
      .ready;
    for (let n = 0; n < 300; n++)
      await bus.publish({ ...event, payload: n }, { durability: 'written' });
    await until('all', () => seen.length === 300);
    expect(seen).toEqual(Array.from({ length: 300 }, (_, n) => n));
    expect(client.reconnects).toBe(0);
  });

  test('that never answers makes the client give up after the connect timeout', async () => {
    const { proxy } = await behindProxy();
    proxy.mode = 'black-hole';
    const { client } = connectTo(proxy.url, { connectTimeoutMs: 30, maxReconnectAttempts: 0 });
    await expect(client.connected()).rejects.toThrow(/not ready within 30 ms/);
    expect(client.state).toBe('failed');
  });
});

describe('a slow consumer', () => {
  test('costs the client at most its window, loses nothing, and holds up no other consumer', async () => {
    const { bus, proxy } = await behindProxy();
    const { client } = connectTo(proxy.url);
    const iterated = client.subscribe<number>('a', { maxBuffer: 4 });
    const quick: unknown[] = [];
    const other = client.subscribe('a', ({ payload }) => void quick.push(payload));
    await Promise.all([iterated.ready, other.ready]);
    const inputs = Array.from({ length: 5000 }, (_, payload) => ({ ...event, payload }));
    await bus.publishMany(inputs, { durability: 'written' });
    await until('the other has all', () => quick.length === 5000);
    expect(iterated.pending).toBeLessThanOrEqual(64);
    proxy.reset();
    await until('connected again', () => client.reconnects === 1 && client.state === 'connected');
    const seen: number[] = [];
    let most = 0;
    for await (const { payload } of iterated) {
      seen.push(payload);
      most = Math.max(most, iterated.pending);
      if (seen.length === 5000) break;
    }
    expect(seen).toEqual(inputs.map(({ payload }) => payload));
    expect(most).toBeLessThanOrEqual(96);
  });

  test('gets its overflow policy end to end: the newest event of each topic, and the number of dropped ones', async () => {
    const { bus, proxy } = await behindProxy();
    const { client } = connectTo(proxy.url);
    const subscription = client.subscribe<number>('a', { maxBuffer: 1, overflow: 'conflate' });
    let told = 0;
    subscription.on('dropped', ({ count }) => {
      told += count;
    });
    await subscription.ready;
    for (let payload = 0; payload < 2000; payload++) {
      await bus.publish({ ...event, payload }, { durability: 'written' });
    }
    const seen: number[] = [];
    for await (const { payload } of subscription) {
      seen.push(payload);
      if (payload === 1999) break;
    }
    expect(seen.length).toBeLessThan(2000);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(told).toBeGreaterThan(0);
  });
});
