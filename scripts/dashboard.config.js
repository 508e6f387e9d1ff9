import { readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { defineConfig } from 'vite';

/**
 * Builds the dashboard into `dist/dashboard`: one HTML file, and assets whose names hold a hash of their content. Every
 * path is relative, so that the page works under any path prefix.
 */

/** @param {string} path */
const fromRoot = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const OUT = fromRoot('dist/dashboard');

export default defineConfig({
  root: fromRoot('src/dashboard'),
  base: './',
  publicDir: false,
  logLevel: 'warn',
  resolve: { alias: { 'millrace/client': fromRoot('dist/client.js') } },
  build: {
    outDir: OUT,
    emptyOutDir: true,
    // The style sheet uses `light-dark()`, which these were the first to have.
    target: ['chrome123', 'edge123', 'firefox120', 'safari17.5'],
    modulePreload: { polyfill: false },
    // The policy of the page allows no `data:` but for images.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    // A busy machine is no fault of the build.
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  plugins: [precompressed()],
});

/**
 * Writes each file once more with Brotli and with gzip, as the gateway sends them.
 * @returns {import('vite').Plugin}
 */
function precompressed() {
  return {
    name: 'precompressed',
    apply: 'build',
    async closeBundle() {
      const entries = await readdir(OUT, { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile());
      await Promise.all(files.map(({ parentPath, name }) => compress(`${parentPath}/${name}`)));
    },
  };
}

/** @param {string} path */
async function compress(path) {
  const content = await readFile(path);
  const params = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
  await Promise.all([
    writeFile(`${path}.br`, await promisify(brotliCompress)(content, { params })),
    writeFile(`${path}.gz`, await promisify(gzip)(content, { level: 9 })),
  ]);
}
