import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  editKeysFile,
  editRevokedFile,
  readKeysFile,
  readRevokedFile,
} from '../../src/auth/edit-keys-file.js';
import { newKey, temporaryDirectory } from './support/auth.js';

const one = newKey().stored;
const other = newKey().stored;
const OPEN_FILES = '/proc/self/fd';

function newPath(name = 'keys.json') {
  return join(temporaryDirectory(), name);
}

function openFiles(): number {
  return existsSync(OPEN_FILES) ? readdirSync(OPEN_FILES).length : 0;
}

describe('the keys file', () => {
  it('is made by the first edit, for its owner only', () => {
    const path = newPath();
    expect(() => readKeysFile(path)).toThrow(`there is no keys file ${path}`);
    const given: unknown[] = [];
    editKeysFile(path, (keys) => {
      given.push(keys);
      return [one];
    });
    expect(given).toEqual([[]]);
    expect(readKeysFile(path)).toEqual([one]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('is replaced as a whole by an edit of the keys that it has, and keeps its mode', () => {
    const path = newPath();
    editKeysFile(path, () => [one]);
    chmodSync(path, 0o640);
    const before = statSync(path).ino;
    editKeysFile(path, (keys) => [...keys, other]);
    expect(readKeysFile(path)).toEqual([one, other]);
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(statSync(path).ino).not.toBe(before);
    expect(readdirSync(join(path, '..'))).toEqual(['keys.json']);
  });

  it.runIf(process.getuid?.() === 0).each([
    [1, 1],
    [0, 1],
    [1, 0],
  ])('keeps its owner %d and group %d, so that the server can still read it', (uid, gid) => {
    const path = newPath();
    editKeysFile(path, () => [one]);
    chownSync(path, uid, gid);
    editKeysFile(path, () => []);
    expect(statSync(path)).toMatchObject({ uid, gid });
  });

  it('stays behind a symbolic link, which stays one', () => {
    const path = newPath();
    editKeysFile(path, () => [one]);
    const link = newPath('link');
    symlinkSync(path, link);
    editKeysFile(link, () => [other]);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readKeysFile(path)).toEqual([other]);
  });

  it('does not change if the edit fails, or while another edit is under way', () => {
    const path = newPath();
    editKeysFile(path, () => [one]);
    const before = readFileSync(path, 'utf8');
    const open = openFiles();
    expect(() =>
      editKeysFile(path, () => {
        throw new Error('no such key');
      }),
    ).toThrow('no such key');
    expect(readFileSync(path, 'utf8')).toBe(before);
    editKeysFile(path, (keys) => {
      expect(() => editKeysFile(path, () => [])).toThrow(
        `${path}.new exists: another process is changing the file; if none is, delete ${path}.new`,
      );
      return keys;
    });
    expect(readFileSync(path, 'utf8')).toBe(before);
    expect(readdirSync(join(path, '..'))).toEqual(['keys.json']);
    expect(openFiles()).toBe(open);
  });

  it('is not edited if it has faults, all of which are named', () => {
    const path = newPath();
    const text = '{"version":1,"keys":7}';
    writeFileSync(path, text, { mode: 0o600 });
    const message = `${path} has faults: keys: has to be a list`;
    expect(() => readKeysFile(path)).toThrow(new Error(message));
    expect(() => editKeysFile(path, () => [])).toThrow(new Error(message));
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('cannot be made in a folder that is not there, and the error is the system’s', () => {
    const path = join(newPath('folder'), 'keys.json');
    expect(() => editKeysFile(path, () => [])).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });
});

describe('the file of revoked tokens', () => {
  it('is made and edited likewise', () => {
    const path = newPath('revoked');
    const token = { jti: 'a', expiresAt: '2026-01-31T12:00:00Z' };
    editRevokedFile(path, (tokens) => [...tokens, token]);
    editRevokedFile(path, (tokens) => [...tokens, { jti: 'b' }]);
    expect(readRevokedFile(path)).toEqual([token, { jti: 'b' }]);
  });

  it('is not edited if it has faults', () => {
    const path = newPath('revoked');
    writeFileSync(path, 'a b\n', { mode: 0o600 });
    const message = `${path} has faults: line 1: after the id stands no time such as 2026-01-31T12:00:00Z`;
    expect(() => readRevokedFile(path)).toThrow(new Error(message));
    expect(() => editRevokedFile(path, () => [])).toThrow(new Error(message));
  });
});
