import { join } from 'node:path';
import fc from 'fast-check';
import { SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { parseAuthOptions } from '../../src/auth/auth-options.js';
import type { Principal } from '../../src/auth/principal.js';
import type { BusError } from '../../src/protocol/errors.js';
import { TOPIC_BYTES_MAX } from '../../src/protocol/limits/events.js';
import { matchesPattern } from '../../src/protocol/topic.js';
import { failureOf, newKey, open, temporaryDirectory, writeKeys } from './support/auth.js';

const SECRET = 's'.repeat(32);
const JWT = { secret: SECRET, issuer: 'i', audience: 'a' };

async function signIn(
  millrace: object,
  claims: object = {},
  { authenticator } = open({ jwt: JWT }),
): Promise<Principal> {
  const token = await new SignJWT({ sub: 'ada', ...claims, millrace })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('i')
    .setAudience('a')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
  return authenticator.authenticate(token);
}

async function refusalOf(millrace: object, claims: object = {}): Promise<string> {
  const error = (await failureOf(() => signIn(millrace, claims))) as BusError;
  expect(error.code).toBe('UNAUTHENTICATED');
  return error.message;
}

describe('a pattern that names claims', () => {
  it('is filled with the claims, in every list of grants', async () => {
    const ada = await signIn(
      {
        publish: ['user.{sub}.*'],
        subscribe: [{ pattern: '{tenant}.user.{sub}', redact: ['$.card'] }, 'public.*'],
        consume: ['jobs.{sub}.*'],
        admin: ['user.{sub}'],
      },
      { tenant: 'acme' },
    );
    expect(ada.mayPublish('user.ada.cart')).toBe(true);
    expect(ada.mayPublish('user.bob.cart')).toBe(false);
    expect(ada.mayPublish('user.{sub}.cart')).toBe(false);
    expect(ada.readable).toEqual(['acme.user.ada', 'public.*']);
    expect(ada.maySubscribe('acme.user.bob')).toBe(false);
    expect(ada.redacts).toBe(true);
    expect(ada.mayConsume('jobs.ada.mail')).toBe(true);
    expect(ada.mayConsume('jobs.bob.mail')).toBe(false);
    expect(ada.mayAdminister('user.ada')).toBe(true);
    expect(ada.mayAdminister('user.*')).toBe(false);
  });

  it.each<[why: string, value: unknown]>([
    ['is not there', undefined],
    ['is a wildcard', '*'],
    ['is the other wildcard', '+'],
    ['has segments', 'ada.bob'],
    ['is empty', ''],
    ['has a space', 'ada bob'],
    ['has a line end', 'ada\n'],
    ['starts as what belongs to the bus', '$sys'],
    ['has a wildcard within', 'a*'],
    ['is what other systems take for a wildcard', '#'],
    ['is a number', 7],
    ['is a list', ['ada']],
    ['is null', null],
  ])('refuses the token if the claim %s, without showing its value', async (_, tenant) => {
    const message = await refusalOf({ subscribe: ['{tenant}.*'] }, { tenant });
    expect(message).toMatch(/subscribe\[0]: \{tenant\} cannot be filled/);
    if (typeof tenant === 'string' && tenant.length > 2) expect(message).not.toContain(tenant);
  });

  it.each(['publish', 'subscribe', 'consume', 'admin'])(
    'that cannot be filled is named by its place in %s, and by what is wrong with the claim',
    async (list) => {
      const grants = { [list]: ['a', '{tenant}.a'] };
      const fault = `${list}[1]: {tenant} cannot be filled: that claim`;
      expect(await refusalOf(grants)).toContain(`${fault} is not there`);
      expect(await refusalOf(grants, { tenant: '*' })).toContain(
        `${fault} is no plain segment of a topic`,
      );
    },
  );

  it('ignores inherited properties of the claims', async () => {
    expect(await refusalOf({ publish: ['{constructor}.a'] })).toContain('is not there');
    expect(await refusalOf({ publish: ['{toString}.a'] })).toContain('is not there');
  });

  it('that cannot be filled refuses the whole token, so that its masks are not lost', async () => {
    const subscribe = ['user.*', { pattern: 'user.{team}.*', redact: ['$.card'] }];
    expect(await refusalOf({ subscribe })).toContain('subscribe[1]');
  });

  it('is filled once: a claim that looks like a place is not filled again', async () => {
    const ada = await signIn({ publish: ['{tenant}.a'] }, { tenant: '{sub}' });
    expect(ada.mayPublish('{sub}.a')).toBe(true);
    expect(ada.mayPublish('ada.a')).toBe(false);
  });

  it('is refused if it is too long when filled', async () => {
    const tenant = 'x'.repeat(TOPIC_BYTES_MAX - 1);
    expect(await refusalOf({ publish: ['{tenant}.a'] }, { tenant })).toContain('too long');
  });

  it.each(['user.a{sub}', 'user.{}', 'user.{a b}', '{sub', 'a.{x.y}', 'a.{sub}}'])(
    'is refused as %s, in which the braces are not a whole segment with a name',
    async (pattern) => {
      await expect(signIn({ publish: [pattern] })).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
      });
    },
  );

  it('matches one segment for each claim, whatever the claim holds', async () => {
    const segment = fc.constantFrom('user', '+', 'a', '{claim}', '{claim}', '{sub}');
    const pattern = fc
      .array(segment, { minLength: 1, maxLength: 3 })
      .map((segments) => segments.join('.'));
    const claim = fc.oneof(
      fc.constantFrom('*', '+', 'a.*', '$sys', '#', '>', '', ' ', 'a', 'user', '{sub}'),
      fc.string({ unit: 'binary' }),
      fc.jsonValue(),
    );
    const topic = fc
      .array(fc.constantFrom('user', 'a', '$sys', 'ada', '#', 'x'), { minLength: 1, maxLength: 5 })
      .map((segments) => segments.join('.'));
    const opened = open({ jwt: JWT });
    await fc.assert(
      fc.asyncProperty(pattern, claim, topic, async (template, value, asked) => {
        let principal: Principal;
        try {
          principal = await signIn({ publish: [template] }, { claim: value }, opened);
        } catch (error) {
          expect((error as BusError).code).toBe('UNAUTHENTICATED');
          return;
        }
        // The widest meaning of places: one segment each, and never the bus's own topics.
        const widest = template.replaceAll(/\{(claim|sub)\}/g, '+');
        if (principal.mayPublish(asked)) expect(matchesPattern(widest, asked)).toBe(true);
        const asksForMany = template.replaceAll(/\{claim\}|user/g, '+').replaceAll('{sub}', 'ada');
        if (!template.includes('+') && asksForMany.includes('+')) {
          expect(principal.mayPublish(asksForMany)).toBe(false);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('a key whose patterns name claims', () => {
  it('is filled with its name and its id', async () => {
    const keysFile = join(temporaryDirectory(), 'keys.json');
    const key = newKey({ name: 'ci', publish: ['build.{sub}.*', 'key.{id}'] });
    writeKeys(keysFile, key);
    const principal = await open({ keysFile }).authenticator.authenticate(key.key);
    expect(principal.mayPublish('build.ci.done')).toBe(true);
    expect(principal.mayPublish(`key.${key.stored.id}`)).toBe(true);
    expect(principal.mayPublish('build.*')).toBe(false);
  });

  it('is a fault of the keys file if they cannot be filled', async () => {
    const keysFile = join(temporaryDirectory(), 'keys.json');
    for (const key of [
      newKey({ name: 'two words', publish: ['build.{sub}'] }),
      newKey({ name: 'ci', subscribe: ['build.{tenant}'] }),
    ]) {
      writeKeys(keysFile, key);
      const error = (await failureOf(() => open({ keysFile }))) as BusError;
      expect(error.code).toBe('OPTION_INVALID');
      expect(error.message).toMatch(/keys\[0].*cannot be filled/);
    }
  });
});

it('a pattern that names claims is a fault of the grants for anonymous clients', async () => {
  const anonymous = { subscribe: ['user.{sub}.*'] };
  const error = (await failureOf(() => parseAuthOptions({ anonymous }))) as BusError;
  expect(error.message).toMatch(/\{sub\} cannot be filled/);
});
