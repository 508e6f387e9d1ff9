import { appendFileSync, chmodSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KeyStore } from '../../src/auth/key-store.js';
import { keysFileText } from '../../src/auth/keys-file.js';
import type { Principal } from '../../src/auth/principal.js';
import {
  failureOf,
  type Logged,
  newKey,
  open,
  type TestKey,
  temporaryDirectory,
  writeKeys,
} from './support/auth.js';

const wasReadAgain = ({ message }: Logged) => message.includes('read again');
const isComplaint = ({ message }: Logged) =>
  message === 'the keys file cannot be used; the content read before stays in force';

/** Two keys in a file, each shown once. */
async function opened(kept: TestKey = newKey(), other: TestKey = newKey({ publish: ['a'] })) {
  const folder = temporaryDirectory();
  const path = join(folder, 'keys.json');
  writeKeys(path, kept, other);
  const test = open({ keysFile: path });
  const { authenticator } = test;
  const keptPrincipal = await authenticator.authenticate(kept.key);
  const otherPrincipal = await authenticator.authenticate(other.key);
  const told = new Promise<Principal>((resolve) => authenticator.onRevoked(resolve));
  return { ...test, folder, path, kept, other, keptPrincipal, otherPrincipal, told };
}

function replace(path: string, ...keys: readonly TestKey[]): void {
  const temporary = `${path}.tmp`;
  writeKeys(temporary, ...keys);
  renameSync(temporary, path);
}

describe('editing the keys file', () => {
  it.each([
    ['in place', writeKeys],
    ['by a file that takes its place', replace],
  ])('revokes a key, %s', async (_, write) => {
    const { authenticator, path, kept, other, keptPrincipal, otherPrincipal, told, revoked } =
      await opened();
    write(path, kept);
    expect(await told).toBe(otherPrincipal);
    expect(otherPrincipal.isRevoked).toBe(true);
    expect(keptPrincipal.isRevoked).toBe(false);
    expect(revoked).toEqual([otherPrincipal]);
    expect(await failureOf(() => authenticator.authenticate(other.key))).toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    expect(await authenticator.authenticate(kept.key)).toBe(keptPrincipal);
  });

  it('adds a key', async () => {
    const { authenticator, path, kept, other, logged, revoked } = await opened();
    const added = newKey();
    replace(path, added, other, kept);
    await logged(wasReadAgain);
    expect((await authenticator.authenticate(added.key)).id).toBe(`key:${added.stored.id}`);
    expect(revoked).toEqual([]);
  });

  it('to change the grants of a key revokes its principal; the key then gives the new grants', async () => {
    const { authenticator, path, kept, other, otherPrincipal, told } = await opened();
    writeKeys(path, kept, { ...other, stored: { ...other.stored, publish: ['b'] } });
    expect(await told).toBe(otherPrincipal);
    const now = await authenticator.authenticate(other.key);
    expect(now).not.toBe(otherPrincipal);
    expect([now.mayPublish('a'), now.mayPublish('b'), now.isRevoked]).toEqual([false, true, false]);
  });

  it('by redirecting a symbolic link works too', async () => {
    const folder = temporaryDirectory();
    const [before, after] = [newKey(), newKey()];
    writeKeys(join(folder, 'one.json'), before);
    writeKeys(join(folder, 'two.json'), after);
    const path = join(folder, 'keys.json');
    symlinkSync('one.json', path);
    const { authenticator, logged } = open({ keysFile: path });
    const principal = await authenticator.authenticate(before.key);
    symlinkSync('two.json', `${path}.new`);
    renameSync(`${path}.new`, path);
    await logged(wasReadAgain);
    expect(principal.isRevoked).toBe(true);
    await authenticator.authenticate(after.key);
  });

  it('into a broken file changes nothing and is logged once; the mended file counts', async () => {
    const { authenticator, path, kept, other, keptPrincipal, logs, logged, told, revoked } =
      await opened();
    writeFileSync(path, keysFileText([kept.stored]).slice(0, 40));
    expect(await logged(isComplaint)).toMatchObject({
      level: 'warn',
      fields: { fault: expect.stringContaining('is not JSON') },
    });
    expect(await authenticator.authenticate(other.key)).toBeDefined();
    appendFileSync(path, 'still not');
    writeKeys(path, kept);
    await told;
    expect(logs.filter(isComplaint)).toHaveLength(1);
    expect(await authenticator.authenticate(kept.key)).toBe(keptPrincipal);
    expect(revoked).toHaveLength(1);
  });

  it('with faults changes nothing, and all faults are logged', async () => {
    const { authenticator, path, kept, other, logged } = await opened();
    writeKeys(path, { ...kept, stored: { ...kept.stored, name: '', publish: ['a..b'] } });
    const { fields } = await logged(isComplaint);
    expect(fields.path).toBe(path);
    expect(fields.fault).toMatch(/ has faults: keys\[0]\.name: .*keys\[0]\.publish\[0]/);
    await authenticator.authenticate(other.key);
  });

  it('may remove the file for a moment', async () => {
    const { authenticator, path, kept, other, keptPrincipal, logged, logs, told } = await opened();
    rmSync(path);
    expect(await logged(isComplaint)).toMatchObject({
      fields: { fault: expect.stringContaining('is gone') },
    });
    expect(await authenticator.authenticate(other.key)).toBeDefined();
    writeKeys(path, kept);
    await told;
    expect(await authenticator.authenticate(kept.key)).toBe(keptPrincipal);
    expect(logs.filter(isComplaint)).toHaveLength(1);
  });

  it('so that others can write to it changes nothing, and is logged', async () => {
    const { path, other, authenticator, logged } = await opened();
    chmodSync(path, 0o622);
    expect(await logged(isComplaint)).toMatchObject({
      fields: { path, fault: `${path} can be written by others (mode 0622): chmod 600` },
    });
    await authenticator.authenticate(other.key);
  });

  it('so that it cannot be read is logged once, however often it is checked', () => {
    const path = join(temporaryDirectory(), 'keys.json');
    writeKeys(path, newKey());
    const logs: string[] = [];
    const store = KeyStore.open(
      { path, log: (_, message) => logs.push(message), now: Date.now, onRevoked: () => {} },
      [],
    )!;
    const look = () => {
      for (let i = 0; i < 5; i++) store.check();
      return logs.splice(0).length;
    };
    expect(look()).toBe(0);
    rmSync(path);
    expect(look()).toBe(1);
    writeFileSync(path, '{', { mode: 0o600 });
    expect(look()).toBe(1);
    rmSync(path);
    expect(look()).toBe(1);
    writeKeys(path);
    expect(look()).toBe(1);
    expect(store.size).toBe(0);
    store.close();
  });

  it('keeps every key in force, at whatever byte the file is read while it is written', () => {
    const path = join(temporaryDirectory(), 'keys.json');
    const only = newKey({ publish: ['a.*'], subscribe: [{ pattern: 'b', redact: ['$.c'] }] });
    writeKeys(path, only);
    const revoked: Principal[] = [];
    const store = KeyStore.open(
      { path, log: () => {}, now: Date.now, onRevoked: (principal) => revoked.push(principal) },
      [],
    )!;
    const principal = store.authenticate(only.key);
    const text = keysFileText([only.stored]);
    for (let length = 0; length < text.trimEnd().length; length++) {
      writeFileSync(path, text.slice(0, length));
      store.check();
      expect(store.authenticate(only.key)).toBe(principal);
    }
    writeFileSync(path, text);
    store.check();
    expect(store.authenticate(only.key)).toBe(principal);
    expect(revoked).toEqual([]);
    store.close();
  });

  it('is logged with how many keys there are, and how many are no longer what they were', async () => {
    const { path, kept, other, logged } = await opened();
    replace(path, kept, { ...other, stored: { ...other.stored, publish: ['b'] } }, newKey());
    expect(await logged(wasReadAgain)).toEqual({
      level: 'info',
      message: 'the keys file was read again',
      fields: { path, keys: 3, revokedOrChanged: 1 },
    });
  });

  it('to revoke a key that nobody has used calls no listener', async () => {
    const path = join(temporaryDirectory(), 'keys.json');
    writeKeys(path, newKey());
    const { logged, revoked } = open({ keysFile: path });
    const kept = newKey();
    writeKeys(path, kept);
    await logged(wasReadAgain);
    // The log line comes before the listeners are called; a second reading comes after them.
    replace(path, kept, newKey());
    await logged(({ fields }) => fields.keys === 2);
    expect(revoked).toEqual([]);
  });

  it('without changing its meaning revokes no principal', async () => {
    const { authenticator, path, kept, other, keptPrincipal, logged, revoked } = await opened();
    writeFileSync(path, JSON.stringify(JSON.parse(keysFileText([other.stored, kept.stored]))));
    await logged(wasReadAgain);
    expect(revoked).toEqual([]);
    expect(await authenticator.authenticate(kept.key)).toBe(keptPrincipal);
  });

  it('calls every listener, even after one that throws', async () => {
    const path = join(temporaryDirectory(), 'keys.json');
    const only = newKey();
    writeKeys(path, only);
    const { authenticator, logged } = open({ keysFile: path });
    const principal = await authenticator.authenticate(only.key);
    authenticator.onRevoked(() => {
      throw new Error('a fault of mine');
    });
    const told = new Promise<Principal>((resolve) => authenticator.onRevoked(resolve));
    writeKeys(path);
    expect(await told).toBe(principal);
    expect(await logged(({ level }) => level === 'error')).toEqual({
      level: 'error',
      message: 'a listener for revoked keys failed',
      fields: { fault: 'a fault of mine' },
    });
  });

  it('has no effect once the authenticator is closed', async () => {
    const { authenticator, path, kept, other, logs } = await opened();
    authenticator.close();
    writeKeys(path, kept);
    // Another authenticator of the same folder sees the change: so there was time for this one.
    const second = open({ keysFile: path });
    writeKeys(path, kept, other);
    await second.logged(wasReadAgain);
    expect(logs).toEqual([]);
    expect((await authenticator.authenticate(other.key)).isRevoked).toBe(false);
  });
});
