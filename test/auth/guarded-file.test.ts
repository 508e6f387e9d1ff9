import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** Files that grant access, as a server reads them that does not run as root. Only root can make them for others. */

const MODULE = new URL('../../dist/auth/guarded-file.js', import.meta.url).href;
const SERVER = 65_532;
const MALLORY = 65_533;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'millrace-guarded-'));
  chmodSync(path, 0o755);
  return path;
}

function fileOf(owner: number, mode = 0o644): string {
  const file = join(folder(), 'keys.json');
  writeFileSync(file, '{}');
  chownSync(file, owner, owner);
  chmodSync(file, mode);
  return file;
}

/** What reading it as the server's user comes to. */
function read(file: string): string {
  const script = `
    const { readGuardedFile } = await import(${JSON.stringify(MODULE)});
    process.setgroups?.([]);
    process.setegid(${SERVER});
    process.seteuid(${SERVER});
    try { process.stdout.write(readGuardedFile(${JSON.stringify(file)}, 1000).bytes.toString()); }
    catch (error) { process.stdout.write(error.message); }`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    .stdout;
}

describe.skipIf(process.getuid?.() !== 0)('a file that grants access', () => {
  it.each([
    ['root', 0],
    ['the server', SERVER],
  ])('is read if it belongs to %s', (_, owner) => {
    expect(read(fileOf(owner))).toBe('{}');
  });

  it('is refused if it belongs to somebody else, who could change it', () => {
    expect(read(fileOf(MALLORY))).toContain(`belongs to another user (uid ${MALLORY})`);
  });

  it('is judged behind a symbolic link', () => {
    const link = join(folder(), 'keys.json');
    symlinkSync(fileOf(MALLORY), link);
    expect(read(link)).toContain('belongs to another user');
  });
});
