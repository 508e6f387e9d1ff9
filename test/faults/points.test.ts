import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packed } from '../../fuzz/checker/pack.js';
import { pointInto, points } from '../../fuzz/faults/parts/points.js';

/** The points at which parts die: each patch still finds its one place in the build. */
const built = fileURLToPath(new URL('../../dist', import.meta.url));
let folder: string;
let dist: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-points-'));
  dist = pointInto(built, join(folder, 'pointed'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the points of death', () => {
  it.each(Object.keys(points))('%s lies once in the build', (name) => {
    const { file } = points[name]!;
    expect(existsSync(join(built, file))).toBe(true);
    const text = readFileSync(join(dist, file), 'utf8');
    expect(text.split(`globalThis.__point?.('${name}');`)).toHaveLength(2);
    expect(readFileSync(join(built, file), 'utf8')).not.toContain('__point');
  });

  it('lie in the threads too where those are packed', () => {
    const folder = join(packed(dist), 'packed');
    const inThread = Object.keys(points).filter((name) => !/^(endpoint|handler)\./.test(name));
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    const texts = files.filter((file) => file.endsWith('.js'));
    const all = texts.map((file) => readFileSync(join(folder, file), 'utf8')).join();
    for (const name of inThread) expect(all).toContain(`globalThis.__point?.("${name}");`);
  });

  it('lie in every part that dies', () => {
    const parts = new Set(Object.keys(points).map((name) => name.split('.')[0]));
    expect([...parts].sort()).toEqual(['endpoint', 'gateway', 'handler', 'reader', 'shard']);
  });
});
