import { generateKeyPairSync } from 'node:crypto';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeLine } from '../../../src/sinks/audit/line.js';
import { hmacSeal, publicKeyCheck, signingSeal } from '../../../src/sinks/audit/seal.js';
import { type VerifyOptions, verifyTrail } from '../../../src/sinks/audit/verify.js';
import { removeDirectory, temporaryDirectory } from '../../bus/support/open.js';
import { pathsOf, writeTrail } from './support/trails.js';

const EVENTS = 24;
const KEY = 'a key of more than sixteen bytes';

/** The lines of each file of one trail, which every test damages in its own way. */
let files: string[][];
let sealed: string[][];

const linesIn = async (dir: string): Promise<string[][]> =>
  (await pathsOf(dir)).map((path) => readFileSync(path, 'utf8').trimEnd().split('\n'));

beforeAll(async () => {
  const [plain, withKey] = [temporaryDirectory(), temporaryDirectory()];
  await writeTrail(plain, EVENTS);
  await writeTrail(withKey, EVENTS, 3, { seal: hmacSeal(KEY) });
  files = await linesIn(plain);
  sealed = await linesIn(withKey);
});

const textOf = (lines: readonly string[]): Buffer =>
  Buffer.from(lines.map((line) => `${line}\n`).join(''));

async function verified(contents: readonly Buffer[], options: VerifyOptions = {}) {
  const dir = temporaryDirectory();
  contents.forEach((content, index) => {
    writeFileSync(join(dir, `audit-${String(index + 1).padStart(6, '0')}.ndjson`), content);
  });
  try {
    return await verifyTrail(await pathsOf(dir), options);
  } finally {
    removeDirectory(dir);
  }
}

const allOf = (trail: readonly (readonly string[])[]): Buffer[] => trail.map(textOf);

/** The trail with its lines rearranged, each in the file where it stands then. */
function rearranged(change: (lines: string[]) => void, trail = files): Buffer[] {
  const lines = trail.flat();
  const heads = trail.slice(1).map(([head]) => head!);
  change(lines);
  const made: string[][] = [[]];
  for (const line of lines) {
    if (heads.includes(line) && made.at(-1)!.length > 0) made.push([]);
    made.at(-1)!.push(line);
  }
  return made.map(textOf);
}

const lineAt = (most: number) => fc.integer({ min: 0, max: most });

describe('a trail', () => {
  it('is right as it was written, over several files', async () => {
    const report = await verified(allOf(files));
    expect(files.length).toBeGreaterThan(3);
    expect(report).toMatchObject({
      files: files.length,
      firstLine: 1,
      lastLine: EVENTS + files.length,
      events: EVENTS,
      repairs: 0,
      seals: 'none',
    });
    expect(report.fault).toBeUndefined();
  });

  it('shows every bit that was turned', async () => {
    const contents = allOf(files);
    const sizes = contents.map(({ length }) => length);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: total - 1 }),
        fc.integer({ min: 0, max: 7 }),
        async (place, bit) => {
          const copies = contents.map((content) => Buffer.from(content));
          let at = place;
          const file = sizes.findIndex((size) => {
            if (at < size) return true;
            at -= size;
            return false;
          });
          copies[file]![at]! ^= 1 << bit;
          const { fault } = await verified(copies);
          expect(fault).toBeDefined();
        },
      ),
      { numRuns: 400 },
    );
  });

  it('shows every line that was removed, except at its end', async () => {
    const last = files.flat().length - 1;
    await fc.assert(
      fc.asyncProperty(lineAt(last - 1), fc.integer({ min: 1, max: 3 }), async (at, count) => {
        fc.pre(at + count <= last);
        const { fault } = await verified(rearranged((lines) => lines.splice(at, count)));
        expect(fault).toBeDefined();
        if (at > 0) expect(['removed', 'file']).toContain(fault!.kind);
        if (fault!.kind === 'removed') expect(fault!.line).toBe(at + 1);
      }),
      { numRuns: 60 },
    );
  });

  it('shows lines that have changed places, and a line that is there twice', async () => {
    const last = files.flat().length - 1;
    await fc.assert(
      fc.asyncProperty(lineAt(last), lineAt(last), fc.boolean(), async (a, b, isCopy) => {
        fc.pre(a !== b);
        const contents = rearranged((lines) => {
          if (isCopy) lines.splice(b, 0, lines[a]!);
          else [lines[a], lines[b]] = [lines[b]!, lines[a]!];
        });
        // A copy behind the last line of its own is found as well.
        expect((await verified(contents)).fault).toBeDefined();
      }),
      { numRuns: 120 },
    );
  });

  it('says what is wrong with its first wrong line', async () => {
    const [first] = files as [string[], ...string[][]];
    const other = files.slice(1).map(textOf);
    const faultOf = async (lines: readonly string[]) =>
      (await verified([textOf(lines), ...other])).fault;
    const [head, a, b, c, ...rest] = first as [string, string, string, string, ...string[]];
    expect(await faultOf([head, a.replace('id-1', 'id-9'), b, c, ...rest])).toMatchObject({
      kind: 'changed',
      line: 2,
      row: 2,
      message: 'line 2 (audit-000001.ndjson, row 2) was changed: it does not have its hash',
    });
    expect(await faultOf([head, a, c, ...rest])).toMatchObject({
      kind: 'removed',
      line: 3,
      message: 'line 3 (audit-000001.ndjson, row 3) was removed: line 3 is missing here',
    });
    expect(await faultOf([head, a, c, b, ...rest])).toMatchObject({ kind: 'reordered', line: 3 });
    expect(await faultOf([head, a, a, b, c, ...rest])).toMatchObject({ kind: 'inserted', line: 3 });
    expect(await faultOf([head, a, '{"x":1}', b, c, ...rest])).toMatchObject({
      kind: 'inserted',
      line: 3,
    });
    const made = makeLine(JSON.parse(b), '2026-01-01T00:00:00.000Z', '"event":{}', undefined);
    expect(await faultOf([head, a, made.text, c, ...rest])).toMatchObject({
      kind: 'replaced',
      line: 3,
      row: 3,
    });
    expect((await verified([textOf(first).subarray(0, -9)])).fault).toMatchObject({ kind: 'torn' });
    expect((await verified([textOf(first), Buffer.alloc(0)])).fault).toMatchObject({
      kind: 'file',
    });
    const without = files.filter((_, index) => index !== 1);
    expect((await verified(allOf(without))).fault).toMatchObject({ kind: 'removed' });
  });

  it('may begin at a later file, and says so', async () => {
    const report = await verified(allOf(files.slice(2)));
    expect(report.fault).toBeUndefined();
    expect(report.firstLine).toBe(files[0]!.length + files[1]!.length + 1);
  });

  it('that lost its end is right in itself, and does not have the anchor', async () => {
    const { head, lastLine } = await verified(allOf(files));
    const cut = rearranged((lines) => lines.splice(-2));
    expect((await verified(cut)).fault).toBeUndefined();
    expect((await verified(cut, { expectHead: head })).fault).toMatchObject({
      kind: 'truncated',
      line: lastLine - 1,
    });
    const { head: earlier } = await verified(cut);
    const grown = await verified(allOf(files), { expectHead: earlier });
    expect([grown.fault, grown.anchorLine]).toEqual([undefined, lastLine - 2]);
  });

  it('that was written anew as a whole is right in itself, and lacks the seals', async () => {
    const forged = files.map((lines) => [...lines]);
    let previous = '0'.repeat(64);
    for (const lines of forged) {
      for (const [index, line] of lines.entries()) {
        const body = `"${line.includes('"file":{') ? 'file' : 'event'}":`;
        const from = line.indexOf(body);
        const text = line.slice(from, line.lastIndexOf(',"hash"')).replace('id-5', 'id-x');
        const made = makeLine({ line: JSON.parse(line).line, previous }, 'T', text, undefined);
        lines[index] = made.text;
        previous = made.hash;
      }
    }
    expect((await verified(allOf(forged))).fault).toBeUndefined();
    const keys = [hmacSeal(KEY)];
    expect((await verified(allOf(forged), { keys })).fault).toMatchObject({
      kind: 'seal',
      line: 1,
    });
  });
});

describe('a sealed trail', () => {
  it('is checked with its key, and in part without', async () => {
    const keys = [hmacSeal(KEY)];
    expect(await verified(allOf(sealed), { keys })).toMatchObject({ seals: 'right' });
    expect(await verified(allOf(sealed))).toMatchObject({ seals: 'unchecked' });
    const other = await verified(allOf(sealed), { keys: [hmacSeal('another key of 16 bytes')] });
    expect(other.fault).toMatchObject({ kind: 'seal', line: 1 });
  });

  it('shows a line that was made without the key', async () => {
    const [head, a, b] = sealed[0] as [string, string, string];
    const forger = { ...hmacSeal('the key of a forger'), id: hmacSeal(KEY).id };
    const made = makeLine(JSON.parse(a), 'T', '"event":{"id":"forged"}', forger);
    const follower = makeLine({ line: 3, previous: made.hash }, 'T', '"event":{}', forger);
    const contents = [textOf([head, made.text, follower.text])];
    expect((await verified(contents)).fault).toBeUndefined();
    const { fault } = await verified(contents, { keys: [hmacSeal(KEY)] });
    expect(fault).toMatchObject({ kind: 'seal', line: 2 });
    expect(b).toContain('"seal":"');
  });

  it('may be signed, and goes on under another key in a file of its own', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519', {
      privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
      publicKeyEncoding: { format: 'pem', type: 'spki' },
    });
    const dir = temporaryDirectory();
    const copy = temporaryDirectory();
    await writeTrail(dir, 3, 3, { seal: signingSeal(privateKey), rotateBytes: 10_000_000 });
    cpSync(dir, copy, { recursive: true });
    const signed = [publicKeyCheck(publicKey)];
    expect(await verifyTrail(await pathsOf(copy), { keys: signed })).toMatchObject({
      seals: 'right',
      events: 3,
    });
    await writeTrail(dir, 6, 3, { seal: hmacSeal(KEY), rotateBytes: 10_000_000 });
    const paths = await pathsOf(dir);
    expect(paths).toHaveLength(2);
    const both = await verifyTrail(paths, { keys: [...signed, hmacSeal(KEY)] });
    expect(both).toMatchObject({ events: 6, seals: 'right' });
    expect(both.fault).toBeUndefined();
    const { fault } = await verifyTrail(paths, { keys: signed });
    expect(fault?.message).toMatch(/is sealed with hmac-[0-9a-f]{16}, whose key was not given/);
    rmSync(copy, { recursive: true });
  });
});
