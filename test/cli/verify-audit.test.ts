import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hmacSeal, signingSeal } from '../../src/sinks/audit/seal.js';
import { pathsOf, writeTrail } from '../sinks/audit/support/trails.js';
import { run, temporaryDirectory } from './support/command.js';

describe('verify-audit', () => {
  it('says that a trail is as it was written, and its head, by which its end is found', async () => {
    const dir = temporaryDirectory();
    await writeTrail(dir, 12);
    const { code, stdout } = await run(['verify-audit', dir]);
    const [, head] =
      /^.*: \d+ lines in \d+ files are as written, not sealed; head (\w{64})\n$/.exec(stdout)!;
    expect(code).toBe(0);
    const json = await run(['verify-audit', dir, '--json', '--expect-head', head!]);
    expect(JSON.parse(json.stdout)).toMatchObject({ trail: dir, events: 12, head });
    const paths = await pathsOf(dir);
    const last = paths.at(-1)!;
    const lines = readFileSync(last, 'utf8').trimEnd().split('\n');
    writeFileSync(last, `${lines.slice(0, -1).join('\n')}\n`);
    expect((await run(['verify-audit', dir])).code).toBe(0);
    const cut = await run(['verify-audit', ...paths, '--expect-head', head!]);
    expect(cut).toMatchObject({ code: 1, stderr: 'millrace: 1 trail is not as written\n' });
    expect(cut.stdout).toMatch(/no line has the expected hash/);
  });

  it('names the first wrong line of each trail', async () => {
    const [good, bad] = [temporaryDirectory(), temporaryDirectory()];
    await writeTrail(good, 3);
    await writeTrail(bad, 3);
    const [path] = (await pathsOf(bad)) as [string];
    writeFileSync(path, readFileSync(path, 'utf8').replace('id-2', 'id-7'));
    const { code, stdout } = await run(['verify-audit', good, bad]);
    expect(code).toBe(1);
    expect(stdout).toContain(`${bad}: line 3 (audit-000001.ndjson, row 3) was changed`);
    expect(stdout).toContain(`${good}: 4 lines in 1 file are as written`);
  });

  it('checks seals with keys from files', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519', {
      privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
      publicKeyEncoding: { format: 'pem', type: 'spki' },
    });
    const dir = temporaryDirectory();
    const file = (name: string, content: string): string => {
      const path = join(temporaryDirectory(), name);
      writeFileSync(path, content);
      return path;
    };
    await writeTrail(dir, 2, 2, { seal: signingSeal(privateKey) });
    await writeTrail(dir, 4, 2, { seal: hmacSeal('a key in a file of its own') });
    const keys = [
      ...['--public-key-file', file('public.pem', publicKey)],
      ...['--key-file', file('key', 'a key in a file of its own')],
    ];
    expect((await run(['verify-audit', dir])).stdout).toContain('give --key-file');
    expect((await run(['verify-audit', dir, ...keys])).stdout).toContain('all sealed with the key');
    const half = await run(['verify-audit', dir, ...keys.slice(0, 2)]);
    expect(half.code).toBe(1);
    expect(half.stdout).toMatch(/is sealed with hmac-.*whose key was not given/);
  });

  it('refuses what it cannot read', async () => {
    const empty = temporaryDirectory();
    const short = join(empty, 'short.key');
    writeFileSync(short, 'short');
    const cases: [string[], number, RegExp][] = [
      [[], 2, /missing required argument/],
      [[empty], 1, /has no file of a trail/],
      [[join(empty, 'none')], 1, /ENOENT/],
      [[empty, '--expect-head', 'abc'], 2, /64 digits of hex/],
      [[empty, '--key-file', short], 2, /16 to 4096 bytes/],
      [[empty, '--public-key-file', short], 2, /public key of Ed25519/],
    ];
    for (const [args, code, reason] of cases) {
      const outcome = await run(['verify-audit', ...args]);
      expect({ code: outcome.code, args }).toEqual({ code, args });
      expect(outcome.stderr).toMatch(reason);
    }
  });
});
