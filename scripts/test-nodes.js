/**
 * Runs the suites on other versions of Node: `npm run test:nodes [-- [--part] [VERSION…] [-- vitest's arguments]]`. A
 * version is a major such as 24; default: every supported one but the version that runs this. The npm package `node`
 * has the binaries; they are kept in a folder of the user's, outside of the project. Each version gets its own copy of
 * the project, installed by `npm ci`.
 *
 * `--part` runs the suites that depend most on Node: SQLite, threads, shared memory, sockets, the built package.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { nodeBinary } from './node-binary.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SUPPORTED = ['20', '22', '24', '26'];
const PART = [
  'test/store',
  'test/ring',
  'test/threads',
  'test/bus/workers',
  'test/bus/kill-9',
  'test/bus/lifecycle',
  'test/shards/supervision',
  'test/gateway/websocket/session',
  'test/gateway/tls',
  'test/gateway/mounted',
  'test/client/client',
];
/** From this version on SQLite comes as a binary, and no script has to run at installation. */
const PREBUILT_FROM = 22;

const [ownArguments, vitestArguments] = split(process.argv.slice(2));
const isPart = ownArguments.includes('--part');
const named = ownArguments.filter((argument) => argument !== '--part');
const ownMajor = process.versions.node.split('.')[0];
const versions = named.length > 0 ? named : SUPPORTED.filter((major) => major !== ownMajor);

const results = [];
for (const version of versions) results.push({ version, ...(await testOn(version)) });
console.log('\nThe suites on each Node:');
for (const { version, node, outcome } of results)
  console.log(`  ${node ?? `v${version}`}  ${outcome}`);
process.exitCode = results.every(({ isGood }) => isGood) ? 0 : 1;

function split(given) {
  const at = given.indexOf('--');
  return at < 0 ? [given, []] : [given.slice(0, at), given.slice(at + 1)];
}

async function testOn(version) {
  const binary = nodeBinary(version);
  const env = { ...process.env, PATH: [dirname(binary), process.env.PATH].join(delimiter) };
  const folder = mkdtempSync(join(tmpdir(), `millrace-node-${version}-`));
  const node = spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout.trim();
  console.log(`\n== ${node}, in ${folder}`);
  try {
    copyProject(folder);
    const scripts = Number(version) >= PREBUILT_FROM ? ['--ignore-scripts'] : [];
    const part = isPart ? PART : [];
    for (const [command, ...args] of [
      ['npm', 'ci', ...scripts],
      ['npm', 'run', '--silent', 'build'],
      ['npx', 'vitest', 'run', ...part, ...vitestArguments],
    ]) {
      const { status, counts } = await run(command, args, { cwd: folder, env });
      if (status !== 0)
        return { node, isGood: false, outcome: counts ?? `failed: ${command} ${args[0]}` };
      if (counts !== undefined) return { node, isGood: true, outcome: counts };
    }
    return { node, isGood: false, outcome: 'no tests were run' };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Shows the command's output as it comes, and picks out the suite's own line of counts. */
async function run(command, args, options) {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  let counts;
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(line);
    if (line.startsWith('Tests: ')) counts = line;
  }
  const [status] = await exit;
  return { status, counts };
}

/** Copies the files that git tracks or would add, in their present state. */
function copyProject(folder) {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const { stdout } = spawnSync('git', list, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 26 });
  for (const file of stdout.split('\0').filter((name) => existsSync(join(ROOT, name)))) {
    if (file !== '') cpSync(join(ROOT, file), join(folder, file));
  }
}
