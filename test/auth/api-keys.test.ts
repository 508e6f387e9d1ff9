import * as crypto from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { apiKeyId, isKeyOf, mintApiKey } from '../../src/auth/api-key.js';
import type { Fault } from '../../src/auth/grants.js';
import { parseStoredKey } from '../../src/auth/keys-file.js';
import { BusError } from '../../src/protocol/errors.js';
import { failureOf, newKey, open, temporaryDirectory, writeKeys } from './support/auth.js';

vi.mock('node:crypto', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:crypto')>();
  return { ...original, timingSafeEqual: vi.fn(original.timingSafeEqual) };
});

function keysFile(): string {
  return join(temporaryDirectory(), 'keys.json');
}

describe('an API key', () => {
  it('is an id and 256 random bits, which its stored hash does not contain', () => {
    const minted = Array.from({ length: 200 }, mintApiKey);
    for (const { id, key, hash } of minted) {
      expect(key).toMatch(/^mr_[0-9a-z]{16}_[A-Za-z0-9_-]{43}$/);
      expect(apiKeyId(key)).toBe(id);
      const secret = key.slice(key.indexOf('_', 3) + 1);
      expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
      expect(hash).toBe(`sha256:${crypto.createHash('sha256').update(key).digest('hex')}`);
      expect(hash).not.toContain(secret);
    }
    expect(new Set(minted.map(({ key }) => key)).size).toBe(200);
    expect(new Set(minted.map(({ id }) => id)).size).toBe(200);
  });

  it('makes a principal with the fields of the file', async () => {
    const path = keysFile();
    const { key, stored } = newKey({
      name: 'ci',
      publish: ['build.*'],
      subscribe: ['build.*', { pattern: 'finance.*', redact: ['$.card'] }],
      admin: ['build.*'],
      source: 'ci-runner',
      rates: { publishPerSecond: 5 },
      redact: ['$..secret'],
      expiresAt: '2026-02-01T00:00:00Z',
    });
    writeKeys(path, newKey(), { key, stored }, newKey());
    const { authenticator } = open({ keysFile: path }, () => Date.parse('2026-01-01T00:00:00Z'));
    const principal = await authenticator.authenticate(key);
    expect(principal).toMatchObject({
      id: `key:${stored.id}`,
      name: 'ci',
      isAnonymous: false,
      isRevoked: false,
      expiresAt: Date.parse('2026-02-01T00:00:00Z'),
      forcedSource: 'ci-runner',
      rates: { publishPerSecond: 5 },
      redacts: true,
    });
    expect(principal.mayPublish('build.x')).toBe(true);
    expect(principal.mayPublish('chat')).toBe(false);
    expect(principal.maySubscribe('finance.x')).toBe(true);
    expect(principal.beyondSubscribe(['build.+', 'finance.*'])).toBeUndefined();
    expect(principal.beyondSubscribe(['build.+', 'chat.x', '*'])).toBe('chat.x');
    expect(principal.mayAdminister('build.7')).toBe(true);
    expect(principal.mayAdminister('*')).toBe(false);
    const event = {
      id: '1',
      topic: 'finance.x',
      type: 'a',
      payload: { card: 1, a: { secret: 2, b: 3 } },
      source: 's',
      timestamp: '2026-01-31T12:00:00.000Z',
      shard: 0,
    };
    expect(principal.redact(event)).toEqual({
      ...event,
      payload: { card: '[redacted]', a: { secret: '[redacted]', b: 3 } },
    });
    expect(authenticator.isRequired).toBe(true);
  });

  it('without grants may do nothing', async () => {
    const path = keysFile();
    const only = newKey();
    writeKeys(path, only);
    const principal = await open({ keysFile: path }).authenticator.authenticate(only.key);
    for (const topic of ['a', 'a.b', '*', '$sys.x']) {
      expect(principal.mayPublish(topic)).toBe(false);
      expect(principal.maySubscribe(topic)).toBe(false);
      expect(principal.mayConsume(topic)).toBe(false);
      expect(principal.mayAdminister(topic)).toBe(false);
      expect(principal.beyondSubscribe([topic])).toBe(topic);
    }
  });

  it.each(['publish', 'subscribe', 'consume', 'admin'] as const)(
    'with only %s grants may do only that',
    async (only) => {
      const path = keysFile();
      const test = newKey({ [only]: ['*'] });
      writeKeys(path, test);
      const principal = await open({ keysFile: path }).authenticator.authenticate(test.key);
      expect(principal.mayPublish('a')).toBe(only === 'publish');
      expect(principal.maySubscribe('a')).toBe(only === 'subscribe');
      expect(principal.beyondSubscribe(['a', '*'])).toBe(only === 'subscribe' ? undefined : 'a');
      // Whoever administers the whole bus may take all work.
      expect(principal.mayConsume('a')).toBe(only === 'consume' || only === 'admin');
      expect(principal.mayAdminister('*')).toBe(only === 'admin');
    },
  );

  it('has exactly its form, and so have its id and its hash in the file', () => {
    const { key, stored } = newKey();
    expect([`x${key}`, `${key}x`].map(apiKeyId)).toEqual([undefined, undefined]);
    for (const part of ['id', 'hash'] as const) {
      for (const wrong of [`0${stored[part]}`, `${stored[part]}0`]) {
        const faults: Fault[] = [];
        expect(parseStoredKey({ ...stored, [part]: wrong }, faults)).toBeUndefined();
        expect(faults).toMatchObject([{ path: part }]);
      }
    }
  });

  it('without grants, without an end and without a source has none of them', async () => {
    const path = keysFile();
    const [only, local] = [newKey(), newKey({ admin: ['+'] })];
    writeKeys(path, only, local);
    const { authenticator } = open({ keysFile: path });
    const principal = await authenticator.authenticate(only.key);
    expect([principal.readable, principal.access]).toEqual([
      [],
      { publish: [], subscribe: [], consume: [], admin: [] },
    ]);
    for (const absent of ['expiresAt', 'forcedSource']) expect(absent in principal).toBe(false);
    // Only who administers every topic may take all work.
    expect((await authenticator.authenticate(local.key)).mayConsume('a')).toBe(false);
  });

  it('gives the same principal to all connections that use it', async () => {
    const path = keysFile();
    const only = newKey();
    writeKeys(path, only);
    const { authenticator } = open({ keysFile: path });
    const first = await authenticator.authenticate(only.key);
    expect(await authenticator.authenticate(only.key)).toBe(first);
  });

  it.each<[what: string, shown: (key: string) => string | undefined, message: RegExp]>([
    ['no token', () => undefined, /a token is needed/],
    ['an empty one', () => '', /neither an API key nor a JWT/],
    ['something else', () => 'Bearer', /neither/],
    ['a JWT', () => 'a.b.c', /JWTs are not accepted/],
    ['a key cut short', (key) => key.slice(0, -1), /malformed/],
    ['a key with more behind it', (key) => `${key}x`, /malformed/],
    ['a key and a line end', (key) => `${key}\n`, /malformed/],
    ['a key in capitals', (key) => key.toUpperCase().replace('MR_', 'mr_'), /malformed/],
    [
      'the id with another secret',
      (key) => key.slice(0, 20) + mintApiKey().key.slice(20),
      /unknown/,
    ],
    ['an unknown key', () => mintApiKey().key, /unknown or was revoked/],
    [
      'a very long text',
      () => `mr_${'x'.repeat(1_000_000)}`,
      /1000003 characters; 8192 is the limit/,
    ],
  ])('is refused as %s', async (_, shown, message) => {
    const path = keysFile();
    const only = newKey();
    writeKeys(path, only);
    const { authenticator, logs } = open({ keysFile: path });
    const token = shown(only.key);
    const error = (await failureOf(() => authenticator.authenticate(token))) as BusError;
    expect(error).toBeInstanceOf(BusError);
    expect(error.code).toBe('UNAUTHENTICATED');
    expect(error.message).toMatch(message);
    expect(error.message.length).toBeLessThan(200);
    if (token) expect(JSON.stringify([error, error.stack, logs])).not.toContain(token);
  });

  it('is refused from its expiry time on', async () => {
    const path = keysFile();
    const only = newKey({ expiresAt: '2026-02-01T00:00:00+01:00' });
    writeKeys(path, only);
    let now = Date.parse('2026-01-31T22:59:59.999Z');
    const { authenticator } = open({ keysFile: path }, () => now);
    const principal = await authenticator.authenticate(only.key);
    expect(principal.expiresAt).toBe(now + 1);
    now++;
    expect(await failureOf(() => authenticator.authenticate(only.key))).toMatchObject({
      code: 'UNAUTHENTICATED',
      message: expect.stringContaining('expired at 2026-01-31T23:00:00.000Z'),
    });
  });

  it('is compared in constant time, even if its id is unknown', () => {
    const { key, hash } = mintApiKey();
    const bytes = Buffer.from(hash.slice(7), 'hex');
    const compare = vi.mocked(crypto.timingSafeEqual);
    for (const [shown, stored, expected] of [
      [key, bytes, true],
      [mintApiKey().key, bytes, false],
      [key, undefined, false],
      [key, Buffer.alloc(32), false],
    ] as const) {
      compare.mockClear();
      expect(isKeyOf(shown, stored)).toBe(expected);
      expect(compare).toHaveBeenCalledTimes(1);
      expect(compare.mock.calls[0]!.map(({ byteLength }) => byteLength)).toEqual([32, 32]);
    }
  });

  it('with a hash of all zeros does not match a key that is not stored', () => {
    vi.mocked(crypto.timingSafeEqual).mockReturnValueOnce(true);
    expect(isKeyOf(mintApiKey().key, undefined)).toBe(false);
  });
});

describe('a keys file', () => {
  const failureWith = async (text: string | Buffer, mode = 0o600) => {
    const path = keysFile();
    writeFileSync(path, text);
    chmodSync(path, mode);
    return (await failureOf(() => open({ keysFile: path }))) as BusError;
  };

  it.each<[what: string, text: string, fault: RegExp]>([
    ['empty', '', /^auth: keysFile: is empty$/],
    ['empty but for white space', ' \n', /^auth: keysFile: is empty$/],
    ['half-written', '{"version":1,"keys":[{"id', /is not JSON/],
    [
      'no JSON in its second line',
      '{\n  "version": 01}',
      /^auth: keysFile: is not JSON, from line 2, column \d+ on$/,
    ],
    ['no object', '[]', /keysFile: has to be an object/],
    ['of another version', '{"version":2,"keys":[]}', /version/],
    ['without keys', '{"version":1}', /keys/],
    [
      'with unknown fields',
      '{"version":1,"keys":[],"key":1,"k":1}',
      /key: is unknown \(did you mean keys\?\); .*k: is unknown/,
    ],
  ])('that is %s is refused at the start', async (_, text, fault) => {
    const error = await failureWith(text);
    expect(error).toMatchObject({ code: 'OPTION_INVALID' });
    expect(error.message).toMatch(fault);
  });

  it('is refused with all its faults at once, and none of its secrets', async () => {
    const misplaced = mintApiKey().key;
    const id = '0123456789abcdef';
    const { stored } = newKey();
    const keys = [
      { ...stored, id: 'short' },
      { ...stored, name: '' },
      { ...stored, hash: misplaced },
      { ...stored, hash: [stored.hash] },
      { ...stored, publish: ['a..b', 'ok'] },
      { ...stored, subscribe: ['a*', { pattern: 'x', redact: ['card'] }, { pattern: 'x' }] },
      { ...stored, admin: '*' },
      { ...stored, source: '' },
      { ...stored, rates: { publishPerSecond: 0 } },
      { ...stored, rates: [] },
      { ...stored, redact: ['$.'] },
      { ...stored, expiresAt: 'tomorrow' },
      { ...stored, grants: {} },
      { ...stored, [misplaced]: 1 },
      { ...stored, expiresAt: '2026-02-30T00:00:00Z' },
    ];
    const error = await failureWith(JSON.stringify({ version: 1, keys }));
    const faults = error.details?.faults as readonly { path: string; message: string }[];
    const told = faults.map(({ path }) => path);
    expect(told).toEqual([
      'keysFile: keys[0].id',
      'keysFile: keys[1].name',
      'keysFile: keys[2].hash',
      'keysFile: keys[3].hash',
      'keysFile: keys[4].publish[0]',
      'keysFile: keys[5].subscribe[0]',
      'keysFile: keys[5].subscribe[1].redact[0]',
      'keysFile: keys[5].subscribe[2].redact',
      'keysFile: keys[6].admin',
      'keysFile: keys[7].source',
      'keysFile: keys[8].rates.publishPerSecond',
      'keysFile: keys[9].rates',
      'keysFile: keys[10].redact[0]',
      'keysFile: keys[11].expiresAt',
      'keysFile: keys[12].grants',
      `keysFile: keys[13].[a token]`,
      'keysFile: keys[14].expiresAt',
    ]);
    for (const path of told) expect(error.message).toContain(path);
    for (const message of [
      'keys[0].id: is not 16 characters of 0-9 a-z; ',
      'keys[1].name: name is empty; ',
      'keys[2].hash: is not "sha256:" and 64 hexadecimal digits; ',
      'keys[11].expiresAt: "tomorrow" is no time such as 2026-01-31T12:00:00Z; ',
    ]) {
      expect(error.message).toContain(message);
    }
    expect(JSON.stringify(error)).not.toContain(misplaced);
    const twice = [
      { ...stored, id },
      { ...stored, id },
    ];
    const repeated = await failureWith(JSON.stringify({ version: 1, keys: twice }));
    expect(repeated.message).toContain(`the id "${id}" is there 2 times`);
  });

  it('with very many faults has a bounded message', async () => {
    const { stored } = newKey();
    const keys = Array.from({ length: 5000 }, (_, n) => ({ ...stored, id: `x${n}` }));
    const error = await failureWith(JSON.stringify({ version: 1, keys }));
    expect(error.message).toMatch(/and 4900 more$/);
    expect(error.details).toMatchObject({ count: 5000 });
    expect(error.message.length).toBeLessThan(30_000);
  });

  it('with too many keys, or too many bytes, is refused', async () => {
    const { stored } = newKey();
    const keys = Array.from({ length: 10_001 }, () => stored);
    expect((await failureWith(JSON.stringify({ version: 1, keys }))).message).toContain('keys');
    const error = await failureWith(Buffer.alloc(17 * 1024 * 1024, ' '));
    expect(error.message).toContain('16777216 is the limit');
  });

  it('is refused if other users can write it, and gives a warning if they can read it', async () => {
    const text = '{"version":1,"keys":[]}';
    for (const mode of [0o620, 0o602, 0o666]) {
      expect((await failureWith(text, mode)).message).toContain('can be written by others');
    }
    const path = keysFile();
    writeFileSync(path, text, { mode: 0o644 });
    expect(open({ keysFile: path }).logs).toMatchObject([
      {
        level: 'warn',
        message: 'the keys file is not private',
        fields: { warning: expect.stringContaining('mode 0644') },
      },
    ]);
    chmodSync(path, 0o600);
    expect(open({ keysFile: path }).logs).toEqual([]);
  });

  it('that does not exist, or is a folder, is refused at the start', async () => {
    const folder = temporaryDirectory();
    const missing = await failureOf(() => open({ keysFile: join(folder, 'none.json') }));
    expect(missing).toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringMatching(
        /there is no file .*none\.json \(ENOENT\); `millrace token key` makes one/,
      ),
    });
    mkdirSync(join(folder, 'folder'));
    const isFolder = await failureOf(() => open({ keysFile: join(folder, 'folder') }));
    expect(isFolder).toMatchObject({ message: expect.stringContaining('is not a file') });
  });
});
