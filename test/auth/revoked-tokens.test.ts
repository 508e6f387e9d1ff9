import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import type { Principal } from '../../src/auth/principal.js';
import { failureOf, type Logged, open, temporaryDirectory } from './support/auth.js';

const SECRET = 's'.repeat(32);
const wasReadAgain = ({ message }: Logged) => message.includes('read again');
const isComplaint = ({ message }: Logged) =>
  message === 'the file of revoked tokens cannot be used; the content read before stays in force';

function newFile(text = '# none\n'): string {
  const path = join(temporaryDirectory(), 'revoked');
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

function opened(revokedFile: string) {
  return open({ jwt: { secret: SECRET, issuer: 'i', audience: 'a' }, revokedFile });
}

function tokenOf(claims: object): Promise<string> {
  return new SignJWT({ sub: 'ada', ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('i')
    .setAudience('a')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
}

describe('a JWT whose id is in the file of revoked tokens', () => {
  it('is refused, while one with another id or none is accepted', async () => {
    const path = newFile('# of yesterday\n\nstolen\nleaked 2099-01-31T12:00:00Z # a laptop\n');
    const { authenticator } = opened(path);
    for (const jti of ['stolen', 'leaked']) {
      const error = await failureOf(async () => authenticator.authenticate(await tokenOf({ jti })));
      expect(error).toMatchObject({ code: 'UNAUTHENTICATED', message: 'the JWT was revoked' });
    }
    for (const claims of [{ jti: 'other' }, {}]) {
      expect((await authenticator.authenticate(await tokenOf(claims))).isRevoked).toBe(false);
    }
  });

  it('revokes every principal that came in with it, as soon as the id is added', async () => {
    const path = newFile();
    const { authenticator, revoked } = opened(path);
    const token = await tokenOf({ jti: 'stolen' });
    const first = await authenticator.authenticate(token);
    const second = await authenticator.authenticate(token);
    const other = await authenticator.authenticate(await tokenOf({ jti: 'other' }));
    const told = new Promise<void>((resolve) => {
      const waiting = new Set<Principal>([first, second]);
      authenticator.onRevoked((principal) => {
        waiting.delete(principal);
        if (waiting.size === 0) resolve();
      });
    });
    appendFileSync(path, 'stolen\n');
    await told;
    expect([first, second, other].map(({ isRevoked }) => isRevoked)).toEqual([true, true, false]);
    expect(new Set(revoked)).toEqual(new Set([first, second]));
  });

  it('stays revoked while the file is gone, faulty or half-written', async () => {
    const path = newFile('stolen\n');
    const { authenticator, logged } = opened(path);
    const isRefused = async () => {
      const token = await tokenOf({ jti: 'stolen' });
      expect(await failureOf(() => authenticator.authenticate(token))).toMatchObject({
        message: 'the JWT was revoked',
      });
    };
    rmSync(path);
    await logged(isComplaint);
    await isRefused();
    writeFileSync(path, 'other\nstol', { mode: 0o600 });
    await logged(({ fields }) => String(fields.fault).includes('no last line end'));
    await isRefused();
    writeFileSync(path, 'other\nsto len\n');
    await logged(({ fields }) => String(fields.fault).includes('line 2'));
    await isRefused();
    writeFileSync(path, 'other\n');
    await logged(wasReadAgain);
    await authenticator.authenticate(await tokenOf({ jti: 'stolen' }));
  });

  it('revokes nobody where nobody came in with it, and the log says how many tokens there are', async () => {
    const path = newFile();
    const { authenticator, logged, revoked } = opened(path);
    const ada = await authenticator.authenticate(await tokenOf({ jti: 'other' }));
    appendFileSync(path, 'stolen\nleaked\n');
    expect(await logged(wasReadAgain)).toEqual({
      level: 'info',
      message: 'the file of revoked tokens was read again',
      fields: { path, tokens: 2 },
    });
    expect([ada.isRevoked, revoked]).toEqual([false, []]);
  });

  it('goes on where it was once the authenticator is closed', async () => {
    const path = newFile();
    const { authenticator, logs } = opened(path);
    const ada = await authenticator.authenticate(await tokenOf({ jti: 'stolen' }));
    authenticator.close();
    appendFileSync(path, 'stolen\n');
    // Another authenticator of the same folder sees the change: so there was time for this one.
    const second = opened(path);
    appendFileSync(path, 'leaked\n');
    await second.logged(wasReadAgain);
    expect([ada.isRevoked, logs]).toEqual([false, []]);
  });

  it('is refused if its id is not text, which no line of the file could name', async () => {
    const { authenticator } = opened(newFile());
    const token = await tokenOf({ jti: 7 });
    expect(await failureOf(() => authenticator.authenticate(token))).toMatchObject({
      message: 'the JWT has a wrong "jti"',
    });
  });
});

it.each([
  ['is missing', undefined, /ENOENT/],
  ['is empty', '', /is empty/],
  ['holds what is no id', 'a b\n', /line 1: after the id stands no time/],
  ['holds a token', `eyJhbGciOiJI.eyJzdWIi.c2ln\n`, /line 1: a JWT itself/],
])('a file of revoked tokens that %s keeps the server from starting', async (_, text, fault) => {
  const path = newFile(text);
  if (text === undefined) rmSync(path);
  const error = (await failureOf(() => opened(path))) as Error;
  expect(error).toMatchObject({ code: 'OPTION_INVALID' });
  expect(error.message).toMatch(fault);
  if (text) expect(error.message).not.toContain(readFileSync(path, 'utf8').trim());
});

it('a file of revoked tokens without JWTs is a fault of the options', async () => {
  const error = (await failureOf(() => open({ anonymous: {}, revokedFile: newFile() }))) as Error;
  expect(error.message).toContain('revokedFile needs jwt');
});
