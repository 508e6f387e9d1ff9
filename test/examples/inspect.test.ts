import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { inspectFile, LARGE_FILE_BYTES } from '../../examples/scan/inspect.js';
import { findSecrets } from '../../examples/scan/secrets.js';
import { dealShares, walkTree } from '../../examples/scan/tree.js';

// Put together here, so that no scanner takes this file for a leak.
const AWS_KEY = `AK${'IA'}Q7RTZ5MX2KLJ3PWE`;
const MARK = `TO${'DO'}`;

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-inspect-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, content: string | Buffer): string {
  const file = join(root, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, content);
  return file;
}

describe('looking through a file', () => {
  test('finds a mark and a key on their lines', () => {
    const file = write('a.js', `one\n// ${MARK}: two\nconst key = '${AWS_KEY}';\n`);
    const { findings } = inspectFile(file, false);
    expect(findings.map(({ kind, line }) => [kind, line])).toEqual([
      ['mark', 2],
      ['secret', 3],
    ]);
    expect(findings[0]?.text).toBe(`${MARK}: two`);
  });

  test('never repeats the secret itself', () => {
    const { findings } = inspectFile(write('a.js', AWS_KEY), false);
    expect(findings).toHaveLength(1);
    expect(JSON.stringify(findings)).not.toContain(AWS_KEY.slice(0, 8));
  });

  test('counts lines right over the borders of its chunks', () => {
    const filler = `${'x'.repeat(99)}\n`.repeat(7000);
    const { findings } = inspectFile(write('long.txt', `${filler}${MARK}\n`), false);
    expect(findings).toEqual([{ kind: 'mark', line: 7001, text: MARK }]);
  });

  test('takes a file with zero bytes for binary and does not look for text in it', () => {
    const file = write('a.bin', Buffer.concat([Buffer.alloc(4), Buffer.from(MARK)]));
    expect(inspectFile(file, true)).toMatchObject({ findings: [], binary: true });
  });

  test('tells a large file, and equal files by equal hashes', () => {
    const one = inspectFile(write('one', Buffer.alloc(LARGE_FILE_BYTES)), true);
    const two = inspectFile(write('two', Buffer.alloc(LARGE_FILE_BYTES)), true);
    expect(one.findings.map(({ kind }) => kind)).toEqual(['large']);
    expect(one.hash).toBe(two.hash);
  });

  test('refuses what cannot be read', () => {
    expect(() => inspectFile(join(root, 'none'), false)).toThrow(/ENOENT/);
    expect(() => inspectFile(root, false)).toThrow(/no longer a file/);
  });
});

describe('telling secrets from their placeholders', () => {
  test('lets a key of one repeated letter pass', () => {
    expect(findSecrets(`AK${'IA'}XXXXXXXXXXXXXXXX`)).toEqual([]);
  });

  test('knows long random text that is assigned to a telling name', () => {
    const found = findSecrets(`api_${'key'} = "q8Zt2LmX0vRb7YcN4sHw9KdJ"`);
    expect(found.map(({ shape }) => shape)).toEqual(['assigned-secret']);
    expect(findSecrets(`api_${'key'} = "aaaaaaaaaaaaaaaaaaaaaaaa"`)).toEqual([]);
  });
});

describe('walking a tree', () => {
  test('ends in spite of a loop of links, and counts the links', async () => {
    write('a/b/file.txt', 'one');
    symlinkSync(root, join(root, 'a/b/up'));
    symlinkSync(join(root, 'a'), join(root, 'a/b/side'));
    const tree = await walkTree(root);
    expect(tree).toMatchObject({ files: 1, links: 2, complete: true });
  });

  test('leaves out the directories it is told to', async () => {
    write('in/file', 'one');
    write('out/file', 'two');
    const tree = await walkTree(root, { exclude: [join(root, 'out')] });
    expect(tree.groups).toEqual([{ size: 3, paths: [join('in', 'file')] }]);
  });

  test('deals every file out once, and files of one size to one share', async () => {
    for (let n = 0; n < 60; n += 1) write(`f${n}`, 'x'.repeat(n % 7));
    const tree = await walkTree(root);
    const shares = dealShares(tree.groups, 3);
    const paths = shares.flatMap(({ groups }) => groups.flatMap((group) => group.paths));
    expect(new Set(paths).size).toBe(60);
    expect(paths).toHaveLength(60);
    const sizes = shares.flatMap(({ groups }) => groups.map((group) => group.size));
    expect(new Set(sizes).size).toBe(sizes.length);
  });
});
