import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { type JWTPayload, SignJWT } from 'jose';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Grants } from '../../src/auth/grants.js';
import { PendingAuthentication, watchExpiry } from '../../src/gateway/authentication.js';
import { newKey, temporaryDirectory, writeKeys } from '../auth/support/auth.js';
import { until } from '../bus/support/wait.js';
import { openGateway, type TestGateway } from './support/open-gateway.js';
import { SocketClient } from './support/socket-client.js';

/** How clients authenticate, for how long, and what a principal may do then. */

const SECRET = 'a secret of thirty-two bytes or more';
const jwt = { secret: SECRET, issuer: 'test', audience: 'millrace' };

async function token(
  grants: Grants,
  lifeMs = 60_000,
  key: string | KeyObject = SECRET,
  claims: JWTPayload = {},
): Promise<string> {
  return new SignJWT({ ...claims, millrace: grants })
    .setProtectedHeader({ alg: typeof key === 'string' ? 'HS256' : 'RS256' })
    .setIssuer('test')
    .setAudience('millrace')
    .setSubject('alice')
    .setExpirationTime(Math.floor((Date.now() + lifeMs) / 1000))
    .sign(typeof key === 'string' ? new TextEncoder().encode(key) : key);
}

/** Returns a port that was free a moment ago. */
async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function bearing(gateway: TestGateway, bearer: string): SocketClient {
  return new SocketClient(gateway.port, { headers: { authorization: `Bearer ${bearer}` } });
}

/** Connects as `alice` with these grants. */
async function asAlice(gateway: TestGateway, grants: Grants): Promise<SocketClient> {
  const client = bearing(gateway, await token(grants));
  expect((await client.next('welcome')).payload.principal).toBe('alice');
  return client;
}

async function refusal(client: SocketClient) {
  const [, response] = await once(client.socket, 'unexpected-response');
  let body = '';
  for await (const chunk of response) body += chunk;
  client.socket.terminate();
  const { statusCode, headers } = response;
  return { status: statusCode, challenge: headers['www-authenticate'], ...JSON.parse(body) };
}

const event = { topic: 'a.b', type: 'agent_log', payload: { open: 1, card: 'secret' } };

describe('a token in the header', () => {
  it('authenticates the connection before the upgrade', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const client = await asAlice(gateway, { publish: ['a.*'] });
    expect((await client.ask('publish', { event })).type).toBe('published');
  });

  it('is refused at the upgrade if it is not valid; the answer never contains it', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const forged = await token({}, 60_000, 'another secret of thirty-two bytes');
    const expired = await token({}, -1000);
    for (const bad of [forged, expired, 'nonsense', 'mr_0123456789abcdef_x']) {
      const answer = await refusal(bearing(gateway, bad));
      expect(answer).toMatchObject({ status: 401, code: 'UNAUTHENTICATED', challenge: 'Bearer' });
      expect(JSON.stringify([answer, gateway.logs])).not.toContain(bad);
    }
    const basic = new SocketClient(gateway.port, { headers: { authorization: 'Basic YTpi' } });
    expect(await refusal(basic)).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
  });
});

describe('a token in the first frame', () => {
  it('authenticates the connection; frames that follow are answered after that', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const client = new SocketClient(gateway.port);
    const { payload } = await client.next('welcome');
    expect(payload).not.toHaveProperty('principal');
    client.send({
      type: 'authenticate',
      requestId: 1,
      payload: { token: await token({ publish: ['a.*'] }) },
    });
    client.send({ type: 'publish', requestId: 2, payload: { event } });
    const answer = await client.next('authenticated');
    expect(answer).toMatchObject({ requestId: 1, payload: { principal: 'alice' } });
    expect(Date.parse(answer.payload.expiresAt)).toBeGreaterThan(Date.now());
    expect(await client.next('published')).toMatchObject({ requestId: 2 });
  });

  it('closes with 1008 if it is not valid', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const client = new SocketClient(gateway.port);
    await client.next('welcome');
    const bad = await token({}, 60_000, 'another secret of thirty-two bytes');
    client.send({ type: 'authenticate', requestId: 1, payload: { token: bad } });
    client.send({ type: 'publish', payload: { event } });
    const answer = await client.next('error');
    expect(answer).toMatchObject({ requestId: 1, payload: { code: 'UNAUTHENTICATED' } });
    expect((await client.closed).code).toBe(1008);
    expect(JSON.stringify([answer, gateway.logs])).not.toContain(bad);
    expect(gateway.endpoint.published).toEqual([]);
  });

  it.each([
    ['another frame', { type: 'publish', payload: { event } }, 'UNAUTHENTICATED'],
    ['a frame that is none', '{', 'MESSAGE_INVALID'],
  ])('must come first: %s closes with 1008', async (_, frame, code) => {
    const gateway = await openGateway({ auth: { jwt } });
    const client = new SocketClient(gateway.port);
    await client.next('welcome');
    client.send(frame);
    expect((await client.next('error')).payload.code).toBe(code);
    expect((await client.closed).code).toBe(1008);
    expect(gateway.endpoint.published).toEqual([]);
  });

  it('is refused like any other bad token if it is too long', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const client = new SocketClient(gateway.port);
    await client.next('welcome');
    client.send({ type: 'authenticate', payload: { token: 'x'.repeat(10_000) } });
    expect((await client.next('error')).payload.code).toBe('UNAUTHENTICATED');
    expect((await client.closed).code).toBe(1008);
  });

  it('must arrive in time', async () => {
    const gateway = await openGateway({ auth: { jwt }, authenticateMs: 20 });
    const client = new SocketClient(gateway.port);
    await client.next('welcome');
    expect((await client.next('error')).payload.code).toBe('UNAUTHENTICATED');
    expect((await client.closed).code).toBe(1008);
  });

  it('may come from a client that needs no token, but only as the first frame', async () => {
    const auth = { jwt, anonymous: { subscribe: ['open.*'] } };
    const gateway = await openGateway({ auth });
    const client = await gateway.connect();
    const payload = { token: await token({ publish: ['a.*'] }) };
    expect((await client.ask('authenticate', payload)).type).toBe('authenticated');
    expect((await client.ask('publish', { event })).type).toBe('published');
    const nobody = await gateway.connect();
    expect((await nobody.ask('publish', { event })).payload.code).toBe('FORBIDDEN');
    expect((await nobody.ask('authenticate', payload)).payload.code).toBe('FORBIDDEN');
  });

  it('closes with 1013, and may be tried again, if the issuer of its keys cannot be reached', async () => {
    const jwksUrl = `http://127.0.0.1:${await unusedPort()}/keys`;
    const keys = { jwksUrl, algorithms: ['RS256' as const], issuer: 'test', audience: 'millrace' };
    const gateway = await openGateway({ auth: { jwt: keys } });
    const client = new SocketClient(gateway.port);
    await client.next('welcome');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const shown = await token({}, 60_000, privateKey);
    client.send({ type: 'authenticate', requestId: 1, payload: { token: shown } });
    const { payload } = await client.next('error');
    expect(payload).toMatchObject({ code: 'AUTH_UNAVAILABLE' });
    expect(payload.details.retryAfterMs).toBeGreaterThan(0);
    expect((await client.closed).code).toBe(1013);
    expect(await refusal(bearing(gateway, shown))).toMatchObject({ status: 503 });
  });

  it.each([
    ['that has not arrived when the time is over is refused', false, 'UNAUTHENTICATED'],
    ['that is still being judged by then may be shown again', true, 'AUTH_UNAVAILABLE'],
  ])('%s', (_, isShown, code) => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const refused: string[] = [];
    const pending = new PendingAuthentication<never>(1000, {
      judge: () => new Promise(() => {}),
      onAuthenticated: () => {},
      onRefused: (error) => refused.push(error.code),
      onHeld: () => {},
    });
    if (isShown) pending.judge('a token');
    vi.advanceTimersByTime(1000);
    expect(refused).toEqual([code]);
  });

  it('may be outstanding on a bounded number of connections from one address', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const waiting = Array.from({ length: 64 }, () => new SocketClient(gateway.port));
    await Promise.all(waiting.map((client) => client.next('welcome')));
    const one = await refusal(new SocketClient(gateway.port));
    expect(one).toMatchObject({ status: 429, code: 'LIMIT_EXCEEDED' });
    // A client that shows a token at once does not wait for those that do not.
    await asAlice(gateway, {});
    waiting[0]!.send({ type: 'authenticate', payload: { token: await token({}) } });
    await waiting[0]!.next('authenticated');
    await new SocketClient(gateway.port).next('welcome');
  });
});

describe('a connection', () => {
  it('ends when its token does', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const client = bearing(gateway, await token({ subscribe: ['*'] }, 2000));
    await client.next('welcome');
    await client.ask('subscribe', { subscription: 's', filter: '*' });
    await client.next('caughtUp');
    const { payload } = await client.next('error');
    expect(payload).toMatchObject({ code: 'UNAUTHENTICATED', message: 'the token has expired' });
    expect((await client.closed).code).toBe(1008);
    expect(gateway.endpoint.subscriptions.size).toBe(0);
  });

  it('ends when its key is revoked, while connections with other keys stay', async () => {
    const keysFile = join(temporaryDirectory(), 'keys.json');
    const [kept, leaked] = [newKey({ publish: ['*'] }), newKey({ publish: ['*'] })];
    writeKeys(keysFile, kept, leaked);
    const gateway = await openGateway({ auth: { keysFile } });
    const [stays, goes] = [bearing(gateway, kept.key), bearing(gateway, leaked.key)];
    await Promise.all([stays.next('welcome'), goes.next('welcome')]);
    writeKeys(keysFile, kept);
    expect((await goes.next('error')).payload.code).toBe('UNAUTHENTICATED');
    expect((await goes.closed).code).toBe(1008);
    expect((await stays.ask('publish', { event })).type).toBe('published');
    expect(await refusal(bearing(gateway, leaked.key))).toMatchObject({ status: 401 });
  });

  it('ends when its JWT is revoked by its id, as a stream does, while other connections stay', async () => {
    const revokedFile = join(temporaryDirectory(), 'revoked');
    writeFileSync(revokedFile, '# none\n', { mode: 0o600 });
    const gateway = await openGateway({ auth: { jwt, revokedFile } });
    const grants = { publish: ['*'], subscribe: ['*'] };
    const [kept, leaked] = [
      await token(grants, 60_000, SECRET, { jti: 'kept' }),
      await token(grants, 60_000, SECRET, { jti: 'leaked' }),
    ];
    const [stays, goes] = [bearing(gateway, kept), bearing(gateway, leaked)];
    await Promise.all([stays.next('welcome'), goes.next('welcome')]);
    const url = `http://127.0.0.1:${gateway.port}/v1/events/stream?topic=*`;
    const stream = await fetch(url, { headers: { authorization: `Bearer ${leaked}` } });
    expect(stream.status).toBe(200);
    appendFileSync(revokedFile, 'leaked\n');
    expect((await goes.next('error')).payload.code).toBe('UNAUTHENTICATED');
    expect((await goes.closed).code).toBe(1008);
    expect(await stream.text()).toContain('UNAUTHENTICATED');
    expect((await stays.ask('publish', { event })).type).toBe('published');
    expect(await refusal(bearing(gateway, leaked))).toMatchObject({ status: 401 });
  });

  it('still reads the close frame of the client if it is ended during a request', async () => {
    const keysFile = join(temporaryDirectory(), 'keys.json');
    const leaked = newKey({ publish: ['*'] });
    writeKeys(keysFile, leaked);
    const gateway = await openGateway({ auth: { keysFile } });
    const client = bearing(gateway, leaked.key);
    await client.next('welcome');
    let open: () => void = () => {};
    gateway.endpoint.gate = new Promise((resolve) => {
      open = resolve;
    });
    client.send({ type: 'publish', payload: { event } });
    await until('the request is under way', () => gateway.endpoint.published.length === 1);
    client.socket.pause();
    writeKeys(keysFile);
    const logged = (message: string) => gateway.logs.find((log) => log.message === message);
    await until('the key is revoked', () => logged('connection ended') !== undefined);
    // The request is answered before the client sends its close frame.
    open();
    await new Promise((resolve) => setImmediate(resolve));
    client.socket.resume();
    await until('the socket is gone', () => logged('connection closed') !== undefined);
    expect(logged('connection closed')?.fields).toMatchObject({ closeCode: 1008 });
    expect(logged('connection cut: no goodbye came')).toBeUndefined();
  });

  it('is not ended early if its token expires later than a timer can wait', async () => {
    let hasExpired = false;
    const stop = watchExpiry(Date.now() + 2 ** 33, () => {
      hasExpired = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(hasExpired).toBe(false);
    stop();
  });
});

describe('a principal', () => {
  const forbidden = (value: string) => ({
    code: 'FORBIDDEN',
    message: expect.stringContaining(JSON.stringify(value)),
  });

  it('publishes to topics of its grants, all events of a request or none, under its forced source', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const client = await asAlice(gateway, { publish: ['a.*'], source: 'alice@test' });
    const other = { ...event, topic: 'other' };
    const { payload } = await client.ask('publish', { events: [event, other] });
    expect(payload).toMatchObject(forbidden('other'));
    expect(gateway.endpoint.published).toEqual([]);
    await client.ask('publish', { event: { ...event, source: 'bob' } });
    expect(gateway.endpoint.events).toMatchObject([{ topic: 'a.b', source: 'alice@test' }]);
    const bad = await client.ask('publish', { event: { ...event, topic: 'a..b' } });
    expect(bad.payload.code).toBe('TOPIC_INVALID');
  });

  it('reads within its grants, wildcards and history included', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const client = await asAlice(gateway, { subscribe: ['a.*'] });
    for (const filter of ['*', 'b', '+.b', ['a.b', '*'], { topics: ['b.*'] }]) {
      const pattern = typeof filter === 'string' ? filter : undefined;
      for (const from of ['now', 'earliest']) {
        const ask = { subscription: 's', filter, from };
        const { payload } = await client.ask('subscribe', ask);
        expect(payload, JSON.stringify(filter)).toMatchObject(
          pattern === undefined ? { code: 'FORBIDDEN' } : forbidden(pattern),
        );
      }
    }
    expect((await client.ask('query', { topic: ['a.b', 'b'] })).payload).toMatchObject(
      forbidden('b'),
    );
    expect((await client.ask('query', { topic: 'a.b' })).type).toBe('result');
    await client.ask('subscribe', { subscription: 's', filter: 'a.+' });
    await client.next('caughtUp');
    const update = await client.ask('update', { subscription: 's', filter: '*' });
    expect(update.payload).toMatchObject(forbidden('*'));
    const bad = await client.ask('update', { subscription: 's', filter: 'x*' });
    expect(bad.payload.code).toBe('PATTERN_INVALID');
    await gateway.endpoint.publish({ ...event, topic: 'b.c' });
    await gateway.endpoint.publish(event);
    expect((await client.next('events')).payload.events).toMatchObject([{ topic: 'a.b' }]);
  });

  it('gets the topics that it may read, and the subscribers and statistics that it may administer', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    await gateway.endpoint.publish(event);
    await gateway.endpoint.publish({ ...event, topic: 'b.c' });
    const client = await asAlice(gateway, { subscribe: ['a.*'], admin: ['b.*'] });
    const listed = await client.ask('topics', undefined);
    expect(listed.payload.topics).toMatchObject([{ name: 'a.b' }]);
    expect((await client.ask('topics', { pattern: 'b.*' })).payload.code).toBe('FORBIDDEN');
    expect((await client.ask('subscribers', { topic: 'a.b' })).payload.code).toBe('FORBIDDEN');
    expect((await client.ask('subscribers', { topic: 'b.c' })).type).toBe('result');
    expect((await client.ask('stats', {})).payload.code).toBe('FORBIDDEN');
    const admin = await asAlice(gateway, { admin: ['*'] });
    expect((await admin.ask('stats', {})).type).toBe('result');
  });

  it('gets events with the fields masked that it may not see, live and from history', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const masked = await asAlice(gateway, {
      subscribe: [{ pattern: 'a.*', redact: ['$.card'] }],
    });
    const whole = await asAlice(gateway, { subscribe: ['a.*'] });
    const ask = { subscription: 's', filter: 'a.*' };
    for (const client of [whole, masked]) {
      await client.ask('subscribe', ask);
      await client.next('caughtUp');
    }
    await gateway.endpoint.publish(event);
    const seen = { open: 1, card: '[redacted]' };
    expect((await whole.next('events')).payload.events[0].payload).toEqual(event.payload);
    expect((await masked.next('events')).payload.events[0].payload).toEqual(seen);
    const queried = await masked.ask('query', { topic: 'a.*' });
    expect(queried.payload.events[0].payload).toEqual(seen);
    expect((await whole.ask('query', { topic: 'a.*' })).payload.events[0].payload).toEqual(
      event.payload,
    );
  });

  it('publishes and subscribes no faster than its rates, over all its connections', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const grants = {
      publish: ['*'],
      subscribe: ['*'],
      rates: { publishPerSecond: 2, subscribePerSecond: 1 },
    };
    const clients = [await asAlice(gateway, grants), await asAlice(gateway, grants)];
    for (const client of clients) {
      expect((await client.ask('publish', { event })).type).toBe('published');
    }
    for (const client of clients) {
      const { payload } = await client.ask('publish', { event });
      expect(payload).toMatchObject({ code: 'RATE_LIMITED', details: { limitOf: 'principal' } });
      expect(payload.details.retryAfterMs).toBeGreaterThan(0);
    }
    const ask = { subscription: 's', filter: 'x' };
    expect((await clients[0]!.ask('subscribe', ask)).type).toBe('subscribed');
    expect((await clients[1]!.ask('subscribe', ask)).payload.code).toBe('RATE_LIMITED');
    expect(gateway.endpoint.published).toHaveLength(2);
  });
});
