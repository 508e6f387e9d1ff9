import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { decodeCursor } from '../../../src/protocol/cursor.js';
import { BusError } from '../../../src/protocol/errors.js';
import type { FakeSubscription } from '../support/fake-endpoint.js';
import { openGateway, type TestGateway } from '../support/open-gateway.js';
import { SocketClient } from '../support/socket-client.js';

const event = (n: number, topic = 'a.b') => ({ topic, type: 'agent_log', payload: { n } });

function onlySubscription({ endpoint }: TestGateway): FakeSubscription {
  expect(endpoint.subscriptions.size).toBe(1);
  return [...endpoint.subscriptions][0]!;
}

function positions(cursor: string): readonly number[] {
  return decodeCursor(cursor).positions;
}

describe('a session', () => {
  it('begins with a welcome that announces the epoch and the limits', async () => {
    const { port } = await openGateway({ heartbeatMs: 12_345, maxPublishPerSecond: 7 });
    const client = new SocketClient(port);
    const { payload } = await client.next('welcome');
    expect(client.socket.protocol).toBe('millrace.v1');
    expect(payload).toMatchObject({
      protocol: 'millrace.v1',
      epoch: 'epoch-1',
      heartbeatMs: 12_345,
      limits: { subscriptions: 128, eventsPerFrame: 256, publishPerSecond: 7 },
    });
    expect(payload.server).toMatch(/^millrace\/\d/);
    expect(payload.connection).not.toBe('');
  });

  it('accepts a client that names no subprotocol', async () => {
    const { port } = await openGateway();
    const client = new SocketClient(port, {}, []);
    await client.next('welcome');
    expect((await client.ask('ping', undefined)).type).toBe('pong');
  });

  it('answers a ping with the time, and with the requestId unchanged', async () => {
    const client = await (await openGateway()).connect();
    for (const requestId of ['text', 0, -7, 2 ** 53 - 1]) {
      const pong = await client.ask('ping', {}, requestId);
      expect(pong.type).toBe('pong');
      expect(new Date(pong.payload.time).toISOString()).toBe(pong.payload.time);
    }
    client.send({ type: 'ping' });
    expect(await client.next('pong')).not.toHaveProperty('requestId');
  });

  it('publishes one event, and several, with their options', async () => {
    const gateway = await openGateway();
    const client = await gateway.connect();
    const one = await client.ask('publish', { event: event(1), durability: 'written' });
    expect(one.type).toBe('published');
    expect(one.payload.acks).toEqual([
      { id: 'e1', topic: 'a.b', shard: 0, sequence: 1, durability: 'synced', duplicate: false },
    ]);
    const many = await client.ask('publish', { events: [event(2), event(3)], persist: false });
    expect(many.payload.acks.map(({ id }: { id: string }) => id)).toEqual(['e2', 'e3']);
    expect(gateway.endpoint.published.map(({ options }) => options)).toEqual([
      { durability: 'written' },
      { persist: false },
    ]);
  });

  it('publishes in the order of the frames, in whatever order the answers come', async () => {
    const { endpoint, connect } = await openGateway();
    const client = await connect();
    for (let n = 1; n <= 100; n++) client.send({ type: 'publish', payload: { event: event(n) } });
    for (let n = 1; n <= 100; n++) await client.next('published');
    expect(endpoint.events.map(({ payload }) => payload)).toEqual(
      Array.from({ length: 100 }, (_, index) => ({ n: index + 1 })),
    );
  });

  it('answers a refusal of the bus with the code of the bus', async () => {
    const client = await (await openGateway()).connect();
    const { type, payload } = await client.ask('publish', { event: event(1, 'a..b') });
    expect(type).toBe('error');
    expect(payload.code).toBe('TOPIC_INVALID');
    expect(payload.message).toContain('a..b');
    expect((await client.ask('ping', {})).type).toBe('pong');
  });
});

describe('a subscription', () => {
  it('is confirmed, then replays, catches up and goes on live', async () => {
    const gateway = await openGateway();
    const client = await gateway.connect();
    await gateway.endpoint.publishMany([event(1), event(2)]);
    const subscribed = await client.ask('subscribe', {
      subscription: 'mine',
      filter: { topics: ['a.*'] },
      from: 'earliest',
    });
    expect(subscribed).toMatchObject({
      type: 'subscribed',
      payload: { subscription: 'mine', epoch: 'epoch-1' },
    });
    // The feed may have taken an event already, but the cursor counts only events that are sent.
    expect(positions(subscribed.payload.cursor)).toEqual([0]);
    const replay = await client.next('events');
    expect(replay.payload.events.map((one: { payload: unknown }) => one.payload)).toEqual([
      { n: 1 },
      { n: 2 },
    ]);
    expect(positions(replay.payload.cursor)).toEqual([2]);
    const caughtUp = await client.next('caughtUp');
    expect(caughtUp.payload.subscription).toBe('mine');
    expect(positions(caughtUp.payload.cursor)).toEqual([2]);
    await gateway.endpoint.publish(event(3));
    const live = await client.next('events');
    expect(live.payload.events[0]).toEqual(gateway.endpoint.events[2]);
  });

  it('may give its filter as a pattern, as patterns or as an object', async () => {
    const { endpoint, connect } = await openGateway();
    const client = await connect();
    const filters = ['a.*', ['a.b', 'c'], { topics: ['x'], attributes: { agentId: ['1'] } }];
    for (const [index, filter] of filters.entries()) {
      await client.answerTo('subscribe', { subscription: `s${index}`, filter }, index);
    }
    expect([...endpoint.subscriptions].map(({ filter }) => filter)).toEqual([
      { topics: ['a.*'] },
      { topics: ['a.b', 'c'] },
      { topics: ['x'], attributes: { agentId: ['1'] } },
    ]);
  });

  it('gets events that are due together in frames of at most 256', async () => {
    const gateway = await openGateway();
    const client = await gateway.connect();
    await client.ask('subscribe', { subscription: 's', filter: '*' });
    await client.next('caughtUp');
    await gateway.endpoint.publishMany(Array.from({ length: 600 }, (_, n) => event(n)));
    const sizes: number[] = [];
    for (let received = 0; received < 600; ) {
      const { payload } = await client.next('events');
      sizes.push(payload.events.length);
      received += payload.events.length;
      expect(positions(payload.cursor)).toEqual([received]);
    }
    expect(Math.max(...sizes)).toBe(256);
    expect(sizes.length).toBeLessThan(10);
  });

  it('gets large events in frames of about 256 KiB, each with an exact cursor', async () => {
    const gateway = await openGateway();
    const client = await gateway.connect();
    await client.ask('subscribe', { subscription: 's', filter: '*' });
    await client.next('caughtUp');
    const payload = 'x'.repeat(100_000);
    const inputs = Array.from({ length: 9 }, () => ({ ...event(0), payload }));
    await gateway.endpoint.publishMany(inputs);
    for (let received = 0; received < 9; ) {
      const frame = await client.next('events');
      expect(frame.payload.events.length).toBeLessThanOrEqual(2);
      received += frame.payload.events.length;
      expect(positions(frame.payload.cursor)).toEqual([received]);
    }
  });

  it('changes its filter in place', async () => {
    const gateway = await openGateway();
    const client = await gateway.connect();
    await client.ask('subscribe', { subscription: 's', filter: 'a.b' });
    await client.next('caughtUp');
    const answer = await client.ask('update', { subscription: 's', filter: 'c' });
    expect(answer.type).toBe('subscribed');
    await gateway.endpoint.publishMany([event(1), event(2, 'c')]);
    const { payload } = await client.next('events');
    expect(payload.events.map(({ topic }: { topic: string }) => topic)).toEqual(['c']);
  });

  it('ends on unsubscribe, and its name becomes free', async () => {
    const gateway = await openGateway();
    const client = await gateway.connect();
    for (let round = 0; round < 3; round++) {
      await client.ask('subscribe', { subscription: 's', filter: '*' });
      await client.next('caughtUp');
      const answer = await client.ask('unsubscribe', { subscription: 's' });
      expect(answer).toMatchObject({ type: 'unsubscribed', payload: { subscription: 's' } });
      expect(gateway.endpoint.subscriptions.size).toBe(0);
    }
  });

  it('reports drops after the events of the same turn that came before them', async () => {
    const gateway = await openGateway();
    const client = await gateway.connect();
    await client.ask('subscribe', { subscription: 's', filter: '*' });
    await client.next('caughtUp');
    const before = gateway.endpoint.publishMany([event(1), event(2)]);
    onlySubscription(gateway).emit('dropped', { count: 5 });
    await before;
    await gateway.endpoint.publish(event(3));
    expect((await client.next('events')).payload.events).toHaveLength(2);
    expect((await client.next('dropped')).payload).toEqual({ subscription: 's', count: 5 });
    expect((await client.next('events')).payload.events).toHaveLength(1);
  });

  it('reports gaps in their place, drops as one sum, and its end with the cursor', async () => {
    const gateway = await openGateway();
    const client = await gateway.connect();
    await client.ask('subscribe', { subscription: 's', filter: '*' });
    await client.next('caughtUp');
    const subscription = onlySubscription(gateway);
    await gateway.endpoint.publish(event(1));
    subscription.emit('gap', { shard: 0, from: 2, to: 5, reason: 'pruned' });
    expect((await client.next('events')).payload.events).toHaveLength(1);
    expect((await client.next('gap')).payload).toEqual({
      subscription: 's',
      shard: 0,
      from: 2,
      to: 5,
      reason: 'pruned',
    });
    for (let i = 0; i < 10; i++) subscription.emit('dropped', { count: 3 });
    expect((await client.next('dropped')).payload).toEqual({ subscription: 's', count: 30 });
    subscription.fail(new BusError('SLOW_CONSUMER', 'too slow'));
    const ended = await client.next('ended');
    expect(ended.payload).toMatchObject({ subscription: 's', code: 'SLOW_CONSUMER' });
    expect(positions(ended.payload.cursor)).toEqual([1]);
    const again = await client.ask('subscribe', { subscription: 's', filter: '*' });
    expect(again.type).toBe('subscribed');
  });

  it('is released when the socket closes or is cut', async () => {
    const gateway = await openGateway();
    for (const end of ['close', 'terminate'] as const) {
      const client = await gateway.connect();
      await client.ask('subscribe', { subscription: 's', filter: '*' });
      const subscription = onlySubscription(gateway);
      client.socket[end]();
      await subscription.closed;
      expect(gateway.endpoint.subscriptions.size).toBe(0);
    }
  });

  it('is refused with a typed error for an invalid cursor, pattern or policy', async () => {
    const gateway = await openGateway();
    const client = await gateway.connect();
    const cases = [
      [{ from: { after: 'bad' } }, 'CURSOR_INVALID'],
      [{ filter: 'a..b' }, 'PATTERN_INVALID'],
      [{ filter: { topics: ['a'], types: ['Not Snake'] } }, 'FILTER_INVALID'],
      [{ overflow: 'block' }, 'MESSAGE_INVALID'],
    ] as const;
    for (const [extra, code] of cases) {
      const answer = await client.ask('subscribe', { subscription: 's', filter: '*', ...extra });
      expect(answer.payload.code).toBe(code);
    }
    expect(gateway.endpoint.subscriptions.size).toBe(0);
    const good = await client.ask('subscribe', { subscription: 's', filter: '*' });
    expect(good.type).toBe('subscribed');
  });

  it('is refused if its name is in use or unknown, or if there are too many', async () => {
    const client = await (await openGateway({ maxSubscriptions: 2 })).connect();
    const ask = async (type: string, subscription: string, id: number) =>
      (await client.answerTo(type, { subscription, filter: '*' }, id)).payload.code;
    expect(await ask('subscribe', 'a', 1)).toBeUndefined();
    expect(await ask('subscribe', 'a', 2)).toBe('SUBSCRIPTION_EXISTS');
    expect(await ask('subscribe', 'b', 3)).toBeUndefined();
    expect(await ask('subscribe', 'c', 4)).toBe('LIMIT_EXCEEDED');
    expect(await ask('update', 'z', 5)).toBe('SUBSCRIPTION_UNKNOWN');
    const answer = await client.answerTo('unsubscribe', { subscription: 'z' }, 6);
    expect(answer.payload.code).toBe('SUBSCRIPTION_UNKNOWN');
  });
});

describe('the other requests', () => {
  it('query the history, 100 events by default', async () => {
    const { endpoint, connect } = await openGateway();
    await endpoint.publishMany(Array.from({ length: 150 }, (_, n) => event(n)));
    const client = await connect();
    const all = await client.ask('query', { topic: 'a.*' });
    expect(all.type).toBe('result');
    expect(all.payload.events).toEqual(endpoint.events.slice(0, 100));
    expect(all.payload).not.toHaveProperty('more');
    const query = { topic: ['a.*'], since: '2026-01-01T00:00:00Z', types: ['agent_log'], limit: 2 };
    expect((await client.ask('query', query)).payload.events).toHaveLength(2);
    expect(endpoint.queries[1]).toEqual(query);
    expect((await client.ask('query', { topic: 'none' })).payload).toEqual({ events: [] });
  });

  it('get a long answer in several frames', async () => {
    const { endpoint, connect } = await openGateway();
    const payload = 'é'.repeat(50_000);
    await endpoint.publishMany(Array.from({ length: 40 }, () => ({ ...event(0), payload })));
    const client = await connect();
    client.send({ type: 'query', requestId: 'q', payload: { topic: '*', limit: 1000 } });
    const parts: number[] = [];
    for (let more = true; more; ) {
      const frame = await client.next('result');
      expect(frame.requestId).toBe('q');
      parts.push(frame.payload.events.length);
      more = frame.payload.more === true;
    }
    expect(parts).toEqual([10, 10, 10, 10]);
  });

  it('list topics and subscribers, and give the statistics', async () => {
    const { endpoint, connect } = await openGateway();
    await endpoint.publishMany([event(1), event(2, 'c')]);
    const client = await connect();
    expect((await client.ask('topics', undefined)).payload.topics).toHaveLength(2);
    expect((await client.ask('topics', { pattern: 'c' })).payload.topics).toMatchObject([
      { name: 'c', events: 1 },
    ]);
    expect((await client.ask('stats', {})).payload.stats.published).toBe(2);
    await client.ask('subscribe', { subscription: 's', filter: 'a.b' });
    await client.next('caughtUp');
    const subscribers = await client.ask('subscribers', { topic: 'a.b' });
    expect(subscribers.payload.subscribers).toMatchObject([{ topics: ['a.b'] }]);
  });
});

describe('the end of a connection', () => {
  it('comes after the answers to accepted requests, with a close frame', async () => {
    const { endpoint, gateway, connect } = await openGateway();
    const client = await connect();
    let open = (): void => {};
    endpoint.gate = new Promise((resolve) => {
      open = resolve;
    });
    client.send({ type: 'publish', requestId: 1, payload: { event: event(1) } });
    while (endpoint.published.length === 0) await new Promise(setImmediate);
    const closed = gateway.close();
    open();
    expect((await client.next('published')).requestId).toBe(1);
    expect((await client.closed).code).toBe(1001);
    await closed;
  });

  it('does not wait for a client that never answers the close frame', async () => {
    const { gateway, connect } = await openGateway();
    const client = await connect();
    client.socket.pause();
    await gateway.close();
    client.socket.resume();
    expect([1001, 1006]).toContain((await client.closed).code);
  });

  it('comes for a client that answers no pings', async () => {
    const { port, logs } = await openGateway({ heartbeatMs: 20 });
    const silent = new SocketClient(port, { autoPong: false });
    const alive = await SocketClient.open(port);
    expect((await silent.closed).code).toBe(1006);
    expect(logs.map(({ message }) => message)).toContain('connection cut: heartbeats missed');
    expect((await alive.ask('ping', {})).type).toBe('pong');
  });

  it('does not come for a client that sends pings, which are answered', async () => {
    const client = await (await openGateway()).connect();
    client.socket.ping('hello');
    const [data] = await once(client.socket, 'pong');
    expect(String(data)).toBe('hello');
  });
});
