import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { until } from '../bus/support/wait.js';
import { connectTo } from './support/millrace-client.js';
import {
  CURSOR,
  cursorAt,
  eventsFrame,
  send,
  WELCOME,
  WrongServer,
  wireEvent,
} from './support/wrong-server.js';

/** The state that a client keeps between frames: room, names, timers, filters, positions. */

const event = { topic: 'a', type: 'agent_log', payload: 1 };

/** The turns of the event loop in which whatever is due by now is done. */
async function aTurn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('the outbox', () => {
  test('has drained only when there is room for the event that was refused', async () => {
    const server = await WrongServer.start();
    const held: (() => void)[] = [];
    server.script = ({ type, requestId, payload }, socket) => {
      if (type !== 'publish' || held.length > 0) return false;
      const { id, topic } = payload.event;
      const ack = { id, topic, shard: 0, sequence: 1, durability: 'synced', duplicate: false };
      held.push(() => send(socket, { type: 'published', requestId, payload: { acks: [ack] } }));
      return true;
    };
    const { client } = connectTo(server.url, { maxOutboxBytes: 1000 });
    const first = client.publish({ ...event, payload: 'x'.repeat(200) });
    await until('it is sent', () => held.length === 1);
    const large = { ...event, payload: 'x'.repeat(700) };
    expect(client.tryPublish(large)).toBe(false);
    let isDrained = false;
    const drained = client.drained().then(() => {
      isDrained = true;
    });
    await aTurn();
    expect(isDrained).toBe(false);
    held[0]!();
    await first;
    await drained;
    expect(client.tryPublish(large)).toBe(true);
    await client.drain();
  });

  test('gets back the room of abandoned publishes, wherever they are in it', async () => {
    const server = await WrongServer.start();
    server.welcome = undefined;
    const { client } = connectTo(server.url, { maxOutboxEvents: 3 });
    const first = client.publish(event).catch(() => {});
    const aborter = new AbortController();
    const others = [1, 2].map(() => client.publish(event, { signal: aborter.signal }));
    const refusals = Promise.allSettled(others);
    aborter.abort();
    await refusals;
    expect(client.unacknowledged).toBe(1);
    expect(client.tryPublish(event)).toBe(true);
    await client.close();
    await first;
  });

  test('adds one listener to a signal, for any number of publishes', async () => {
    const server = await WrongServer.start();
    server.script = ({ type }) => type === 'publish';
    const { client } = connectTo(server.url);
    const { signal } = new AbortController();
    const calls = Array.from({ length: 20 }, () => client.publish(event, { signal }));
    for (let n = 0; n < 20; n++) client.subscribe('a', { signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    const refusals = Promise.allSettled(calls);
    await client.close();
    await refusals;
    await aTurn();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('sends no frame longer than the server accepts', async () => {
    const server = await WrongServer.start();
    const limits = { frameBytes: 2000, payloadBytes: 1000, subscriptions: 9 };
    server.welcome = { ...WELCOME, payload: { ...WELCOME.payload, limits } };
    const lengths: number[] = [];
    server.script = (asked) => {
      lengths.push(JSON.stringify(asked).length);
      return false;
    };
    const { client } = connectTo(server.url);
    await client.connected();
    const inputs = Array.from({ length: 200 }, (_, payload) => ({ ...event, payload }));
    expect(await client.publishMany(inputs)).toHaveLength(200);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(2000);
  });
});

describe('a subscription', () => {
  test('goes on when one of its listeners fails, and reports that', async () => {
    const server = await WrongServer.start();
    const { client, errors } = connectTo(server.url);
    client.on('state', () => {
      throw new Error('of a state');
    });
    const subscription = client.subscribe('a');
    let calls = 0;
    subscription.on('dropped', () => {
      throw new Error('thrown');
    });
    subscription.on('dropped', async () => {
      throw new Error('rejected');
    });
    subscription.on('dropped', () => void calls++);
    await subscription.ready;
    const payload = { subscription: subscription.id, count: 1 };
    send(server.sockets[0]!, { type: 'dropped', payload });
    await until('all is told', () => errors.length === 3 && calls === 1);
    expect(errors.map(({ code }) => code)).toEqual(Array(3).fill('HANDLER_FAILED'));
    const messages = errors.map(({ message }) => message).join('\n');
    expect(messages).toMatch(/'state' listener.*of a state/);
    expect(messages).toMatch(/'dropped' listener.*thrown/);
    expect(messages).toMatch(/'dropped' listener.*rejected/);
  });

  test('that waits for its next try leaves no timer after the client is closed', async () => {
    const server = await WrongServer.start();
    server.script = ({ type, requestId }, socket) => {
      const payload = {
        code: 'RATE_LIMITED',
        message: 'slowly',
        details: { retryAfterMs: 61_234 },
      };
      if (type === 'subscribe') send(socket, { type: 'error', requestId, payload });
      return type === 'subscribe';
    };
    const before = timers();
    const { client } = connectTo(server.url);
    client.subscribe('a');
    await until('it is asked', () => server.count('subscribe') === 1);
    // The refusal is in front of the ack.
    await client.publish(event);
    await client.close();
    await until('the server knows', () => server.sockets.length === 0);
    await aTurn();
    expect(timers()).toBeLessThanOrEqual(before);
  });

  test('without a name does not get the name that another one was given', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    const named = client.subscribe('a', { name: 'subscription-2' });
    const unnamed = client.subscribe('a');
    expect(unnamed.id).not.toBe(named.id);
  });

  test('takes all events of a frame or none', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    const seen: unknown[] = [];
    const subscription = client.subscribe('a', ({ payload }) => void seen.push(payload));
    await subscription.ready;
    const subscriptionName = { subscription: subscription.id };
    const bad = [
      { ...subscriptionName, events: [wireEvent(1), wireEvent(2, { shard: 9 })], cursor: CURSOR },
      { ...subscriptionName, events: [wireEvent(1)], cursor: 'zzz' },
    ];
    for (const [at, payload] of bad.entries()) {
      send(server.sockets.at(-1)!, { type: 'events', payload });
      await until('opened again', () => server.count('subscribe') === at + 2);
      await until('connected', () => client.state === 'connected');
    }
    send(server.sockets.at(-1)!, eventsFrame(subscription.id, 1, 2));
    await until('two', () => seen.includes(2));
    expect(seen).toEqual([1, 2]);
  });

  test('hands out no event after an error of its key function, so its cursor skips none', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    const subscription = client.subscribe<number>('a', {
      coalesce: {
        windowMs: 60_000,
        key: ({ payload }) => {
          if (payload === 3) throw new Error('of the key');
          return 'all';
        },
      },
    });
    await subscription.ready;
    send(server.sockets[0]!, eventsFrame(subscription.id, 1, 2, 3));
    await expect(subscription.closed).rejects.toThrow('of the key');
    const iterator = subscription[Symbol.asyncIterator]();
    await expect(iterator.next()).rejects.toThrow('of the key');
    expect(subscription.cursor).toBe(cursorAt(0));
  });

  test.each(['break', 'throw'])(
    'left by %s keeps its cursor before the event in hand',
    async (way) => {
      const server = await WrongServer.start();
      const { client } = connectTo(server.url);
      const subscription = client.subscribe('a');
      await subscription.ready;
      // Two frames: behind the first stands a mark of where it ends.
      send(server.sockets[0]!, eventsFrame(subscription.id, 1, 2));
      send(server.sockets[0]!, eventsFrame(subscription.id, 3, 4));
      await until('all have come', () => subscription.pending === 4);
      const loop = async (): Promise<void> => {
        for await (const { sequence } of subscription) {
          if (sequence !== 2) continue;
          if (way === 'break') break;
          throw new Error('in the body');
        }
      };
      await loop().catch((error: Error) => expect(error.message).toBe('in the body'));
      expect(subscription.cursor).toBe(cursorAt(1));
      expect(await subscription[Symbol.asyncIterator]().next()).toMatchObject({ done: true });
      expect(subscription.cursor).toBe(cursorAt(1));
    },
  );

  test('that drains reports nothing under the name of its successor', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    const old = client.subscribe('a', { name: 'n', maxBuffer: 1 });
    await old.ready;
    send(server.sockets[0]!, eventsFrame(old.id, 1, 2, 3, 4, 5, 6));
    await until('all have come', () => old.pending === 6);
    const drained = old.drain();
    const successor = client.subscribe('a', { name: 'n', maxBuffer: 1 });
    await successor.ready;
    expect(successor.id).toBe('n');
    const iterator = old[Symbol.asyncIterator]();
    for (let n = 0; n < 6; n++) await iterator.next();
    void iterator.next();
    await drained;
    // Behind whatever else was sent.
    await client.publish(event);
    expect(server.count('consumed')).toBe(0);
  });

  test('rejects every waiting update of a refused filter, the replaced ones too', async () => {
    const server = await WrongServer.start();
    const held: (() => void)[] = [];
    server.script = ({ type, requestId, payload }, socket) => {
      if (type !== 'update') return false;
      const { subscription, filter } = payload;
      const answer = { subscription, cursor: CURSOR, epoch: 'e1' };
      held.push(() => {
        if (filter.topics[0] === 'one')
          send(socket, { type: 'subscribed', requestId, payload: answer });
        else
          send(socket, { type: 'error', requestId, payload: { code: 'FORBIDDEN', message: 'no' } });
      });
      return true;
    };
    const { client } = connectTo(server.url);
    const subscription = client.subscribe('a');
    await subscription.ready;
    const first = subscription.update('one');
    const outcomes: unknown[] = [];
    for (const filter of ['two', 'three']) {
      subscription.update(filter).catch(({ code }) => outcomes.push(code));
    }
    await until('the first is asked', () => held.length === 1);
    held[0]!();
    await first;
    await until('the last is asked', () => held.length === 2);
    held[1]!();
    await until('both know', () => outcomes.length === 2);
    expect(outcomes).toEqual(['FORBIDDEN', 'FORBIDDEN']);
  });
});

describe('a token that has expired', () => {
  test('does not count as a refusal: the next token may be refused once', async () => {
    const server = await WrongServer.start();
    let authentications = 0;
    server.script = ({ type, requestId }, socket) => {
      if (type !== 'authenticate' || ++authentications !== 2) return false;
      const payload = { code: 'UNAUTHENTICATED', message: 'expired' };
      send(socket, { type: 'error', requestId, payload });
      return true;
    };
    const { client } = connectTo(server.url, { getToken: () => 'of a cache' });
    await client.connected();
    const payload = { code: 'UNAUTHENTICATED', message: 'expired' };
    send(server.sockets[0]!, { type: 'error', payload });
    await until('settled', () => authentications === 3 || client.state === 'failed');
    await client.connected();
    expect(authentications).toBe(3);
  });
});

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}
