import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import type { Grants } from '../../src/auth/grants.js';
import { refused } from '../bus/support/failures.js';
import { openTestBus } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { connectTo } from './support/millrace-client.js';

/** A client of a server that asks who it is. */

const SECRET = 'a secret of thirty-two bytes or more';
const event = { topic: 'a.b', type: 'agent_log' };

async function guarded() {
  const bus = await openTestBus({ shards: 1 });
  const jwt = { secret: SECRET, issuer: 'test', audience: 'millrace' };
  const gateway = await bus.serve({ port: 0, auth: { jwt } });
  return { bus, url: gateway.url };
}

/** Whole seconds count, so the shortest life is one to two of them. */
function token(grants: Grants, lifeSeconds = 60): Promise<string> {
  return new SignJWT({ millrace: grants })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('test')
    .setAudience('millrace')
    .setSubject('alice')
    .setExpirationTime(Math.floor(Date.now() / 1000) + lifeSeconds)
    .sign(new TextEncoder().encode(SECRET));
}

describe('a client with a token', () => {
  test('may do what is granted, and is refused anything else', async () => {
    const { url } = await guarded();
    const grants = { publish: ['a.*'], subscribe: ['a.*'] };
    const { client } = connectTo(url, { getToken: () => token(grants) });
    const seen: unknown[] = [];
    await client.subscribe('a.*', ({ payload }) => void seen.push(payload)).ready;
    await client.publish({ ...event, payload: 1 });
    await until('it is there', () => seen.length === 1);
    await refused(() => client.publish({ ...event, topic: 'b', payload: 1 }), 'FORBIDDEN');
    await refused(() => client.subscribe('*').ready, 'FORBIDDEN');
    await refused(() => client.query({ topic: '*' }), 'FORBIDDEN');
    const own = client.subscribe('a.*', () => {});
    await refused(() => own.update('*'), 'FORBIDDEN');
    await own.update('a.b');
    expect(client.state).toBe('connected');
  });

  test('sends a new one before the first expires, on the same connection', async () => {
    const { url } = await guarded();
    let tokens = 0;
    const grants = { publish: ['a.*'], subscribe: ['a.*'] };
    const getToken = (): Promise<string> => token(grants, ++tokens === 1 ? 2 : 60);
    const { client, states, errors } = connectTo(url, { getToken });
    let asked = 0;
    const once = async (): Promise<string> => (++asked === 1 ? token(grants, 2) : '');
    const other = connectTo(url, { getToken: once, maxReconnectAttempts: 0 });
    await until('the other one has ended', () => other.client.state === 'failed');
    await client.publish({ ...event, payload: 1 });
    expect(states.map(({ state }) => state)).toEqual(['connected']);
    expect(tokens).toBe(2);
    expect(errors).toEqual([]);
  });

  test('goes on with a new one on a new connection if the first could not be renewed, and misses nothing', async () => {
    const { bus, url } = await guarded();
    let tokens = 0;
    const grants = { publish: ['a.*'], subscribe: ['a.*'] };
    let isIssuerAway = false;
    const getToken = async (): Promise<string> => {
      if (isIssuerAway) throw new Error('the issuer is away');
      isIssuerAway = ++tokens === 1;
      return token(grants, tokens === 1 ? 2 : 60);
    };
    const { client, states, errors } = connectTo(url, { getToken });
    const seen: unknown[] = [];
    await client.subscribe('a.*', ({ payload }) => void seen.push(payload)).ready;
    let published = 0;
    client.on('state', ({ state }) => {
      if (state === 'reconnecting') isIssuerAway = false;
    });
    while (client.reconnects === 0) await bus.publish({ ...event, payload: published++ });
    await until('all', () => seen.length === published);
    expect(seen).toEqual(Array.from({ length: published }, (_, n) => n));
    const lost = states.find(({ state }) => state === 'reconnecting');
    expect(lost?.error).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(tokens).toBe(2);
    expect(errors).toEqual([]);
  });

  test('is refused with a bad one, and without any', async () => {
    const { url } = await guarded();
    const bad = connectTo(url, { getToken: () => 'nonsense' });
    await refused(() => bad.client.connected(), 'UNAUTHENTICATED');
    const none = connectTo(url);
    await refused(() => none.client.publish({ ...event, payload: 1 }), 'UNAUTHENTICATED');
    expect(none.client.state).toBe('failed');
  });
});
