import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { sqlitePackage } from '../../fuzz/sinks/sqlite.js';
import { outcomeOf, startServer } from '../cli/support/command.js';
import { neededCommand } from '../support/needed-command.js';
import { type Block, blocksOf, PROGRAMS_HANG_MS, ROOT } from './samples.js';

/**
 * The blocks of docs/CONSUMERS.md that are no whole programs, each run as it stands with what the page's reader has: a bus,
 * a database, functions of his own. `consumers.test.ts` runs the programs.
 */

const PAGE = 'docs/CONSUMERS.md';
const SERVER = 'http://127.0.0.1:7400';
const HANGS_MS = 60_000;

/** By what stands in the block alone, how it is run; `undefined`: it needs a place in the world, and others test its sink. */
const CHECKS: readonly (readonly [mark: string, check: string | undefined])[] = [
  ["bus.consumer('mailer', { filter", 'opened'],
  ['attachBus(', 'worker'],
  ['of mailer.deliveries(', 'members'],
  ['mailer.pull(', 'members'],
  ['delivery.ackAndPublish(', 'pipeline'],
  ['build(delivery.event', 'members'],
  ["url: 'https://acme.example", undefined],
  ['new Webhook(', undefined],
  ['endpointOf(', undefined],
  ['audit({', undefined],
  ['forward({', undefined],
  ['prepare(\n        `INSERT INTO balances', 'readModel'],
  ['pool.connect()', undefined],
  ['prepareOutbox(db)', 'outbox'],
  ["bus.schedules.set('nightly'", 'schedule'],
  ["bus.cancel('expiry-17')", 'cancelled'],
];

const app = mkdtempSync(join(tmpdir(), 'millrace-blocks-'));
afterAll(() => rmSync(app, { recursive: true, force: true }));
const modules = join(app, 'node_modules');
mkdirSync(modules);
symlinkSync(ROOT, join(modules, 'millrace'), 'dir');
symlinkSync(join(ROOT, 'node_modules', sqlitePackage), join(modules, 'better-sqlite3'), 'dir');
writeFileSync(join(app, 'package.json'), JSON.stringify({ type: 'module' }));
// A copy, since a module finds its packages beside itself.
const runner = join(app, 'run-block.js');
copyFileSync(join(ROOT, 'test/docs/support/run-block.js'), runner);

const blocks = blocksOf(PAGE, 'js').filter(({ text }) => !text.includes(SERVER));
const checksOf = ({ text }: Block) => CHECKS.filter(([mark]) => text.includes(mark));

it('knows every block of the page', () => {
  for (const block of blocks) expect(checksOf(block), `line ${block.line}`).toHaveLength(1);
  for (const [mark] of CHECKS) {
    expect(
      blocks.filter(({ text }) => text.includes(mark)),
      mark,
    ).toHaveLength(1);
  }
});

it.each(
  blocks.flatMap((block) => {
    const check = checksOf(block)[0]?.[1];
    return check === undefined ? [] : [{ line: block.line, text: block.text, check }];
  }),
)(
  'the block at line $line does what it says',
  { timeout: HANGS_MS },
  async ({ line, text, check }) => {
    const file = join(app, `block-${line}.js`);
    writeFileSync(file, text);
    const child = spawn(process.execPath, [runner, file, check], { cwd: app });
    const timer = setTimeout(() => child.kill('SIGKILL'), HANGS_MS - 5000);
    const { code, stderr } = await outcomeOf(child);
    clearTimeout(timer);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  },
);

const curl = neededCommand('curl', 'a queue that is worked by curl alone');
const scripts = blocksOf(PAGE, 'sh').filter(({ text }) => text.includes('curl'));

it.runIf(curl !== undefined)(
  'has a shell script that works a queue with curl alone',
  { timeout: PROGRAMS_HANG_MS },
  async () => {
    expect(scripts).toHaveLength(1);
    const server = await startServer();
    const child = spawn('/bin/sh', ['-e'], { cwd: app });
    child.stdin.end(scripts[0]!.text.replaceAll(SERVER, server.url));
    const { code, stdout, stderr } = await outcomeOf(child);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe('resized cat.png\nno image: given up\n');
    const shown = await server.run(['consumers', 'show', 'thumbnails', '--json']);
    expect(JSON.parse(shown.stdout)).toMatchObject({ acked: 1, dead: 1, pending: 0, inFlight: 0 });
  },
);
