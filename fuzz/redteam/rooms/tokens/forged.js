import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto';
import { assertRefused, assertUntold } from '../../stage/stage.js';

/** Tokens that the issuer has not made, or not like this. The server takes HS256 with a secret of its own. */

const ALL = { publish: ['*'], subscribe: ['*'], admin: ['*'] };
const now = () => Math.floor(Date.now() / 1000);
const part = (value) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

async function refused(stage, token, what) {
  const http = await stage.ask(undefined, { path: '/v1/access', token });
  assert.equal(http.status, 401, `${what}: ${http.text}`);
  assert.equal(http.body.code, 'UNAUTHENTICATED', what);
  assertUntold(http.text, [token, stage.secret], what);
}

export const attacks = [
  {
    name: 'a token without a signature, or with one of another making',
    wants: 'to be the operator without a secret',
    async play(stage) {
      const good = stage.jwt('ada', ALL);
      assert.equal((await stage.ask(undefined, { path: '/v1/access', token: good })).status, 200);
      const [head, body, signature] = good.split('.');
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const jwk = { kty: 'oct', k: Buffer.from('x'.repeat(32)).toString('base64url') };
      const mine = 'x'.repeat(32);
      const as = (header, secret = mine) => stage.jwt('ada', ALL, {}, { header, secret });
      const forged = {
        none: `${part({ alg: 'none' })}.${body}.`,
        None: `${part({ alg: 'None' })}.${body}.`,
        nOnE: `${part({ alg: 'nOnE' })}.${body}.${signature}`,
        'an empty algorithm': as({ alg: '' }),
        'no algorithm': as({ typ: 'JWT' }),
        'an algorithm that is a list': as({ alg: ['HS256', 'none'] }),
        HS384: stage.jwt(
          'ada',
          ALL,
          {},
          {
            header: { alg: 'HS384' },
            sign: (text) => createHmac('sha384', stage.secret).update(text).digest(),
          },
        ),
        hs256: as({ alg: 'hs256' }, stage.secret),
        ES256: as({ alg: 'ES256' }),
        'a key that the token brings': as({ alg: 'HS256', jwk }),
        'a set of keys that the token names': as({
          alg: 'HS256',
          jku: 'http://127.0.0.1:1/keys',
          kid: 'x',
        }),
        'a certificate that the token names': as({
          alg: 'HS256',
          x5u: 'http://127.0.0.1:1/cert',
          x5c: ['MIIB'],
        }),
        'a kid that is a path': as({ alg: 'HS256', kid: '../../../../dev/null' }, ''),
        'a kid that is a query': as({ alg: 'HS256', kid: "' UNION SELECT 'x" }),
        'a kid that is a prototype': as({ alg: 'HS256', kid: '__proto__' }),
        'an unknown extension': as({ alg: 'HS256', crit: ['x'], x: 1 }, stage.secret),
        'a body that is not encoded': as({ alg: 'HS256', crit: ['b64'], b64: false }, stage.secret),
        'another secret': as({ alg: 'HS256' }),
        'an empty secret': as({ alg: 'HS256' }, ''),
        'the empty signature': `${head}.${body}.`,
        'a cut signature': good.slice(0, -8),
        'a signature of another body': `${head}.${part({ ...JSON.parse(Buffer.from(body, 'base64url').toString()), sub: 'root' })}.${signature}`,
        'two heads': `${part('{"alg":"HS256","alg":"none"}')}.${body}.`,
        'five parts, as if encrypted': `${part({ alg: 'dir', enc: 'A256GCM' })}..${'a'.repeat(16)}.${'a'.repeat(16)}.${'a'.repeat(22)}`,
        'four parts': `${good}.x`,
        'two parts': `${head}.${body}`,
        'a head that is an array': `${part([])}.${body}.${signature}`,
        'a head of null': `${part('null')}.${body}.${signature}`,
        'a body that is no object': stage
          .jwt(
            '',
            ALL,
            {},
            { sign: (text) => createHmac('sha256', stage.secret).update(text).digest() },
          )
          .replace(/\.[^.]+\./, `.${part('[1]')}.`),
        'a very deep head': `${part('['.repeat(3000))}.${body}.`,
        ECDSA: stage.jwt(
          'ada',
          ALL,
          {},
          {
            header: { alg: 'ES256' },
            sign: (text) =>
              createHmac('sha256', privateKey.export({ type: 'pkcs8', format: 'pem' }))
                .update(text)
                .digest(),
          },
        ),
      };
      for (const [what, token] of Object.entries(forged)) await refused(stage, token, what);
    },
  },
  {
    name: 'a token out of its time, or of another issuer or audience',
    wants: 'to use a token that holds no more, not yet, or elsewhere',
    async play(stage) {
      const wrong = {
        expired: { exp: now() - 1 },
        'expires now': { exp: now() },
        'no end': { exp: undefined },
        'an end as text': { exp: String(now() + 3600) },
        'an end that is no number': { exp: 'NaN' },
        'an end of null': { exp: null },
        'an end that is a list': { exp: [now() + 3600] },
        'an end beyond all dates': { exp: 1e300 },
        'an end below zero': { exp: -1 },
        'a beginning ahead': { nbf: now() + 60 },
        'a beginning as text': { nbf: '0' },
        'another issuer': { iss: 'https://evil.example' },
        'a longer issuer': { iss: 'https://id.example/' },
        'no issuer': { iss: undefined },
        'issuers as a list': { iss: ['https://id.example'] },
        'another audience': { aud: 'other' },
        'no audience': { aud: undefined },
        'an empty list of audiences': { aud: [] },
        'an audience that is an object': { aud: { 0: 'millrace' } },
        'no subject': { sub: undefined },
        'a subject that is a number': { sub: 1 },
        'an empty subject': { sub: '' },
        'a subject that is very long': { sub: 'a'.repeat(256) },
        'grants that are text': { millrace: 'admin' },
        'grants with a field too many': { millrace: { admin: ['*'], superuser: true } },
        'a grant that is no pattern': { millrace: { subscribe: ['a..b'] } },
        'a jti that is no text': { jti: { toString: 'x' } },
      };
      for (const [what, changes] of Object.entries(wrong)) {
        await refused(stage, stage.jwt('ada', ALL, changes), what);
      }
      // JSON's own numbers, which JavaScript rounds or reads as infinity.
      for (const exp of ['1e999', '9007199254740993', '-0', '1E+400']) {
        const body = `{"iss":"https://id.example","aud":"millrace","sub":"ada","exp":${exp},"millrace":{"admin":["*"]}}`;
        const text = `${part({ alg: 'HS256' })}.${part(body)}`;
        const token = `${text}.${createHmac('sha256', stage.secret).update(text).digest('base64url')}`;
        const { status } = await stage.ask(undefined, { path: '/v1/access', token });
        assert.equal(status, 401, exp);
      }
    },
  },
  {
    name: 'a claim that reaches out of its place in a grant',
    wants: "more topics than the issuer's template means, by a name of one's own choice",
    async play(stage) {
      const grants = {
        subscribe: [{ pattern: 'alice.{sub}.*', redact: ['$.card'] }, 'user.{sub}'],
        publish: ['user.{sub}.*', '{team}.x'],
        consume: ['{sub}'],
        admin: ['{sub}'],
      };
      const names = [
        '*',
        '+',
        'a.b',
        'a.*',
        '.',
        '..',
        '$sys',
        '$',
        ' ',
        'a b',
        'a\tb',
        '{sub}',
        '{team}.*',
        '\u0000',
        'a\u0000b',
        'a\u2028b',
        '\u00a0',
        '\ufeff',
        'a\nb',
        '\uff0a',
        'a\uff0eb',
        '\u200b',
      ];
      for (const sub of names) {
        const { status, body, text } = await stage.ask(undefined, {
          path: '/v1/access',
          token: stage.jwt(sub, grants, { team: 't' }),
        });
        if (status === 401) continue;
        assert.equal(status, 200, text);
        // It stands for itself in one segment.
        assert.deepEqual(body.consume, [sub]);
        assert.ok(!/[*+.$\s\p{Cc}]/u.test(sub), `${JSON.stringify(sub)} was taken: ${text}`);
      }
      for (const team of [
        '*',
        'a.b',
        '',
        null,
        5,
        ['a'],
        { a: 1 },
        true,
        undefined,
        '$sys',
        '{sub}.*',
      ]) {
        const { status, body } = await stage.ask(undefined, {
          path: '/v1/access',
          token: stage.jwt('ada', grants, { team }),
        });
        assert.equal(status, 401, `${JSON.stringify(team)}: ${JSON.stringify(body)}`);
      }
      for (const claim of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
        const { status } = await stage.ask(undefined, {
          path: '/v1/access',
          token: stage.jwt('ada', { subscribe: [`x.{${claim}}`] }),
        });
        assert.equal(status, 401, claim);
      }
    },
  },
  {
    name: 'a key that was guessed',
    wants: 'to learn which keys there are, and their secrets',
    async play(stage) {
      const { id } = stage.keys.find(({ name }) => name === 'operator');
      const token = stage.tokens.operator;
      const secret = () => randomBytes(32).toString('base64url');
      const known = await stage.ask(undefined, {
        path: '/v1/access',
        token: `mr_${id}_${secret()}`,
      });
      const unknown = await stage.ask(undefined, {
        path: '/v1/access',
        token: `mr_${randomBytes(8).toString('hex')}_${secret()}`,
      });
      assert.deepEqual([known.status, known.text], [401, unknown.text]);
      for (const wrong of [
        `mr_${id}_`,
        `mr_${id}_${'A'.repeat(43)}`,
        token.slice(0, -1),
        `${token}=`,
        `${token}x`,
        token.toUpperCase(),
        token.replace('mr_', 'MR_'),
        `mr_${id.toUpperCase()}_${token.split('_').slice(2).join('_')}`,
        `mr___proto___${secret()}`,
        token.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
      ]) {
        const { status, text } = await stage.ask(undefined, { path: '/v1/access', token: wrong });
        assert.ok(status === 401, `${wrong}: ${text}`);
        assertUntold(text, [secret(), token, 'operator']);
      }
      const both = await stage.raw(
        `GET /v1/access HTTP/1.1\r\nHost: 127.0.0.1\r\n${stage.bearer('nobody')}${stage.bearer('operator')}Connection: close\r\n\r\n`,
      );
      assert.doesNotMatch(both, /"principal":"operator"/, 'of two tokens, the second counts');
      for (const place of [
        `?token=${token}`,
        `?access_token=${token}`,
        `?authorization=Bearer%20${token}`,
      ]) {
        const { status, text } = await stage.ask(undefined, { path: `/v1/access${place}` });
        assert.equal(status, 401, text);
        assertUntold(text, token);
      }
      const cookie = await stage.ask(undefined, {
        path: '/v1/access',
        headers: { cookie: `token=${token}; Authorization=Bearer ${token}` },
      });
      assert.equal(cookie.status, 401);
      assertUntold(stage.server.text, [token, token.split('_').at(-1)], 'the log');
    },
  },
  {
    name: 'a token of another principal, on a connection that is open',
    wants: 'to change into somebody else, or to outlive a token',
    async play(stage) {
      const socket = await stage.socket('mallory');
      for (const token of [
        stage.tokens.operator,
        stage.tokens.alice,
        stage.jwt('mallory', ALL),
        stage.jwt(`key:${stage.keys[2].id}`, ALL),
      ]) {
        assertRefused(await socket.one('authenticate', { token }), ['FORBIDDEN', 'RATE_LIMITED']);
      }
      const { access } = await socket.one('access');
      assert.deepEqual([access.principal, access.admin], ['mallory', []]);
    },
  },
];
