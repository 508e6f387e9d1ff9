import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/** What is in the tarball. How it behaves once installed is shown by `npm run test:package`. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const manifest = JSON.parse(read('package.json'));
const files = new Set(packedFiles());

function packedFiles(): string[] {
  const args = ['pack', '--dry-run', '--ignore-scripts', '--json'];
  const options = { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 26 } as const;
  const [packed] = JSON.parse(execFileSync('npm', args, { ...options, stdio: 'pipe' }));
  return packed.files.map(({ path }: { path: string }) => path);
}

/** Every path that an `exports`, `imports` or `bin` names. */
function targets(value: unknown): string[] {
  if (typeof value === 'string') return [posix.normalize(value)];
  return Object.values(value as object).flatMap(targets);
}

describe('the package', () => {
  it('has what its entries name', () => {
    const named = [manifest.exports, manifest.imports, manifest.bin].flatMap(targets);
    expect(named.filter((file) => !files.has(file))).toEqual([]);
  });

  it('is built before it is packed, without what was built before', () => {
    expect(manifest.scripts.prepack).toMatch(/rmSync\('dist'.*npm run build/);
  });

  it('has the sources that its maps point to', () => {
    const maps = [...files].filter((file) => file.endsWith('.js.map'));
    expect(maps.length).toBeGreaterThan(0);
    const lost = maps.filter((file) => {
      const { sources } = JSON.parse(read(file)) as { sources: string[] };
      return sources.some((source) => !files.has(posix.join(dirname(file), source)));
    });
    expect(lost).toEqual([]);
  });

  it('has every page that the README links to', () => {
    const links = [...read('README.md').matchAll(/\]\(([^)\s#:]+)(?:#[^)]*)?\)/g)];
    const pages = links.map(([, target]) => target!);
    expect(pages).toContain('docs/INSTALL.md');
    const isThere = (page: string) =>
      files.has(page) || [...files].some((file) => file.startsWith(`${page}/`));
    expect(pages.filter((page) => !isThere(page))).toEqual([]);
  });

  it('keeps the hooks by which suites hurt a bus to itself', async () => {
    const { busHooks } = await import('../../src/main/test-hooks.js');
    expect(busHooks).toBeTypeOf('function');
    expect(files).toContain('dist/main/test-hooks.js');
    const resolve = createRequire(join(ROOT, 'package.json')).resolve;
    expect(resolve('millrace')).toBe(join(ROOT, 'dist/index.js'));
    const hooks = () => resolve('millrace/dist/main/test-hooks.js');
    expect(hooks).toThrow(expect.objectContaining({ code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' }));
    const offered = Object.keys(await import('../../src/index.js'));
    expect(offered.filter((name) => /hooks|kill|crash|hurt/i.test(name))).toEqual([]);
  });

  it('has no tests, benches or data in it', () => {
    const kinds = new Set([...files].map((file) => file.split('/')[0]));
    expect([...kinds].sort()).toEqual(
      [
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'bench',
        'dist',
        'docs',
        'examples',
        'package.json',
        'src',
      ].sort(),
    );
    expect([...files].filter((file) => file.startsWith('bench/'))).toEqual(['bench/LOG.md']);
  });

  it('marks the hooks as code of the client, for frameworks that render on a server', () => {
    expect(read('dist/react.js')).toMatch(/^'use client';\n/);
    expect(read('dist/react.js')).not.toContain('export *');
  });

  it('says where it lives, and has a version that the changelog knows', () => {
    const { repository, homepage, bugs, version } = manifest;
    expect(homepage.startsWith(repository.url.replace(/^git\+|\.git$/g, ''))).toBe(true);
    expect(bugs.url.startsWith('https://')).toBe(true);
    const [newest] = /^## (?!Unreleased).*$|^### .*$/m.exec(read('CHANGELOG.md'))!;
    expect(newest).toContain(version);
    const lock = JSON.parse(read('package-lock.json'));
    expect([lock.version, lock.packages[''].version]).toEqual([version, version]);
  });

  it('needs SQLite of nobody who only has a client', () => {
    expect(Object.keys(manifest.dependencies)).not.toContain('better-sqlite3');
    expect(manifest.optionalDependencies['better-sqlite3-13']).toMatch(/^npm:better-sqlite3@\^13/);
    expect(manifest.peerDependenciesMeta['better-sqlite3']).toEqual({ optional: true });
    expect(existsSync(join(ROOT, 'docs/INSTALL.md'))).toBe(true);
  });
});
