import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { RawSocket } from '../../stage/frames.js';
import { Stage, until } from '../../stage/stage.js';

/**
 * Secrets in logs and errors. The server writes all that it writes (`debug`), and is given tokens in every place where a
 * client may put one by mistake or by malice; and its own secrets go to peers that send back what they were sent.
 */

/** Neither whole nor by the part that makes it a secret. */
function assertUnwritten(text, secrets, where) {
  for (const secret of secrets) {
    const at = text.indexOf(secret);
    assert.ok(at < 0, `${where} tells ${secret}: ${text.slice(Math.max(0, at - 300), at + 300)}`);
  }
}

/** Sends a token by everything that a request of HTTP has. */
async function byHttp(stage, token) {
  const basic = Buffer.from(`mallory:${token}`).toString('base64');
  for (const options of [
    { headers: { authorization: `Bearer ${token}` } },
    { headers: { authorization: `Basic ${basic}` } },
    { headers: { authorization: token } },
    { headers: { cookie: `token=${token}` } },
    { headers: { 'x-api-key': token, origin: `https://${token.slice(0, 40)}.example` } },
    { path: `/v1/access?token=${token}` },
    { path: `/v1/events?topic=a&access_token=${token}` },
    { path: `/${token}` },
    { path: `/v1/consumers/${token}` },
    { path: '/v1/events', method: 'POST', body: `{"token":"${token}"` },
    { path: '/v1/events', method: 'POST', body: { token } },
  ]) {
    await stage.ask(undefined, { path: '/v1/access', ...options });
  }
  for (const head of [
    `GET /v1/access HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\x01\r\n\r\n`,
    `GET /v1/access?${token} HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n`,
    `${token} / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
    `GET /v1/access HTTP/1.1\r\nHost: ${token}\r\nConnection: close\r\n\r\n`,
  ]) {
    await stage.raw(head).catch(() => {});
  }
}

/** The same by everything that a WebSocket and its frames have. */
async function bySocket(stage, token) {
  for (const options of [
    { token },
    { path: `/events?token=${token}` },
    { headers: { cookie: `token=${token}` } },
    { headers: { origin: `https://${token.slice(0, 40)}.example` } },
  ]) {
    const socket = await RawSocket.open(stage.port, options).catch(() => undefined);
    socket?.end();
  }
  for (const first of [
    { type: 'authenticate', payload: { token } },
    { type: 'authenticate', payload: { token: [token] } },
    { type: 'authenticate', payload: token },
    { type: token, payload: {} },
    { type: 'query', payload: { topic: token } },
    `{"type":"authenticate","payload":{"token":"${token}`,
    token,
  ]) {
    const socket = await stage.socket(undefined).catch(() => undefined);
    if (socket === undefined) continue;
    socket.send(first);
    await Promise.race([socket.next().catch(() => {}), socket.closed]);
    await socket.close();
  }
  const open = await stage.socket('mallory');
  await open.one('authenticate', { token });
  await open.close();
}

/** A peer that answers everything with all that it was sent, and notes it. */
function echo() {
  const asked = [];
  const server = createServer((request, response) => {
    const { url, headers } = request;
    asked.push({ url, headers });
    request.resume();
    const key = String(headers['x-api-key'] ?? '');
    const isRedirect = asked.length % 3 === 2;
    response.writeHead(isRedirect ? 302 : 500, `no ${key}`, {
      location: `http://127.0.0.1:1/?key=${key}`,
    });
    response.end(`${url} ${key} ${headers.authorization ?? ''} ${JSON.stringify(headers)}`);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      resolve({ asked, port, close: () => server.close() });
    });
  });
}

const fresh = (bytes = 24) => randomBytes(bytes).toString('hex');

/** A server whose issuer and whose webhook's endpoint send back what they were sent. */
async function echoed(stage) {
  const peer = await echo();
  const [query, signing, key, bearer] = [fresh(), randomBytes(32), fresh(), fresh()];
  const hook = {
    kind: 'webhook',
    consumer: { filter: 'alice.hooked', deadLetter: 'alice.dead', maxAttempts: 3, backoffMs: [1] },
    url: `http://127.0.0.1:${peer.port}/hook`,
    secret: { env: 'HOOK_SECRET' },
    headers: { 'x-api-key': { env: 'HOOK_KEY' }, authorization: { env: 'HOOK_BEARER' } },
    allow: ['loopback'],
  };
  const jwt = {
    secretFile: undefined,
    jwksUrl: `http://127.0.0.1:${peer.port}/keys?key=${query}`,
    algorithms: ['RS256'],
  };
  const own = await Stage.open(
    {
      config: { logLevel: 'debug', audit: true, jwt, sinks: { hook } },
      env: {
        HOOK_SECRET: `whsec_${signing.toString('base64')}`,
        HOOK_KEY: key,
        HOOK_BEARER: `Bearer ${bearer}`,
      },
    },
    { seed: stage.seed, isLong: stage.isLong, ...(stage.dist && { dist: stage.dist }) },
  );
  try {
    const token = own.jwt('mallory', {}, {}, { header: { alg: 'RS256', kid: 'one', typ: 'JWT' } });
    const refused = await own.ask(undefined, {
      path: '/v1/access',
      headers: { authorization: `Bearer ${token}` },
    });
    assert.equal(refused.status, 503, refused.text);
    await own.publish('alice', { topic: 'alice.hooked', payload: 1 });
    let letters = [];
    await until('the letter is dead', async () => {
      letters = (await own.ask('alice', { path: '/v1/events?topic=alice.dead' })).body;
      return letters.length > 0;
    });
    const dead = await own.ask('operator', { path: '/v1/consumers/hook/dead' });
    const told = JSON.stringify([letters, dead.body, refused.text]);
    assert.match(told, /HTTP 500|HTTP 302/, told);
    assert.ok(peer.asked.some(({ headers }) => headers['x-api-key'] === key));
    const secrets = [query, key, bearer, signing.toString('base64'), signing.toString('hex')];
    assertUnwritten(told, secrets, 'an answer');
    assertUnwritten(own.server.text, [...secrets, token.split('.')[2]], 'the log');
  } finally {
    await own.close();
    peer.close();
  }
}

/** The part of a key or a JWT that is secret. It is base64url, so it may have `_` in it. */
function secretOf(token) {
  return token.startsWith('mr_') ? token.split('_').slice(2).join('_') : token.split('.').at(-1);
}

export const attacks = [
  {
    name: 'tokens in every place of a request',
    wants: 'to read the tokens of others in the logs, or to have its operator write them there',
    async play(stage) {
      const wrong = `mr_${randomBytes(8).toString('hex')}_${randomBytes(32).toString('base64url')}`;
      const forged = stage.jwt(
        'mallory',
        {},
        {},
        { secret: 'not the secret of this server at all' },
      );
      const tokens = [stage.tokens.alice, stage.jwt('alice', {}), wrong, forged];
      for (const token of tokens) {
        await byHttp(stage, token);
        await bySocket(stage, token);
      }
      const secrets = tokens.map(secretOf);
      assertUnwritten(stage.server.text, [...secrets, stage.secret], 'the log');
      assert.match(stage.server.text, /"level":"debug"/);
    },
  },
  {
    name: 'an issuer and an endpoint that send back what they were sent',
    wants: 'the secrets by which the server calls others, in logs, errors and dead letters',
    play: echoed,
  },
];
