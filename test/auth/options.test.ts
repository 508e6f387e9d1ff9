import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AuthOptions, parseAuthOptions } from '../../src/auth/auth-options.js';
import { openAuthenticator } from '../../src/auth/open-authenticator.js';
import type { BusError } from '../../src/protocol/errors.js';
import { failureOf, newKey, open, temporaryDirectory, writeKeys } from './support/auth.js';

const NAMES = { issuer: 'i', audience: 'a' };
const SECRET = 's'.repeat(32);

async function faultsOf(options: unknown): Promise<string> {
  const error = (await failureOf(() => parseAuthOptions(options))) as BusError;
  expect(error.code).toBe('OPTION_INVALID');
  return error.message;
}

describe('options', () => {
  it.each<[options: AuthOptions]>([
    [{ keysFile: './keys.json' }],
    [{ keysFile: './keys.json', required: true, anonymous: false }],
    [{ anonymous: { subscribe: ['public.*'] } }],
    [{ anonymous: {}, required: false }],
    [{ jwt: { secret: SECRET, ...NAMES } }],
    [{ jwt: { secretFile: 'x', algorithms: ['HS256'], ...NAMES, clockToleranceMs: 0 } }],
    [{ jwt: { publicKeyFile: 'x', algorithms: ['RS256', 'PS256'], ...NAMES } }],
    [{ jwt: { jwksUrl: 'https://x.example/k', algorithms: ['EdDSA'], ...NAMES } }],
    [
      {
        jwt: { jwksUrl: 'http://[::1]:1/k', algorithms: ['ES256'], issuer: ['i'], audience: ['a'] },
      },
    ],
  ])('%j are accepted, and frozen', (options) => {
    const parsed = parseAuthOptions(JSON.parse(JSON.stringify(options)));
    expect(parsed).toEqual(options);
    expect(Object.isFrozen(parsed)).toBe(true);
  });

  it.each<[options: unknown, fault: RegExp]>([
    [undefined, /has to be an object/],
    [null, /has to be an object/],
    [[], /has to be an object/],
    [{}, /needs keysFile, jwt or grants/],
    [{ anonymous: false }, /no client could get in/],
    [{ required: true }, /no client could get in/],
    [{ keysFile: '' }, /keysFile/],
    [{ keysFile: 7 }, /keysFile: has to be text/],
    [
      { keyFile: 'k', jwks: 1, keysFile: 'k' },
      /keyFile: is unknown \(did you mean keysFile\?\); jwks: is unknown/,
    ],
    [{ keysFile: 'k', anonymous: {}, required: true }, /contradicts/],
    [{ keysFile: 'k', required: false }, /needs grants for anonymous/],
    [{ anonymous: true }, /anonymous/],
    [{ anonymous: [] }, /anonymous: has to be an object/],
    [{ anonymous: { subscribe: ['a*'] } }, /anonymous.subscribe\[0]: pattern "a\*"/],
    [{ anonymous: { publish: ['a{b}'] } }, /publish\[0]: braces stand for a claim/],
    [{ anonymous: { redact: ['card'] } }, /anonymous.redact\[0]: redaction path "card"/],
    [
      { anonymous: { rates: { publishPerSecond: -1 } } },
      /anonymous.rates.publishPerSecond: has to be at least 0.001/,
    ],
    [{ jwt: {} }, /jwt/],
    [{ jwt: { ...NAMES } }, /needs exactly one of secret, secretFile, publicKey, .* and has none/],
    [{ jwt: { secret: SECRET, secretFile: 'x', ...NAMES } }, /has secret and secretFile/],
    [{ jwt: { secret: SECRET, audience: 'a' } }, /jwt.issuer: is missing/],
    [{ jwt: { secret: SECRET, issuer: 'i' } }, /jwt.audience/],
    [{ jwt: { secret: SECRET, issuer: [], audience: '' } }, /jwt.issuer.*jwt.audience/],
    [{ jwt: { secret: SECRET, ...NAMES, algorithms: ['RS256'] } }, /makes HS256, not RS256/],
    [{ jwt: { publicKey: 'x', ...NAMES } }, /algorithms: have to be named/],
    [{ jwt: { publicKey: 'x', ...NAMES, algorithms: ['HS256'] } }, /HS256 needs a secret/],
    [{ jwt: { jwksUrl: 'https://x', ...NAMES, algorithms: ['RS256', 'HS256'] } }, /needs a secret/],
    [{ jwt: { jwksUrl: 'https://x', ...NAMES, algorithms: ['none'] } }, /jwt.algorithms\[0]/],
    [{ jwt: { jwksUrl: 'https://x', ...NAMES, algorithms: [] } }, /jwt.algorithms/],
    [
      { jwt: { jwksUrl: 'http://x.example', ...NAMES, algorithms: ['RS256'] } },
      /no https: address/,
    ],
    [{ jwt: { jwksUrl: 'http://127.0.0.1.x', ...NAMES, algorithms: ['RS256'] } }, /no https:/],
    [{ jwt: { jwksUrl: 'file:///x', ...NAMES, algorithms: ['RS256'] } }, /no https:/],
    [{ jwt: { jwksUrl: 'http://not-localhost', ...NAMES, algorithms: ['RS256'] } }, /no https:/],
    [{ jwt: { jwksUrl: 'ftp://localhost', ...NAMES, algorithms: ['RS256'] } }, /no https:/],
    [{ jwt: { jwksUrl: 'nowhere', ...NAMES, algorithms: ['RS256'] } }, /"nowhere" is no https:/],
    [{ jwt: { jwksUrl: 'https://a:b@x', ...NAMES, algorithms: ['RS256'] } }, /a password/],
    [{ jwt: { jwksUrl: 'https://a@x', ...NAMES, algorithms: ['RS256'] } }, /a password/],
    [{ jwt: { jwksUrl: 'https://:b@x', ...NAMES, algorithms: ['RS256'] } }, /a password/],
    [{ jwt: { secret: 7, ...NAMES } }, /jwt.secret: has to be text of at least 32 bytes/],
    [{ jwt: { secret: Array(32).fill('s'), ...NAMES } }, /jwt.secret: has to be text/],
    [{ jwt: { secret: SECRET, ...NAMES, algorithms: 7 } }, /jwt.algorithms: has to be a list/],
    [{ anonymous: { publish: 7 } }, /anonymous.publish: has to be a list/],
    [{ anonymous: { source: '' } }, /anonymous.source: source /],
    [{ jwt: { secret: SECRET, ...NAMES, clockToleranceMs: 60_001 } }, /clockToleranceMs/],
    [{ jwt: { secret: SECRET, ...NAMES }, nonsense: 1 }, /nonsense/],
  ])('%j are refused', async (options, fault) => {
    expect(await faultsOf(options)).toMatch(fault);
  });

  it('are refused with all their faults at once', async () => {
    const message = await faultsOf({
      keysFile: '',
      jwt: { secret: 'short', issuer: 1, audience: [''], clockToleranceMs: -1 },
      anonymous: { publish: ['a..b'], subscribe: [{ pattern: '+x', redact: ['$['] }] },
      nonsense: 1,
    });
    for (const path of [
      'keysFile',
      'jwt.secret',
      'jwt.issuer',
      'jwt.audience[0]',
      'jwt.clockToleranceMs',
      'anonymous.publish[0]',
      'anonymous.subscribe[0].pattern',
      'anonymous.subscribe[0].redact[0]',
      'nonsense',
    ]) {
      expect(message).toContain(`${path}:`);
    }
  });

  it('are refused by one message, and by a list of the faults', async () => {
    const path = 'x'.repeat(240);
    const options = { required: true, [path]: 1, [`${path}y`]: 1 };
    const error = (await failureOf(() => parseAuthOptions(options))) as BusError;
    const message = 'is unknown (there are keysFile, jwt, revokedFile, anonymous, required)';
    const faults = [path, `${path}…`].map((path) => ({ path, message }));
    expect(error.details).toEqual({ faults, count: 2 });
    expect(error.message).toBe(`auth: ${path}: ${message}; ${path}…: ${message}`);
    expect(await faultsOf({ required: true })).toMatch(/^auth: needs keysFile/);
  });

  it('with very many faults are refused with the first hundred and the number of the others', async () => {
    const options = { anonymous: { publish: Array(130).fill('a..b') } };
    const error = (await failureOf(() => parseAuthOptions(options))) as BusError;
    expect(error.details).toMatchObject({ faults: { length: 100 }, count: 130 });
    expect(error.message).toMatch(/; anonymous.publish\[99\]: [^;]*; and 30 more$/);
  });

  it('with a very long value in the wrong place are refused with a short message', async () => {
    const long = 'x'.repeat(100_000);
    const message = await faultsOf({ keysFile: 'k', required: long, [long]: long });
    expect(message.length).toBeLessThan(1000);
  });

  it('with a token in the wrong place are refused without showing any part of it', async () => {
    const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl';
    for (const token of [jwt, newKey().key]) {
      expect(await faultsOf({ keysFile: 'k', [token]: 1 })).toMatch(
        /^auth: \[a token\]: is unknown/,
      );
    }
  });

  it('with a secret that is too short are refused without showing it', async () => {
    const secret = 'hunter2hunter2hunter2hunter2hun';
    const error = (await failureOf(() =>
      parseAuthOptions({ jwt: { secret, ...NAMES } }),
    )) as object;
    expect(JSON.stringify(error)).not.toContain(secret);
    expect(JSON.stringify(error)).toContain('at least 32 bytes');
  });

  it('with unusable keys are refused, together with the faults of the keys file', async () => {
    const folder = temporaryDirectory();
    const file = (name: string, content: string) => {
      const path = join(folder, name);
      writeFileSync(path, content, { mode: 0o600 });
      return path;
    };
    const pem = (pair: { publicKey: { export(options: object): unknown } }) =>
      String(pair.publicKey.export({ type: 'spki', format: 'pem' }));
    const small = pem(generateKeyPairSync('rsa', { modulusLength: 1024 }));
    const p384 = pem(generateKeyPairSync('ec', { namedCurve: 'P-384' }));
    const { privateKey } = generateKeyPairSync('ed25519');
    const privatePem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const keysFile = file('keys.json', '{"version":1,"keys":7}');
    for (const [jwt, fault] of [
      [{ secretFile: file('short', 'x'.repeat(31)) }, /a secret of 31 bytes/],
      [{ secretFile: join(folder, 'none') }, /ENOENT/],
      [{ publicKey: 'nonsense', algorithms: ['RS256'] }, /no public key in PEM form/],
      [{ publicKey: small, algorithms: ['RS256'] }, /rsa 1024\) cannot check RS256/],
      [{ publicKey: p384, algorithms: ['ES256'] }, /ec secp384r1\) cannot check ES256/],
      [{ publicKeyFile: file('p', p384), algorithms: ['EdDSA'] }, /cannot check EdDSA/],
      [{ publicKey: privatePem, algorithms: ['EdDSA'] }, /a private key was given/],
    ] as const) {
      const options = { keysFile, jwt: { ...jwt, ...NAMES } } as AuthOptions;
      const error = (await failureOf(() => open(options))) as BusError;
      expect(error.code).toBe('OPTION_INVALID');
      expect(error.message).toMatch(fault);
      expect(error.message).toContain('keysFile: keys');
    }
  });
});

describe('an authenticator', () => {
  it('without options lets every client do everything', async () => {
    const authenticator = openAuthenticator(undefined);
    expect(authenticator.isRequired).toBe(false);
    for (const token of [undefined, 'whatever']) {
      const principal = await authenticator.authenticate(token);
      expect(principal).toMatchObject({ name: 'anonymous', isAnonymous: true, redacts: false });
      expect(principal.mayPublish('a')).toBe(true);
      expect(principal.maySubscribe('$sys.x')).toBe(true);
      expect(principal.beyondSubscribe(['*', '$sys.*'])).toBeUndefined();
      expect(principal.mayAdminister('*')).toBe(true);
    }
    authenticator.onRevoked(() => {});
    authenticator.close();
  });

  it('gives clients without a token the anonymous grants, and refuses a bad token', async () => {
    const keysFile = join(temporaryDirectory(), 'keys.json');
    const only = newKey({ publish: ['*'] });
    writeKeys(keysFile, only);
    expect(open({ keysFile, anonymous: false }).authenticator.isRequired).toBe(true);
    const anonymous = { subscribe: ['public.*'], rates: { subscribePerSecond: 1 } };
    const { authenticator } = open({ keysFile, anonymous });
    expect(authenticator.isRequired).toBe(false);
    const nobody = await authenticator.authenticate(undefined);
    expect(nobody).toMatchObject({
      id: 'anonymous',
      name: 'anonymous',
      isAnonymous: true,
      rates: anonymous.rates,
    });
    expect(nobody.maySubscribe('public.x')).toBe(true);
    expect(nobody.maySubscribe('private.x')).toBe(false);
    expect(nobody.mayPublish('public.x')).toBe(false);
    expect((await authenticator.authenticate(only.key)).mayPublish('a')).toBe(true);
    for (const bad of ['', `${only.key.slice(0, -1)}_`, 'a.b.c']) {
      expect(await failureOf(() => authenticator.authenticate(bad))).toMatchObject({
        code: 'UNAUTHENTICATED',
      });
    }
  });

  it('accepts both API keys and JWTs', async () => {
    const keysFile = join(temporaryDirectory(), 'keys.json');
    const only = newKey();
    writeKeys(keysFile, only);
    const secret = randomBytes(32).toString('hex');
    const { authenticator } = open({ keysFile, jwt: { secret, ...NAMES } });
    expect((await authenticator.authenticate(only.key)).id).toBe(`key:${only.stored.id}`);
    expect(await failureOf(() => authenticator.authenticate('a.b.c'))).toMatchObject({
      message: expect.stringContaining('the JWT'),
    });
    const jwtOnly = open({ jwt: { secret, ...NAMES } }).authenticator;
    expect(await failureOf(() => jwtOnly.authenticate(only.key))).toMatchObject({
      message: expect.stringContaining('API keys are not accepted'),
    });
  });

  it('refuses a token of more than 8192 characters for its length alone', async () => {
    const { authenticator } = open({ jwt: { secret: SECRET, ...NAMES } });
    for (const [length, message] of [
      [8192, 'the JWT is malformed'],
      [8193, 'a token of 8193 characters; 8192 is the limit'],
    ] as const) {
      const token = `${'x'.repeat(length - 4)}.a.b`;
      expect(await failureOf(() => authenticator.authenticate(token))).toMatchObject({ message });
    }
  });

  it('names the option of each file that cannot be used', async () => {
    const [keysFile, revokedFile, secretFile] = ['k', 'r', 's'].map((name) =>
      join(temporaryDirectory(), name),
    );
    const options = { keysFile, revokedFile, jwt: { secretFile, ...NAMES } } as AuthOptions;
    const error = (await failureOf(() => open(options))) as BusError;
    const faults = error.details?.faults as readonly { path: string }[];
    expect(faults.map(({ path }) => path)).toEqual(['jwt', 'revokedFile', 'keysFile']);
    expect(error.message).toMatch(/^auth: jwt: .*; revokedFile: .*; keysFile: /);
  });

  it('refuses any text that is not one of its tokens, without quoting it', async () => {
    const keysFile = join(temporaryDirectory(), 'keys.json');
    const only = newKey();
    writeKeys(keysFile, only);
    const { authenticator } = open({ keysFile, jwt: { secret: SECRET, ...NAMES } });
    const json = fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value)));
    const part = fc.oneof(
      fc.base64String().map((text) => text.replace(/[+/=]/g, '_')),
      fc
        .oneof(json, fc.constant(Buffer.from('{"alg":"HS256"}')))
        .map((b) => b.toString('base64url')),
    );
    const token = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.tuple(part, part, part).map((parts) => parts.join('.')),
      fc.string().map((text) => `mr_${text}`),
      fc
        .integer({ min: 0, max: 62 })
        .map((at) => `${only.key.slice(0, at)}~${only.key.slice(at + 1)}`),
    );
    await fc.assert(
      fc.asyncProperty(token, async (text) => {
        const error = (await failureOf(() => authenticator.authenticate(text))) as BusError;
        expect(error).toMatchObject({ name: 'BusError', code: 'UNAUTHENTICATED' });
        if (text.length > 20) expect(error.message).not.toContain(text);
      }),
      { numRuns: 1000 },
    );
  });
});
