import { describe, expect, test } from 'vitest';
import { isError } from '../../src/protocol/thrown.js';
import { until, within } from '../bus/support/wait.js';
import { UNPRINTABLE } from '../support/unprintable.js';
import { connectTo } from './support/millrace-client.js';
import { eventsFrame, send, WrongServer } from './support/wrong-server.js';

/** Functions that the user gives to a client, which may throw anything. */

const NAMES = Object.keys(UNPRINTABLE);

/** Whether it ended in an error. The reason itself may be too strange to be handed through a promise. */
async function endsInError(closed: Promise<void>): Promise<boolean> {
  const answer = closed.then(() => false, isError);
  return within('the end', answer);
}

describe('a client', () => {
  test.each(NAMES)('goes on if a handler or a listener throws %s', async (name) => {
    const server = await WrongServer.start();
    const { client, errors } = connectTo(server.url);
    const thrown = UNPRINTABLE[name]!();
    const fail = (): never => {
      throw thrown;
    };
    const throwing = client.subscribe('a', fail);
    const rejecting = client.subscribe('b', () => Promise.reject(thrown));
    const listening = client.subscribe('c', () => {}).on('gap', fail);
    await Promise.all([throwing.ready, rejecting.ready, listening.ready]);
    const [socket] = server.sockets;
    for (const { id } of [throwing, rejecting]) send(socket!, eventsFrame(id, 1));
    const gap = { shard: 0, from: 1, to: 2, reason: 'pruned' };
    send(socket!, { type: 'gap', payload: { subscription: listening.id, ...gap } });
    for (const { closed } of [throwing, rejecting]) {
      expect(await endsInError(closed)).toBe(true);
    }
    await until('all are told', () => errors.length === 3);
    expect(errors.map(({ code }) => code)).toEqual(Array(3).fill('HANDLER_FAILED'));
    expect(client).toMatchObject({ state: 'connected', reconnects: 0 });
  });

  test.each(NAMES)('ends a subscription whose key or merge throws %s', async (name) => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    const fail = (): never => {
      throw UNPRINTABLE[name]!();
    };
    for (const part of [{ key: fail }, { merge: fail }]) {
      const coalesce = { windowMs: 1, ...part };
      const subscription = client.subscribe('a', () => {}, { coalesce });
      await subscription.ready;
      send(server.sockets[0]!, eventsFrame(subscription.id, 1, 2));
      expect(await endsInError(subscription.closed)).toBe(true);
    }
    expect(client).toMatchObject({ state: 'connected', reconnects: 0 });
  });

  test.each(NAMES)('tries again if getToken throws %s', async (name) => {
    const server = await WrongServer.start();
    let asked = 0;
    const getToken = (): string => {
      if (++asked === 1) throw UNPRINTABLE[name]!();
      return 'token';
    };
    const { client, states } = connectTo(server.url, { getToken });
    await within('the connection', client.connected());
    expect(asked).toBe(2);
    expect(states.some(({ error }) => error?.code === 'CONNECTION_FAILED')).toBe(true);
  });

  test('accepts any value that a handler returns', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    const seen: unknown[] = [];
    const answers = [null, 0, 'done', {}];
    const handler = ({ payload }: { payload: unknown }): unknown => {
      seen.push(payload);
      return answers[Number(payload) % answers.length];
    };
    const subscription = client.subscribe('a', handler as () => void);
    await subscription.ready;
    send(server.sockets[0]!, eventsFrame(subscription.id, 1, 2, 3, 4, 5));
    await until('all are taken', () => seen.length === 5 && subscription.pending === 0);
    expect(seen).toEqual([1, 2, 3, 4, 5]);
  });
});
