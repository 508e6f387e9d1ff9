/**
 * Packs the project as `npm publish` would, installs the tarball into a separate app (test/package/app), and uses it
 * there as people do: `npm run test:package [-- VERSION…]`. The present Node runs all checks; each named major version
 * only checks that a fresh project can install the package and run a bus.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeBinary } from './node-binary.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const APP = join(ROOT, 'test', 'package', 'app');
const OWN_SQLITE = join(ROOT, 'node_modules', 'better-sqlite3');
const QUIET = ['--no-audit', '--no-fund', '--loglevel=error'];
const SERVED = /^server synced 1 2$/m;

const work = mkdtempSync(join(tmpdir(), 'millrace-package-'));
let failures = 0;
try {
  const tarball = pack();
  const here = install('here', process.execPath, tarball, []);
  everything(here, tarball);
  const alone = install('client-only', process.execPath, tarball, [
    '--omit=optional',
    '--omit=dev',
  ]);
  clientAlone(alone);
  for (const version of process.argv.slice(2)) {
    const app = install(`node-${version}`, nodeBinary(version), tarball, ['--omit=dev']);
    serve(app, '');
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(failures === 0 ? 'The package is good.' : `${failures} checks have failed.`);
process.exitCode = failures === 0 ? 0 : 1;

function pack() {
  // `pretest:package` has built already; `prepack` would remove `dist` under other processes that use it.
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', work];
  const { stdout } = spawnSync('npm', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 26 });
  const [{ filename, size }] = JSON.parse(stdout);
  console.log(`${filename}: ${Math.round(size / 1024)} KiB`);
  return join(work, filename);
}

/** Makes a fresh copy of the app and installs the tarball there. */
function install(name, node, tarball, flags) {
  const folder = join(work, name);
  cpSync(APP, folder, { recursive: true });
  const env = { ...process.env, PATH: [dirname(node), process.env.PATH].join(delimiter) };
  const app = {
    folder,
    env,
    name: spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim(),
  };
  check(app, `installs (${name})`, ['npm', 'install', ...QUIET, ...flags, tarball], /./);
  if (needsOwnSqlite(node) && !flags.includes('--omit=optional')) {
    symlinkSync(OWN_SQLITE, join(folder, 'node_modules', 'better-sqlite3'), 'dir');
  }
  return app;
}

/** Before Node-API 10 an app needs its own `better-sqlite3` 12; here it gets the one that this project has built. */
function needsOwnSqlite(node) {
  const { stdout } = spawnSync(node, ['-p', 'process.versions.napi'], { encoding: 'utf8' });
  return Number(stdout) < 10;
}

function everything(app, tarball) {
  serve(app, '');
  check(app, 'publint', ['npx', 'publint', '--strict', tarball], /All good/);
  // On every supported Node CommonJS can require an ES module, which `attw` does not know.
  check(app, 'attw', ['npx', 'attw', tarball, '--profile', 'esm-only'], /bundler/);
  for (const [module, resolution, file] of [
    ['node16', 'node16', 'types/app.mts'],
    ['nodenext', 'nodenext', 'types/app.mts'],
    ['nodenext', 'nodenext', 'types/app.cts'],
    ['esnext', 'bundler', 'types/app.mts'],
  ]) {
    for (const lib of ['ES2023', 'ES2023,DOM']) types(app, module, resolution, file, lib);
  }
  const browser = ['browser.jsx', '--bundle', '--outfile=out/esbuild.js'];
  check(app, 'esbuild, for a browser', ['npx', 'esbuild', ...browser, '--log-level=warning'], /^$/);
  const server = [
    'server.js',
    '--bundle',
    '--platform=node',
    '--format=esm',
    '--external:millrace',
  ];
  const bundled = [...server, '--outfile=out/esbuild.mjs', '--log-level=warning'];
  check(app, 'esbuild, for a server', ['npx', 'esbuild', ...bundled], /^$/);
  check(app, 'and it runs', ['node', 'out/esbuild.mjs', 'data/esbuild'], SERVED);
  check(app, 'webpack', ['npx', 'webpack', '--config', 'webpack.config.cjs'], /compiled/);
  check(app, 'and it runs', ['node', 'out/webpack-server.mjs', 'data/webpack'], SERVED);
  check(app, 'Vite, for a browser', ['npx', 'vite', 'build', '--outDir', 'out/vite'], /built in/);
  const ssr = ['build', '--ssr', 'server.js', '--outDir', 'out/ssr'];
  check(app, 'Vite, for a server', ['npx', 'vite', ...ssr], /built in/);
  check(app, 'and it runs', ['node', 'out/ssr/server.js', 'data/vite'], SERVED);
  for (const file of ['out/esbuild.js', 'out/webpack-browser.js']) noNode(app, file);
  const jest = { ...app, env: { ...app.env, NODE_OPTIONS: '--experimental-vm-modules' } };
  check(jest, 'Jest', ['npx', 'jest'], /Tests: +1 passed/);
  for (const runtime of ['bun', 'deno run -A']) {
    const isServed = new RegExp(`^${runtime}: 0 client synced 1$`, 'm');
    check(app, `a client in ${runtime}`, ['node', 'runtimes.js', runtime], isServed);
  }
}

function types(app, module, resolution, file, lib) {
  const flags = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    'false',
    '--target',
    'es2022',
    '--types',
    'node',
  ];
  const kind = ['--module', module, '--moduleResolution', resolution, '--lib', lib];
  check(
    app,
    `types: ${resolution}, ${file}, ${lib}`,
    ['npx', 'tsc', ...flags, ...kind, file],
    /^$/,
  );
}

function serve(app, suffix) {
  check(app, 'a bus, from an ES module', ['node', 'server.js', `data/esm${suffix}`], SERVED);
  check(
    app,
    'a bus, from CommonJS',
    ['node', 'server.cjs', `data/cjs${suffix}`],
    /^cjs synced true$/m,
  );
}

function clientAlone(app) {
  const script =
    "import('millrace/client').then(({ connect }) => connect('http://127.0.0.1:1').close())";
  check(app, 'a client, without SQLite', ['node', '-e', script], /^$/);
  const sinks = "import('millrace/sinks').then(({ BusError }) => new BusError('TIMEOUT', ''))";
  check(app, 'sinks, without SQLite', ['node', '-e', sinks], /^$/);
  const bus = ['node', 'server.js', 'data/none'];
  check(app, 'and a bus says what it lacks', bus, /SQLITE_MISSING/, 1);
  const has = ['better-sqlite3', 'better-sqlite3-13'].filter((name) =>
    existsSync(join(app.folder, 'node_modules', name)),
  );
  report(app, 'no SQLite was installed', has.length === 0, has.join());
}

/** Checks that a bundle for browsers contains nothing of Node. */
function noNode(app, file) {
  const found = /["']node:\w+["']|better-sqlite3/.exec(
    readFileSync(join(app.folder, file), 'utf8'),
  );
  report(app, `${file} is without Node`, found === null, String(found));
}

/** @param {string[]} line the command and its arguments */
function check(app, what, line, expected, status = 0) {
  const [command, ...args] = line;
  const { folder: cwd, env } = app;
  /** @type {import('node:child_process').SpawnSyncOptionsWithStringEncoding} */
  const options = {
    cwd,
    env: { ...env, NO_COLOR: '1', FORCE_COLOR: '0' },
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  };
  const run = spawnSync(command, args, options);
  const said = `${run.stdout}${run.stderr}`;
  const isSilent = expected.source === '^$';
  const isGood = run.status === status && (isSilent ? run.stdout === '' : expected.test(said));
  report(app, what, isGood, said);
}

function report({ name }, what, isGood, said) {
  console.log(`  ${isGood ? 'ok  ' : 'FAIL'}  ${name}  ${what}`);
  if (isGood) return;
  failures++;
  console.log(said);
}
