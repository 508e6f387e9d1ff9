import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/**
 * Packs what each thread of a bus loads into few files, in `dist/packed`: a thread that has to find, read and link two
 * hundred modules takes three times as long to begin. The modules stay where they are, for whoever imports them by
 * themselves; without `dist/packed` threads load those.
 */

/** @param {string} path */
const fromRoot = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** A copy of the build may be packed in its place. */
const BUILT = process.env.MILLRACE_DIST ?? fromRoot('dist');

/** What is started, or imported within a thread, by its URL. See `src/threads/packed.ts`. */
const ENTRIES = [
  'archive/archive-history',
  'archive/archiver-thread',
  'gateway/gateway-thread',
  'readers/reader-thread',
  'relay/relay-thread',
  'shards/shard-thread',
  'store/desk/desk-io-thread',
  'store/desk/open-desk-log',
  'store/nats/consumers/nats-consumers',
  'store/nats/nats-history',
  'store/nats/nats-shard-log',
  'store/redis/consumers/redis-consumers',
  'store/redis/redis-history',
  'store/redis/redis-shard-log',
  'store/sqlite/open-shard-log',
  'store/sqlite/reading/open-history',
  'store/upkeep/backup-thread',
];

export default defineConfig({
  root: BUILT,
  publicDir: false,
  logLevel: 'warn',
  ssr: { external: true, noExternal: [] },
  build: {
    ssr: true,
    outDir: `${BUILT}/packed.new`,
    emptyOutDir: true,
    sourcemap: true,
    target: 'node20',
    minify: false,
    rolldownOptions: {
      input: Object.fromEntries(ENTRIES.map((name) => [name, `${BUILT}/${name}.js`])),
      output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name].js' },
      checks: { pluginTimings: false },
    },
  },
  plugins: [mapped(), atHome(), inOneGo()],
});

/**
 * Puts the packed modules in their place when all of them are there: a bus that runs from this build may start a thread at
 * any time.
 * @returns {import('vite').Plugin}
 */
function inOneGo() {
  return {
    name: 'in-one-go',
    writeBundle() {
      // A thread that starts between the two loads the modules themselves.
      if (existsSync(`${BUILT}/packed`)) renameSync(`${BUILT}/packed`, `${BUILT}/packed.old`);
      renameSync(`${BUILT}/packed.new`, `${BUILT}/packed`);
      rmSync(`${BUILT}/packed.old`, { recursive: true, force: true });
    },
  };
}

/**
 * Hands the compiler's map of each module on, so that the packed code knows its lines in `src`.
 * @returns {import('vite').Plugin}
 */
function mapped() {
  return {
    name: 'mapped',
    load(id) {
      if (!existsSync(`${id}.map`)) return undefined;
      return { code: readFileSync(id, 'utf8'), map: JSON.parse(readFileSync(`${id}.map`, 'utf8')) };
    },
  };
}

/**
 * Lets a packed module find the files beside it where they were.
 * @returns {import('vite').Plugin}
 */
function atHome() {
  return {
    name: 'at-home',
    transform(code, id) {
      if (/import\.meta\.(?!url\b)/.test(code)) throw new Error(`${id} knows more than its URL`);
      if (!code.includes('import.meta.url')) return undefined;
      const home = JSON.stringify(`dist/${relative(BUILT, id)}`);
      return { code: code.replaceAll('import.meta.url', `__homeOf(${home})`), map: null };
    },
    renderChunk(code, { fileName }) {
      if (!code.includes('__homeOf(')) return undefined;
      const up = '../'.repeat(fileName.split('/').length + 1);
      const start = `const __homeOf = (path) => new URL(${JSON.stringify(up)} + path, import.meta.url).href; `;
      // On the first line, so that no line moves.
      return { code: start + code, map: null };
    },
  };
}
