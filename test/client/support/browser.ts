import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { launch } from 'puppeteer-core';
import { build } from 'vite';

export interface Bundle {
  readonly code: string;
  /** Modules that are in it. */
  readonly modules: readonly string[];
  readonly bytes: number;
  readonly gzipBytes: number;
}

const fromRoot = (path: string): string =>
  fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** One file of everything that an entry needs, minified, for a browser. */
export async function bundle(entry: string): Promise<Bundle> {
  const outDir = mkdtempSync(join(tmpdir(), 'millrace-bundle-'));
  const modules: string[] = [];
  await build({
    configFile: false,
    logLevel: 'error',
    root: fromRoot('.'),
    define: { 'process.env.NODE_ENV': '"production"' },
    resolve: {
      alias: {
        'millrace/client': fromRoot('dist/client.js'),
        'millrace/react': fromRoot('dist/react.js'),
      },
    },
    build: {
      outDir,
      emptyOutDir: true,
      lib: {
        entry: fromRoot(entry),
        formats: ['iife'],
        name: 'bundle',
        fileName: () => 'bundle.js',
      },
    },
    plugins: [
      {
        name: 'modules',
        moduleParsed: ({ id }) => {
          modules.push(id);
        },
      },
    ],
  });
  const code = await readFile(join(outDir, 'bundle.js'), 'utf8');
  rmSync(outDir, { recursive: true });
  const bytes = Buffer.byteLength(code);
  return { code, modules, bytes, gzipBytes: gzipSync(code).length };
}

/** Serves a page that runs this script. */
export async function servePage(script: string): Promise<{ url: string; server: Server }> {
  const html = '<!doctype html><div id="root"></div><script src="/page.js"></script>';
  const server = createServer(({ url }, response) => {
    const isScript = url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? script : html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server };
}

export function openBrowser(executablePath: string) {
  // In a container there is neither a sandbox for root nor much shared memory.
  return launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}
