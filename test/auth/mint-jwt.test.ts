import { createSecretKey } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { expect, it } from 'vitest';
import { mintJwt } from '../../src/auth/mint-jwt.js';
import { open } from './support/auth.js';

it('a JWT that is made here is one that a server with the same secret takes', async () => {
  const secret = 's'.repeat(32);
  const now = Date.parse('2026-01-31T12:00:00.900Z');
  const token = await mintJwt({
    secret: createSecretKey(Buffer.from(secret)),
    issuer: 'i',
    audience: 'a',
    subject: 'ada',
    id: '7',
    issuedAt: now,
    expiresAt: now + 60_000,
    grants: { publish: ['chat.*'] },
  });
  expect(decodeProtectedHeader(token)).toEqual({ alg: 'HS256', typ: 'JWT' });
  const seconds = Date.parse('2026-01-31T12:00:00Z') / 1000;
  expect(decodeJwt(token)).toEqual({
    iss: 'i',
    aud: 'a',
    sub: 'ada',
    jti: '7',
    iat: seconds,
    exp: seconds + 60,
    millrace: { publish: ['chat.*'] },
  });
  const { authenticator } = open({ jwt: { secret, issuer: 'i', audience: 'a' } }, () => now);
  const ada = await authenticator.authenticate(token);
  expect(ada).toMatchObject({ name: 'ada', expiresAt: (seconds + 60) * 1000 });
  expect([ada.mayPublish('chat.a'), ada.mayPublish('a')]).toEqual([true, false]);
});
