import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fileFault, readGuardedFile } from '../../src/auth/guarded-file.js';
import { temporaryDirectory } from './support/auth.js';

/** A file that grows while it is read: the system says that it has no bytes. */
const GROWING = '/proc/self/status';

describe('reading a guarded file', () => {
  it('takes as many bytes as it may, and no more', () => {
    const path = join(temporaryDirectory(), 'file');
    writeFileSync(path, 'x'.repeat(100_000), { mode: 0o600 });
    expect(readGuardedFile(path, 100_000).bytes.toString()).toBe('x'.repeat(100_000));
    expect(() => readGuardedFile(path, 99_999)).toThrow(
      `${path} has 100000 bytes; 99999 is the limit`,
    );
  });

  it.runIf(existsSync(GROWING))('ends at its limit in a file that grows', () => {
    expect(() => readGuardedFile(GROWING, 10)).toThrow(`${GROWING} has more than 10 bytes`);
    const name = '/proc/sys/kernel/ostype';
    const bytes = readFileSync(name);
    expect(readGuardedFile(name, bytes.length).bytes).toEqual(bytes);
  });

  it.runIf(process.platform !== 'win32')('does not wait for the writer of a pipe', () => {
    const path = join(temporaryDirectory(), 'pipe');
    spawnSync('mkfifo', [path]);
    expect(() => readGuardedFile(path, 10)).toThrow(`${path} is not a file`);
  });
});

it('a file that is not there is named, with the command that makes one where there is such', () => {
  const missing = Object.assign(new Error('no such file'), { code: 'ENOENT' });
  expect(fileFault(missing, 'k')).toBe('there is no file k (ENOENT)');
  expect(fileFault(missing, 'k', '`make k`')).toBe(
    'there is no file k (ENOENT); `make k` makes one',
  );
  expect(fileFault(new Error('it burns'), 'k', '`make k`')).toBe('it burns');
});
