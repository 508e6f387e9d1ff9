import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { CompactSign, exportJWK, type JWTPayload, SignJWT } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import type { JwtAlgorithm, JwtOptions } from '../../src/auth/auth-options.js';
import type { BusError } from '../../src/protocol/errors.js';
import { failureOf, open, temporaryDirectory } from './support/auth.js';

const NOW = Date.parse('2026-01-31T12:00:00Z');
const SECONDS = NOW / 1000;
const SECRET = randomBytes(32).toString('base64');
const ISSUER = 'https://issuer.example';
const AUDIENCE = 'millrace';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');

const pemOf = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();

interface Signing {
  readonly alg?: string;
  readonly key?: KeyObject | Uint8Array;
  readonly claims?: JWTPayload;
  readonly kid?: string;
  readonly header?: Record<string, unknown>;
}

const CLAIMS = { iss: ISSUER, aud: AUDIENCE, sub: 'ada', exp: SECONDS + 60 };

async function sign({ alg = 'HS256', key, claims = CLAIMS, kid, header = {} }: Signing = {}) {
  const protectedHeader = { alg, ...(kid !== undefined && { kid }), ...header };
  return new SignJWT(claims)
    .setProtectedHeader(protectedHeader)
    .sign(key ?? new TextEncoder().encode(SECRET));
}

function opened(jwt: Partial<JwtOptions> = { secret: SECRET }, now = () => NOW) {
  return open({ jwt: { issuer: ISSUER, audience: AUDIENCE, ...jwt } }, now);
}

async function refusalOf(token: string, jwt?: Partial<JwtOptions>, now?: () => number) {
  const { authenticator, logs } = opened(jwt, now);
  const error = (await failureOf(() => authenticator.authenticate(token))) as BusError;
  expect(error.code).toBe('UNAUTHENTICATED');
  const told = JSON.stringify([error.message, error.details, error.stack, logs]);
  for (const part of token.split('.').filter(({ length }) => length > 8)) {
    expect(told).not.toContain(part);
  }
  expect(told.length).toBeLessThan(8000);
  return error.message;
}

function without(claim: keyof typeof CLAIMS): JWTPayload {
  const { [claim]: _, ...others } = CLAIMS;
  return others;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

describe('a JWT', () => {
  it('makes a principal with the grants of its claim', async () => {
    const millrace = {
      publish: ['chat.*'],
      subscribe: ['chat.*', { pattern: 'finance.*', redact: ['$.card'] }],
      admin: ['chat.*'],
      source: 'ada',
      redact: ['$..secret'],
      rates: { publishPerSecond: 5, subscribePerSecond: 1 },
    };
    const token = await sign({ claims: { ...CLAIMS, millrace } });
    const principal = await opened().authenticator.authenticate(token);
    expect(principal).toMatchObject({
      name: 'ada',
      isAnonymous: false,
      isRevoked: false,
      expiresAt: NOW + 60_000,
      forcedSource: 'ada',
      rates: { publishPerSecond: 5, subscribePerSecond: 1 },
      redacts: true,
    });
    expect(principal.mayPublish('chat.a')).toBe(true);
    expect(principal.mayPublish('finance.a')).toBe(false);
    expect(principal.beyondSubscribe(['chat.+', 'finance.*'])).toBeUndefined();
    expect(principal.beyondSubscribe(['*'])).toBe('*');
    expect(principal.mayAdminister('chat.*')).toBe(true);
    expect(principal.mayAdminister('*')).toBe(false);
  });

  it('without grants may do nothing', async () => {
    const { authenticator } = opened();
    for (const claims of [CLAIMS, { ...CLAIMS, millrace: {} }]) {
      const principal = await authenticator.authenticate(await sign({ claims }));
      expect(principal.mayPublish('a')).toBe(false);
      expect(principal.maySubscribe('a')).toBe(false);
      expect(principal.mayAdminister('a')).toBe(false);
    }
  });

  it('gives different principal ids for the same subject of two issuers', async () => {
    const { authenticator } = opened({ secret: SECRET, issuer: ['a', 'b'] });
    const ids = await Promise.all(
      ['a', 'b'].map(async (iss) => {
        const token = await sign({ claims: { ...CLAIMS, iss } });
        return (await authenticator.authenticate(token)).id;
      }),
    );
    expect(new Set(ids).size).toBe(2);
  });

  it.each<[what: string, claims: JWTPayload, message: RegExp]>([
    ['expired', { ...CLAIMS, exp: SECONDS - 60 }, /has expired/],
    ['ending now', { ...CLAIMS, exp: SECONDS }, /has expired/],
    ['without an end', without('exp'), /has no "exp"/],
    ['with an end that is no number', { ...CLAIMS, exp: 'never' as never }, /"exp"|malformed/],
    ['with an end beyond all dates', { ...CLAIMS, exp: 1e14 }, /wrong "exp"/],
    ['with an end right after all dates', { ...CLAIMS, exp: 8.64e12 + 1 }, /wrong "exp"/],
    ['not yet valid', { ...CLAIMS, nbf: SECONDS + 6 }, /not valid yet/],
    ['with a beginning that is no number', { ...CLAIMS, nbf: 'x' as never }, /wrong "nbf"/],
    ['issued at what is no number', { ...CLAIMS, iat: 'x' as never }, /wrong "iat"/],
    ['of another issuer', { ...CLAIMS, iss: 'https://other.example' }, /wrong "iss"/],
    ['of no issuer', without('iss'), /has no "iss"/],
    ['for another audience', { ...CLAIMS, aud: ['other', 'another'] }, /wrong "aud"/],
    ['for nobody', without('aud'), /has no "aud"/],
    ['about nobody', without('sub'), /has no "sub"/],
    ['with an empty subject', { ...CLAIMS, sub: '' }, /faulty claims: sub: sub is empty$/],
    ['with a subject that is no text', { ...CLAIMS, sub: 7 as never }, /faulty claims: sub/],
    ['with a very long subject', { ...CLAIMS, sub: 'x'.repeat(300) }, /faulty claims: sub/],
    ['with grants that are a list', { ...CLAIMS, millrace: [] }, /faulty claims: millrace/],
    ['with null for grants', { ...CLAIMS, millrace: null }, /faulty claims: millrace/],
    [
      'with a faulty pattern',
      { ...CLAIMS, millrace: { publish: ['a..b'] } },
      /millrace.publish\[0]/,
    ],
    ['with unknown grants', { ...CLAIMS, millrace: { everything: true } }, /millrace.everything/],
    ['with a faulty mask', { ...CLAIMS, millrace: { redact: ['card'] } }, /millrace.redact\[0]/],
    [
      'with too many patterns',
      { ...CLAIMS, millrace: { publish: Array.from({ length: 257 }, (_, n) => `${n}`) } },
      /millrace.publish/,
    ],
  ])('that is %s is refused', async (_, claims, message) => {
    expect(await refusalOf(await sign({ claims }))).toMatch(message);
  });

  it('is accepted slightly before its nbf, and not after its exp', async () => {
    const { authenticator } = opened();
    await authenticator.authenticate(await sign({ claims: { ...CLAIMS, nbf: SECONDS + 5 } }));
    const last = { ...CLAIMS, exp: SECONDS + 1 };
    const principal = await authenticator.authenticate(await sign({ claims: last }));
    expect(principal.expiresAt).toBe(NOW + 1000);
    const late = await refusalOf(await sign({ claims: last }), undefined, () => NOW + 1000);
    expect(late).toMatch(/has expired/);
    const strict = { secret: SECRET, clockToleranceMs: 0 };
    expect(
      await refusalOf(await sign({ claims: { ...CLAIMS, nbf: SECONDS + 1 } }), strict),
    ).toMatch(/not valid yet/);
  });

  it('may end at the last of all dates', async () => {
    const token = await sign({ claims: { ...CLAIMS, exp: 8.64e12 } });
    const principal = await opened().authenticator.authenticate(token);
    expect(principal.expiresAt).toBe(8.64e15);
  });

  it('may have an id, also where no token was revoked', async () => {
    const token = await sign({ claims: { ...CLAIMS, jti: '7' } });
    expect((await opened().authenticator.authenticate(token)).name).toBe('ada');
  });

  it('with an exp beyond any date is refused', async () => {
    const payload = JSON.stringify(CLAIMS).replace(String(CLAIMS.exp), '1e999');
    const token = await new CompactSign(Buffer.from(payload))
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(SECRET));
    expect(await refusalOf(token)).toMatch(/"exp"|malformed/);
  });

  it('without a signature is refused', async () => {
    const [header, payload, signature] = (await sign()).split('.');
    const none = encode({ alg: 'none' });
    expect(await refusalOf(`${none}.${payload}.`)).toMatch(/not allowed|malformed|not supported/);
    expect(await refusalOf(`${none}.${payload}.${signature}`)).toMatch(/not allowed|not supported/);
    expect(await refusalOf(`${encode({ alg: 'NONE' })}.${payload}.`)).toMatch(/JWT/);
    expect(await refusalOf(`${header}.${payload}.`)).toMatch(/signature|malformed/);
    expect(await refusalOf(`${header}.${encode({ ...CLAIMS, sub: 'eve' })}.${signature}`)).toMatch(
      /wrong signature/,
    );
  });

  it('signed with another secret is refused', async () => {
    expect(await refusalOf(await sign({ key: randomBytes(32) }))).toMatch(/wrong signature/);
  });

  it('signed with the public key as if it were a secret is refused', async () => {
    const pem = pemOf(rsa.publicKey);
    const config: Partial<JwtOptions> = { publicKey: pem, algorithms: ['RS256'] };
    for (const secret of [pem, pem.trim()]) {
      const token = await sign({ key: Buffer.from(secret) });
      expect(await refusalOf(token, config)).toMatch(/algorithm not allowed/);
    }
  });

  it.each<[JwtAlgorithm, KeyObject, KeyObject]>([
    ['RS256', rsa.privateKey, rsa.publicKey],
    ['PS256', rsa.privateKey, rsa.publicKey],
    ['ES256', ec.privateKey, ec.publicKey],
    ['EdDSA', ed.privateKey, ed.publicKey],
  ])('signed with %s is checked with the public key', async (alg, privateKey, publicKey) => {
    const config = { publicKey: pemOf(publicKey), algorithms: [alg] };
    const token = await sign({ alg, key: privateKey });
    expect((await opened(config).authenticator.authenticate(token)).name).toBe('ada');
    const path = join(temporaryDirectory(), 'key.pem');
    writeFileSync(path, pemOf(publicKey));
    const fromFile = { publicKeyFile: path, algorithms: [alg] };
    expect((await opened(fromFile).authenticator.authenticate(token)).name).toBe('ada');
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const otherToken = alg.endsWith('S256')
      ? await sign({ alg: 'RS256', key: other.privateKey })
      : await sign({ alg: 'RS256', key: rsa.privateKey });
    expect(await refusalOf(otherToken, config)).toMatch(/signature|not allowed/);
  });

  it('signed with an algorithm that fits the key but is not configured is refused', async () => {
    const config: Partial<JwtOptions> = { publicKey: pemOf(rsa.publicKey), algorithms: ['RS256'] };
    for (const alg of ['PS256', 'RS512', 'RS384']) {
      const token = await sign({ alg, key: rsa.privateKey });
      expect(await refusalOf(token, config)).toMatch(/algorithm not allowed/);
    }
  });

  it('that brings its own key, or needs an unknown extension, is refused', async () => {
    const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwk = await exportJWK(foreign.publicKey);
    const config: Partial<JwtOptions> = { publicKey: pemOf(rsa.publicKey), algorithms: ['RS256'] };
    const header = { jwk, jku: 'http://127.0.0.1:9/', x5u: 'http://127.0.0.1:9/' };
    const own = await sign({ alg: 'RS256', key: foreign.privateKey, header });
    expect(await refusalOf(own, config)).toMatch(/wrong signature/);
    const [, payload, signature] = (await sign()).split('.');
    const crit = encode({ alg: 'HS256', crit: ['b64'], b64: false });
    expect(await refusalOf(`${crit}.${payload}.${signature}`)).toMatch(/JWT/);
    const unknown = encode({ alg: 'HS256', crit: ['x'], x: 1 });
    expect(await refusalOf(`${unknown}.${payload}.${signature}`)).toBe(
      'the JWT needs a feature that is not supported here',
    );
  });

  it('whose parts are not what they have to be is malformed', async () => {
    const key = new TextEncoder().encode(SECRET);
    const text = new CompactSign(Buffer.from('"text"')).setProtectedHeader({ alg: 'HS256' });
    expect(await refusalOf(await text.sign(key))).toBe('the JWT is malformed');
    const [, payload, signature] = (await sign()).split('.');
    expect(await refusalOf(`${encode({})}.${payload}.${signature}`)).toBe('the JWT is malformed');
  });

  it('that is garbage or very large is refused', async () => {
    for (const token of ['a.b.c', '..', '!.!.!', `${encode({})}.${encode({})}.`, 'é.é.é']) {
      expect(await refusalOf(token)).toMatch(/JWT/);
    }
    expect(await refusalOf('a.b.c.d.e')).toMatch(/neither/);
    const large = await sign({ claims: { ...CLAIMS, millrace: { publish: ['x'.repeat(8000)] } } });
    expect(await refusalOf(large)).toMatch(/8192 is the limit/);
  });

  it('is checked with a secret from a file, whose final line end does not count', async () => {
    const path = join(temporaryDirectory(), 'secret');
    for (const end of ['', '\n', '\r\n']) {
      writeFileSync(path, SECRET + end, { mode: 0o600 });
      const { authenticator } = opened({ secretFile: path });
      expect((await authenticator.authenticate(await sign())).name).toBe('ada');
    }
  });

  it('is checked with a secret of 32 bytes from a file, and not with fewer', async () => {
    const path = join(temporaryDirectory(), 'secret');
    writeFileSync(path, 's'.repeat(32), { mode: 0o600 });
    const token = await sign({ key: Buffer.from('s'.repeat(32)) });
    const { authenticator, logs } = opened({ secretFile: path });
    expect((await authenticator.authenticate(token)).name).toBe('ada');
    expect(logs).toEqual([]);
    writeFileSync(path, 's'.repeat(31));
    expect(await failureOf(() => opened({ secretFile: path }))).toMatchObject({
      message: `auth: jwt: ${path} holds a secret of 31 bytes; it has to be 32 or more`,
    });
  });

  it.runIf(process.platform !== 'win32')(
    'is checked with a secret that others can read only with a warning',
    async () => {
      const path = join(temporaryDirectory(), 'secret');
      writeFileSync(path, SECRET, { mode: 0o640 });
      const { authenticator, logs } = opened({ secretFile: path });
      expect((await authenticator.authenticate(await sign())).name).toBe('ada');
      const warning = `${path} can be read by others (mode 0640)`;
      const message = 'the file of the JWT secret is not private';
      expect(logs).toEqual([{ level: 'warn', message, fields: { warning } }]);
    },
  );

  it('is not checked with a key of another kind than its algorithm', async () => {
    const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
    for (const [key, algorithm, described] of [
      [pss.publicKey, 'RS256', 'rsa-pss 2048'],
      [pss.publicKey, 'PS256', 'rsa-pss 2048'],
      [ed.publicKey, 'RS256', 'ed25519'],
      [ed.publicKey, 'ES256', 'ed25519'],
      [ec.publicKey, 'EdDSA', 'ec prime256v1'],
    ] as const) {
      const config = { publicKey: pemOf(key), algorithms: [algorithm] };
      expect(await failureOf(() => opened(config))).toMatchObject({
        message: `auth: jwt: the public key (${described}) cannot check ${algorithm}`,
      });
    }
  });
});

describe('a key set at an address', () => {
  const servers: Server[] = [];

  afterEach(() => {
    for (const server of servers.splice(0)) server.close().closeAllConnections();
  });

  /** Serves what `keys` holds at the time; null is an error. */
  async function issuer(state: { body: unknown; status?: number; requests?: number }) {
    const server = createServer((_, response) => {
      state.requests = (state.requests ?? 0) + 1;
      response.writeHead(state.status ?? 200, { 'content-type': 'application/json' });
      response.end(typeof state.body === 'string' ? state.body : JSON.stringify(state.body));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  }

  const setOf = async (keys: readonly [kid: string, key: KeyObject][]) => ({
    keys: await Promise.all(keys.map(async ([kid, key]) => ({ kid, ...(await exportJWK(key)) }))),
  });

  it('gives the key that a token names, and is fetched once for many tokens', async () => {
    const state = {
      body: await setOf([
        ['r', rsa.publicKey],
        ['e', ec.publicKey],
      ]),
      requests: 0,
    };
    const jwksUrl = await issuer(state);
    const { authenticator } = opened({ jwksUrl, algorithms: ['RS256', 'ES256'] });
    for (let i = 0; i < 5; i++) {
      const ofRsa = await sign({ alg: 'RS256', key: rsa.privateKey, kid: 'r' });
      const ofEc = await sign({ alg: 'ES256', key: ec.privateKey, kid: 'e' });
      expect((await authenticator.authenticate(ofRsa)).name).toBe('ada');
      expect((await authenticator.authenticate(ofEc)).name).toBe('ada');
    }
    expect(state.requests).toBe(1);
    // A key of the set, and an algorithm that is not configured.
    const other = await sign({ alg: 'PS256', key: rsa.privateKey, kid: 'r' });
    expect(await failureOf(() => authenticator.authenticate(other))).toMatchObject({
      message: expect.stringContaining('algorithm not allowed'),
    });
  });

  it('does not choose a key for a token that names none, or whose key is malformed', async () => {
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const body = await setOf([
      ['r', rsa.publicKey],
      ['s', other.publicKey],
    ]);
    const broken = { kid: 'b', kty: 'RSA', n: '!', e: 'AQAB' };
    const jwksUrl = await issuer({ body: { keys: [...body.keys, broken] } });
    const { authenticator } = opened({ jwksUrl, algorithms: ['RS256'] });
    for (const [kid, reason] of [
      [undefined, 'does not say which key signed it'],
      ['b', 'cannot be checked, as there is no key to check it with'],
    ] as const) {
      const token = await sign({ alg: 'RS256', key: rsa.privateKey, ...(kid && { kid }) });
      expect(await failureOf(() => authenticator.authenticate(token))).toMatchObject({
        code: 'UNAUTHENTICATED',
        message: `the JWT ${reason}`,
      });
    }
  });

  it('is not fetched again and again for keys that it does not have', async () => {
    const state = { body: await setOf([['r', rsa.publicKey]]), requests: 0 };
    const { authenticator } = opened({ jwksUrl: await issuer(state), algorithms: ['RS256'] });
    for (let i = 0; i < 5; i++) {
      const token = await sign({ alg: 'RS256', key: rsa.privateKey, kid: `unknown-${i}` });
      expect(await failureOf(() => authenticator.authenticate(token))).toMatchObject({
        code: 'UNAUTHENTICATED',
        message: expect.stringContaining('not in the key set'),
      });
    }
    expect(state.requests).toBe(1);
  });

  it('that nobody serves is logged with the reason of the system', async () => {
    const jwksUrl = await issuer({ body: '' });
    await new Promise((resolve) => servers.pop()!.close(resolve));
    const { authenticator, logs } = opened({ jwksUrl, algorithms: ['RS256'] });
    const token = await sign({ alg: 'RS256', key: rsa.privateKey, kid: 'r' });
    expect(await failureOf(() => authenticator.authenticate(token))).toMatchObject({
      code: 'AUTH_UNAVAILABLE',
    });
    expect(logs[0]?.fields.fault).toMatch(/^fetch failed: connect ECONNREFUSED /);
  });

  it('that has as many bytes as it may is taken', async () => {
    const { keys } = await setOf([['r', rsa.publicKey]]);
    const body = JSON.stringify({ keys, more: '' });
    const full = `${body.slice(0, -2)}${'x'.repeat(262_144 - body.length)}"}`;
    const jwksUrl = await issuer({ body: full });
    const { authenticator } = opened({ jwksUrl, algorithms: ['RS256'] });
    const token = await sign({ alg: 'RS256', key: rsa.privateKey, kid: 'r' });
    expect((await authenticator.authenticate(token)).name).toBe('ada');
  });

  it.each<[what: string, state: { body: unknown; status?: number }, fault: string]>([
    [
      'answers with an error',
      { body: { keys: [] }, status: 500 },
      'it was answered with status 500',
    ],
    ['sends elsewhere', { body: '', status: 302 }, 'it was answered with status 302'],
    ['answers with something else', { body: '<html>' }, 'it is no key set'],
    ['answers with no key set', { body: { keys: 'none' } }, 'it is no key set'],
    [
      'answers without end',
      { body: { keys: [], more: 'x'.repeat(300_000) } },
      'it has more than 262144 bytes',
    ],
  ])(
    'that %s lets no client in, is logged once, and is not fetched again for a while',
    async (_, answer, fault) => {
      const state = { ...answer, requests: 0 };
      const jwksUrl = await issuer(state);
      const { authenticator, logs } = opened({ jwksUrl, algorithms: ['RS256'] });
      for (let i = 0; i < 5; i++) {
        const token = await sign({ alg: 'RS256', key: rsa.privateKey, kid: 'r' });
        const error = (await failureOf(() => authenticator.authenticate(token))) as BusError;
        expect(error).toMatchObject({
          code: 'AUTH_UNAVAILABLE',
          message: expect.stringContaining('cannot be fetched'),
        });
        expect(error.details?.retryAfterMs).toBeGreaterThan(0);
        expect(error.details?.retryAfterMs).toBeLessThanOrEqual(30_000);
      }
      expect(state.requests).toBe(1);
      const message =
        'the key set of the JWT issuer cannot be fetched; its tokens cannot be checked';
      expect(logs).toEqual([{ level: 'error', message, fields: { url: jwksUrl, fault } }]);
    },
  );
});
