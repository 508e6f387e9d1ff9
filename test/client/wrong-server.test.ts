import { afterEach, describe, expect, test, vi } from 'vitest';
import { NO_SINKS } from '../../src/protocol/sink-list.js';
import { refused } from '../bus/support/failures.js';
import { until } from '../bus/support/wait.js';
import { connectTo } from './support/millrace-client.js';
import {
  type Asked,
  CURSOR,
  eventsFrame,
  send,
  WELCOME,
  WrongServer,
  wireEvent,
} from './support/wrong-server.js';

/** A client whose server sends nonsense must not throw, hang, or act on it. */

const event = { topic: 'a', type: 'agent_log', payload: 1 };

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a malformed message from the server', () => {
  const subscribed = { subscription: 'subscription-1', cursor: 'bad', epoch: 'e1' };
  const of = (payload: unknown, type = 'events'): object => ({ type, payload });
  const name = 'subscription-1';
  const nonsense: [string, unknown][] = [
    ['no JSON', '{"type":'],
    ['a number', '7'],
    ['null', 'null'],
    ['an array', '[]'],
    ['no type', '{}'],
    ['a type that is no text', '{"type":7,"payload":{}}'],
    ['no payload', '{"type":"events"}'],
    ['events that are none', of({ subscription: name, events: 'x', cursor: CURSOR })],
    ['an event that is null', of({ subscription: name, events: [null], cursor: CURSOR })],
    [
      'an event without a topic',
      of({ subscription: name, events: [wireEvent(1, { topic: 7 })], cursor: CURSOR }),
    ],
    [
      'a shard that there is not',
      of({ subscription: name, events: [wireEvent(1, { shard: 9 })], cursor: CURSOR }),
    ],
    ['a negative sequence', of({ subscription: name, events: [wireEvent(-1)], cursor: CURSOR })],
    ['a cursor that is none', of({ subscription: name, events: [], cursor: 'zzz' })],
    ['a caughtUp without a cursor', of({ subscription: name }, 'caughtUp')],
    ['a gap without numbers', of({ subscription: name, reason: 'pruned' }, 'gap')],
    [
      'an answer to nothing asked with a wrong requestId',
      { type: 'pong', requestId: {}, payload: {} },
    ],
    ['a second welcome', WELCOME],
    ['a subscribed of another kind', of(subscribed, 'dropped')],
    ['more than a frame may hold', 'x'.repeat(70_000)],
  ];

  test.each(nonsense)('%s ends the connection, and the next one goes on', async (_, frame) => {
    const server = await WrongServer.start();
    const { client, states, errors } = connectTo(server.url, { maxFrameBytes: 65_536 });
    const seen: unknown[] = [];
    const subscription = client.subscribe('a', ({ payload }) => void seen.push(payload));
    await subscription.ready;
    send(server.sockets[0]!, eventsFrame(subscription.id, 1, 2));
    await until('two', () => seen.length === 2);
    send(server.sockets[0]!, frame);
    await until('a new connection', () => server.count('subscribe') === 2);
    // Once more the last one, as a server might that is not sure.
    await until('it is open', () => client.state === 'connected');
    send(server.sockets.at(-1)!, eventsFrame(subscription.id, 2, 3));
    await until('three', () => seen.length === 3);
    expect(seen).toEqual([1, 2, 3]);
    const lost = states.find(({ state }) => state === 'reconnecting');
    expect(['MESSAGE_INVALID', 'CURSOR_INVALID', 'CONNECTION_FAILED']).toContain(lost?.error?.code);
    expect(errors).toEqual([]);
  });

  test('a frame of an unknown type is ignored', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    await client.connected();
    send(server.sockets[0]!, { type: 'fortune', payload: { text: 'tomorrow' } });
    send(server.sockets[0]!, eventsFrame('nobody', 1));
    expect(await client.publish(event)).toMatchObject({ topic: 'a' });
    expect(client.reconnects).toBe(0);
  });

  test('the refusal of a frame that an earlier server does not know is nobody’s error', async () => {
    const server = await WrongServer.start();
    server.script = ({ type, requestId }, socket) => {
      const message = `type ${type} is no type of a request`;
      const payload = { code: 'MESSAGE_INVALID', message };
      if (type === 'abandon') send(socket, { type: 'error', requestId, payload });
      return type === 'abandon';
    };
    const { client, errors } = connectTo(server.url);
    const asker = new AbortController();
    const asked = refused(() => client.request(event, { signal: asker.signal }), 'ABORTED');
    await until('the server has it', () => server.count('request') === 1);
    asker.abort();
    await asked;
    await until('the server knows', () => server.count('abandon') === 1);
    expect(await client.publish(event)).toMatchObject({ topic: 'a' });
    expect(errors).toEqual([]);
    expect(client.reconnects).toBe(0);
    const [{ requestId }] = server.asked.filter(({ type }) => type === 'request') as [Asked];
    expect(server.asked.find(({ type }) => type === 'abandon')?.payload).toEqual({
      request: requestId,
    });
  });

  test('binary messages end the connection', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    await client.connected();
    server.sockets[0]!.send(Buffer.from('{}'));
    await until('again', () => client.reconnects === 1);
  });

  test('the client goes on after every way to close', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    const codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 3000, 4000, 4999];
    for (const [at, code] of codes.entries()) {
      await until('connected', () => client.state === 'connected' && server.connections === at + 1);
      server.sockets.at(-1)!.close(code, 'because');
    }
    await until('again', () => client.reconnects === codes.length);
    expect(await client.publish(event)).toMatchObject({ topic: 'a' });
  });

  test('acks with an invalid cursor, or one without their shard, are refused', async () => {
    const wrong = [
      { cursor: 7 },
      { cursor: 'zzz' },
      { cursor: CURSOR, shard: 9 },
      { cursor: CURSOR, shard: 'x' },
    ];
    const server = await WrongServer.start();
    server.script = ({ type, requestId, payload }, socket) => {
      const told = type === 'publish' ? wrong.shift() : undefined;
      if (told === undefined) return false;
      const { shard = 0, cursor } = told;
      const { id, topic } = payload.event;
      const ack = { id, topic, shard, sequence: 1, durability: 'synced', duplicate: false };
      send(socket, { type: 'published', requestId, payload: { acks: [ack], cursor } });
      return true;
    };
    const { client } = connectTo(server.url);
    expect((await client.publish(event)).cursor).toBeUndefined();
    expect(server.count('publish')).toBe(5);
  });

  test('acks that do not fit the publish are refused; the publish is sent again with the same id', async () => {
    const wrong = [
      { acks: [] },
      { acks: [{ id: 'x', topic: 'a', shard: 0, durability: 'synced', duplicate: false }] },
      { acks: 'yes' },
      {},
    ];
    const server = await WrongServer.start();
    server.script = ({ type, requestId }, socket) => {
      const payload = type === 'publish' ? wrong.shift() : undefined;
      if (payload !== undefined) send(socket, { type: 'published', requestId, payload });
      return payload !== undefined;
    };
    const { client } = connectTo(server.url);
    const ack = await client.publish(event);
    const ids = server.asked
      .filter(({ type }) => type === 'publish')
      .map((asked) => asked.payload.event.id);
    expect(ids).toEqual(Array.from({ length: 5 }, () => ack.id));
  });

  test('an answer of the wrong type is refused', async () => {
    const server = await WrongServer.start();
    let isWrong = true;
    server.script = ({ type, requestId }, socket) => {
      if (type !== 'stats') return false;
      if (isWrong) send(socket, { type: 'pong', requestId, payload: {} });
      else send(socket, { type: 'result', requestId, payload: { stats: { published: 3 } } });
      isWrong = false;
      return true;
    };
    const { client } = connectTo(server.url);
    // A server from before there were sinks says nothing of any.
    expect(await client.stats()).toEqual({ published: 3, sinks: NO_SINKS });
    expect(client.reconnects).toBe(1);
  });

  test('events beyond the window end the connection before they fill the memory', async () => {
    const server = await WrongServer.start();
    const { client, states } = connectTo(server.url);
    const subscription = client.subscribe('a', { maxBuffer: 1 });
    await subscription.ready;
    for (let sent = 0; sent < 10; sent++) {
      const sequences = Array.from({ length: 256 }, (_, n) => sent * 256 + n + 1);
      send(server.sockets[0]!, eventsFrame(subscription.id, ...sequences));
    }
    await until('cut', () => states.some(({ state }) => state === 'reconnecting'));
    expect(subscription.pending).toBeLessThanOrEqual(1100);
  });

  test('endless frames without events end the connection', async () => {
    const server = await WrongServer.start();
    const { client, states } = connectTo(server.url);
    const subscription = client.subscribe('a', { maxBuffer: 1 });
    await subscription.ready;
    const { id } = subscription;
    send(server.sockets[0]!, eventsFrame(id, 1));
    // Taken and not given back: what follows waits behind it.
    await subscription[Symbol.asyncIterator]().next();
    const gap = { subscription: id, shard: 0, from: 1, to: 2, reason: 'pruned' };
    for (let n = 0; n < 1200; n++) send(server.sockets[0]!, { type: 'gap', payload: gap });
    await until('cut', () => states.some(({ state }) => state === 'reconnecting'));
  });

  test('a server that sends nothing is given up', async () => {
    const server = await WrongServer.start();
    server.welcome = undefined;
    const { client } = connectTo(server.url, { connectTimeoutMs: 30, maxReconnectAttempts: 1 });
    await refused(() => client.connected(), 'CONNECTION_FAILED', 'not ready');
  });

  test('a welcome with another protocol ends the connection', async () => {
    const server = await WrongServer.start();
    server.welcome = { ...WELCOME, payload: { ...WELCOME.payload, protocol: 'millrace.v9' } };
    const { client } = connectTo(server.url, { maxReconnectAttempts: 1 });
    await refused(() => client.connected(), 'MESSAGE_INVALID', 'millrace.v9');
  });

  test('a request that is never answered ends with a timeout', async () => {
    const server = await WrongServer.start();
    server.script = ({ type }) => type === 'query' || type === 'publish';
    const { client } = connectTo(server.url, { requestTimeoutMs: 30 });
    await refused(() => client.query({ topic: '*' }), 'TIMEOUT');
    const error = await refused(() => client.publish(event, { timeoutMs: 30 }), 'TIMEOUT');
    expect(error.details).toMatchObject({ isSent: true });
    const aborter = new AbortController();
    const aborted = client.publish(event, { signal: aborter.signal });
    await until('it is sent', () => server.count('publish') === 2);
    aborter.abort();
    expect((await refused(() => aborted, 'ABORTED')).details).toEqual({ isSent: true });
    await refused(() => client.publish(event, { signal: aborter.signal }), 'ABORTED');
    const waiting = Array.from({ length: 256 }, () => client.stats().catch(() => {}));
    await refused(() => client.stats(), 'BACKPRESSURE');
    await client.close();
    await Promise.all(waiting);
  });
});

describe('a subscription that the server refuses', () => {
  test('for the moment is tried again after the wait that the server asked for', async () => {
    const server = await WrongServer.start();
    let refusals = 2;
    server.script = ({ type, requestId }, socket) => {
      if (type !== 'subscribe' || refusals-- <= 0) return false;
      const payload = { code: 'RATE_LIMITED', message: 'slowly', details: { retryAfterMs: 5 } };
      send(socket, { type: 'error', requestId, payload });
      return true;
    };
    const { client } = connectTo(server.url);
    await client.subscribe('a').ready;
    expect(server.count('subscribe')).toBe(3);
  });

  test('is tried again by each client at a different time, and by none too early', async () => {
    const server = await WrongServer.start();
    const payload = { code: 'RATE_LIMITED', message: 'slowly', details: { retryAfterMs: 60_000 } };
    server.script = ({ type, requestId }, socket) => {
      if (type === 'subscribe') send(socket, { type: 'error', requestId, payload });
      return type === 'subscribe';
    };
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const timer = vi.spyOn(globalThis, 'setTimeout');
    const { client, states } = connectTo(server.url);
    client.subscribe('a');
    await until('the subscription waits', () => timer.mock.calls.some(([, ms]) => ms === 75_000));
    server.welcome = { type: 'error', payload: { ...payload, code: 'AUTH_UNAVAILABLE' } };
    server.sockets[0]!.terminate();
    await until('the client waits', () => (states.at(-1)?.retryInMs ?? 0) > 1000);
    expect(states.at(-1)).toMatchObject({ state: 'reconnecting', retryInMs: 75_000 });
  });

  test('for good ends, with the code and the cursor', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    const subscription = client.subscribe('a', () => {});
    await subscription.ready;
    send(server.sockets[0]!, eventsFrame(subscription.id, 1));
    await until('consumed', () => subscription.cursor !== CURSOR);
    const payload = {
      subscription: subscription.id,
      code: 'SLOW_CONSUMER',
      message: 'slow',
      cursor: CURSOR,
    };
    send(server.sockets[0]!, { type: 'ended', payload });
    await expect(subscription.closed).rejects.toMatchObject({
      code: 'SLOW_CONSUMER',
      details: { cursor: subscription.cursor },
    });
  });

  test('because it is stopping is opened on the next server', async () => {
    const server = await WrongServer.start();
    let isStopping = true;
    server.script = ({ type, requestId }, socket) => {
      if (type !== 'publish' || !isStopping) return false;
      isStopping = false;
      send(socket, { type: 'error', requestId, payload: { code: 'BUS_CLOSED', message: 'bye' } });
      return true;
    };
    const { client } = connectTo(server.url);
    expect(await client.publish(event)).toMatchObject({ topic: 'a' });
    expect(client.reconnects).toBe(1);
  });

  test('gets gaps, drops and caught-up notices, each in its place', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    const told: unknown[] = [];
    const subscription = client
      .subscribe('a', async ({ payload }) => void told.push(payload))
      .on('gap', ({ from, to, reason }) => told.push([from, to, reason]))
      .on('caughtUp', () => told.push('caughtUp'));
    await subscription.ready;
    const [socket] = server.sockets;
    const { id } = subscription;
    const gap = { subscription: id, shard: 0, from: 3, to: 5, reason: 'pruned' };
    send(socket!, eventsFrame(id, 1, 2));
    send(socket!, { type: 'gap', payload: gap });
    send(socket!, eventsFrame(id, 6));
    send(socket!, { type: 'caughtUp', payload: { subscription: id, cursor: CURSOR } });
    send(socket!, { type: 'dropped', payload: { subscription: id, count: 4 } });
    await until('all is told', () => told.length === 5 && subscription.dropped === 4);
    expect(told).toEqual([1, 2, [3, 5, 'pruned'], 6, 'caughtUp']);
  });
});

describe('an ephemeral publish', () => {
  test('is not sent a second time, nor is a persisted one after the resend window', async () => {
    const server = await WrongServer.start();
    server.script = ({ type }) => type === 'publish';
    const { client } = connectTo(server.url, { resendWindowMs: 0 });
    const ephemeral = client.publish(event, { persist: false });
    const stored = client.publish(event);
    await until('both are sent', () => server.count('publish') === 2);
    server.sockets[0]!.terminate();
    const error = await refused(() => ephemeral, 'PUBLISH_UNKNOWN', 'ephemeral');
    expect(error.details).toMatchObject({ ids: [expect.any(String)] });
    await refused(() => stored, 'PUBLISH_UNKNOWN', 'first sent');
    const unsent = client.publish(event);
    await until('it is sent', () => server.count('publish') === 3);
    await client.close();
    await refused(() => unsent, 'PUBLISH_UNKNOWN', 'closed');
  });
});

describe('a publish whose id the server may have forgotten', () => {
  const reaching = (dedupeReachMs: number): object => {
    const { payload } = WELCOME;
    return { ...WELCOME, payload: { ...payload, limits: { ...payload.limits, dedupeReachMs } } };
  };

  /** Sent over a first connection; what becomes of it over the second, `laterMs` by the wall clock. */
  async function sentAgain(second: unknown, laterMs: number) {
    const server = await WrongServer.start();
    server.script = ({ type }) => type === 'publish' && server.connections === 1;
    const { client } = connectTo(server.url);
    const published = client.publish(event);
    const settled = published.catch(() => {});
    await until('it is sent', () => server.count('publish') === 1);
    server.welcome = second;
    const now = Date.now;
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + laterMs);
    server.sockets[0]!.terminate();
    await settled;
    clock.mockRestore();
    return { published, sendings: server.count('publish') };
  }

  test('is sent again within the window that the server announces, and fails outside of it', async () => {
    const known = await sentAgain(reaching(60_000), 0);
    await expect(known.published).resolves.toMatchObject({ duplicate: false });
    expect(known.sendings).toBe(2);
    const unknown = await sentAgain(reaching(10_000), 0);
    const error = await refused(() => unknown.published, 'PUBLISH_UNKNOWN', 'first sent');
    expect(error.details).toMatchObject({ ids: [expect.any(String)] });
    expect(unknown.sendings).toBe(1);
  });

  test('may be stored, whatever the answer to its second sending', async () => {
    const server = await WrongServer.start();
    const no = { code: 'RATE_LIMITED', message: 'not so fast' };
    const answers: (object | undefined)[] = [no, undefined, no];
    answers.push(undefined, { ...no, details: { stored: [1], acks: [], index: 0, failed: 2 } });
    server.script = ({ type, requestId }, socket) => {
      if (type !== 'publish') return false;
      const payload = answers.shift();
      if (payload === undefined) socket.terminate();
      else send(socket, { type: 'error', requestId, payload });
      return true;
    };
    const { client } = connectTo(server.url);
    await refused(() => client.publish(event), 'RATE_LIMITED');
    const one = await refused(() => client.publish(event), 'PUBLISH_UNKNOWN', 'RATE_LIMITED');
    expect(one).toMatchObject({ details: { ids: [expect.any(String)] }, cause: no });
    const many = client.publishMany([event, event, event]);
    const some = await refused(() => many, 'PUBLISH_UNKNOWN', 'RATE_LIMITED');
    expect(some.details).toMatchObject({ stored: [1], unknown: [0, 2] });
  });

  test('fails and is not sent if the machine has slept for longer than the window', async () => {
    const slept = await sentAgain(reaching(120_000), 111_000);
    await refused(() => slept.published, 'PUBLISH_UNKNOWN', 'first sent');
    expect(slept.sendings).toBe(1);
    const dozed = await sentAgain(reaching(120_000), 100_000);
    await expect(dozed.published).resolves.toMatchObject({ durability: 'synced' });
  });
});

describe('a token', () => {
  test('is asked for before every connection, and sent before anything else', async () => {
    const server = await WrongServer.start();
    let token = 0;
    const { client } = connectTo(server.url, { getToken: async () => `token-${++token}` });
    await client.publish(event);
    server.sockets[0]!.terminate();
    await until('again', () => client.reconnects === 1);
    await client.publish(event);
    const shown = server.asked
      .filter(({ type }) => type !== 'ping')
      .map(({ type, payload }) => [type, payload.token]);
    expect(shown).toEqual([
      ['authenticate', 'token-1'],
      ['publish', undefined],
      ['authenticate', 'token-2'],
      ['publish', undefined],
    ]);
  });

  test('that is refused is tried once more with a new one, then given up', async () => {
    const server = await WrongServer.start();
    server.script = ({ type, requestId }, socket) => {
      if (type === 'authenticate') {
        send(socket, {
          type: 'error',
          requestId,
          payload: { code: 'UNAUTHENTICATED', message: 'no' },
        });
      }
      return true;
    };
    const { client } = connectTo(server.url, { getToken: () => 'wrong' });
    await refused(() => client.connected(), 'UNAUTHENTICATED');
    expect(server.connections).toBe(2);
    const silent = connectTo(server.url, { getToken: () => '', maxReconnectAttempts: 0 });
    await refused(() => silent.client.connected(), 'UNAUTHENTICATED', 'no token');
    const throwing = (): string => {
      throw new Error('the token server is down');
    };
    const down = connectTo(server.url, { getToken: throwing, maxReconnectAttempts: 1 });
    await refused(() => down.client.connected(), 'CONNECTION_FAILED', 'token server is down');
  });

  test('is missed if the server wants one', async () => {
    const server = await WrongServer.start();
    const { principal: _, ...payload } = WELCOME.payload;
    server.welcome = { ...WELCOME, payload };
    const { client } = connectTo(server.url);
    await refused(() => client.connected(), 'UNAUTHENTICATED', 'getToken');
    expect(client.state).toBe('failed');
  });

  test('that has expired is followed by a new one', async () => {
    const server = await WrongServer.start();
    const { client, states } = connectTo(server.url, { getToken: () => 'fresh' });
    await client.connected();
    send(server.sockets[0]!, {
      type: 'error',
      payload: { code: 'UNAUTHENTICATED', message: 'expired' },
    });
    await until('again', () => client.reconnects === 1 && client.state === 'connected');
    expect(states.find(({ state }) => state === 'reconnecting')?.error?.code).toBe(
      'UNAUTHENTICATED',
    );
  });
});
