import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startServer } from '../cli/support/command.js';

const DEMO = fileURLToPath(new URL('../../examples/scan/demo.js', import.meta.url));
// Put together here, so that no scanner takes this file for a leak.
const AWS_KEY = `AK${'IA'}Q7RTZ5MX2KLJ3PWE`;
const MARK = `FIX${'ME'}`;

interface Totals {
  events: number;
  fingerprint: number;
  types: Record<string, number>;
  topics: Record<string, number>;
}

interface Result {
  crashes: number;
  repeats: number;
  live: Totals;
  replayed: Totals;
  agree: boolean;
  wrong: string[];
}

let root = '';
const children: ChildProcess[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-demo-test-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

/** Each file has a mark and is of a size of its own, so any worker finds something in any file. */
function growTree(files: number): string {
  const tree = join(root, 'tree');
  mkdirSync(join(tree, 'deep/er'), { recursive: true });
  for (let n = 0; n < files; n += 1) {
    writeFileSync(join(tree, `file-${n}.js`), `// ${MARK} ${'x'.repeat(n)}\n`);
  }
  writeFileSync(join(tree, 'deep/key.txt'), `${AWS_KEY}\n`);
  writeFileSync(join(tree, 'deep/one.bin'), Buffer.alloc(2 ** 20));
  writeFileSync(join(tree, 'deep/er/two.bin'), Buffer.alloc(2 ** 20));
  writeFileSync(join(tree, 'empty'), '');
  writeFileSync(join(tree, 'locked'), 'secret');
  chmodSync(join(tree, 'locked'), 0o000);
  symlinkSync(tree, join(tree, 'deep/er/up'));
  return tree;
}

interface Run {
  readonly child: ChildProcess;
  readonly output: { stdout: string; stderr: string };
  readonly exited: Promise<number | null>;
}

function start(...args: string[]): Run {
  const child = spawn(process.execPath, [DEMO, ...args]);
  children.push(child);
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  return { child, output, exited: once(child, 'close').then(([code]) => code as number | null) };
}

async function finish(...args: string[]): Promise<{ code: number | null; result: Result }> {
  const run = start(...args, '--json');
  const code = await run.exited;
  if (run.output.stdout === '') throw new Error(run.output.stderr);
  return { code, result: JSON.parse(run.output.stdout) as Result };
}

describe('the demo on a small tree', () => {
  test('finds what is there, survives its crash, and its replay agrees', async () => {
    const { code, result } = await finish(growTree(40), '--workers', '2');
    expect(result.wrong).toEqual([]);
    expect(code).toBe(0);
    expect(result.replayed).toEqual(result.live);
    expect(result.crashes).toBe(1);
    expect(result.repeats).toBeGreaterThanOrEqual(1);
    expect(result.live.topics).toMatchObject({
      'findings.mark': 40,
      'findings.secret': 1,
      'findings.large': 2,
      'findings.duplicate': 1,
    });
    expect(result.live.types).toMatchObject({
      worker_spawned: 3,
      worker_failed: 1,
      worker_complete: 2,
      finding_new: 44,
    });
    expect(result.live.types.file_changed).toBeGreaterThanOrEqual(1);
  });

  test('counts only its own run in a directory that is kept', async () => {
    const tree = growTree(10);
    const data = join(root, 'data');
    const first = await finish(tree, '--data', data, '--no-crash');
    const second = await finish(tree, '--data', data, '--no-crash');
    expect([first.code, second.code]).toEqual([0, 0]);
    expect(second.result.live.types.finding_new).toBe(first.result.live.types.finding_new);
    expect(second.result.replayed).toEqual(second.result.live);
  });
});

describe('the demo on a server', () => {
  test('publishes from its workers to the server, and the replay from there agrees', async () => {
    const server = await startServer(join(root, 'server'));
    const { code, result } = await finish(growTree(20), '--connect', server.url, '--workers', '2');
    expect(result.wrong).toEqual([]);
    expect(code).toBe(0);
    expect(result.crashes).toBe(1);
    expect(result.replayed).toEqual(result.live);
    expect(result.live.types).toMatchObject({ worker_spawned: 3, finding_new: 24 });
    const { stdout } = await server.run(['topics', '--json']);
    expect(stdout).toContain('"findings.mark"');
  });

  test('ends with 1 and the reason if there is no server', async () => {
    const run = start(growTree(1), '--connect', 'http://127.0.0.1:1');
    expect(await run.exited).toBe(1);
    expect(run.output.stderr).toContain('http://127.0.0.1:1');
  });
});

describe('the demo, interrupted', () => {
  test('leaves with 130 and a directory that opens again', async () => {
    const tree = growTree(600);
    const data = join(root, 'data');
    const run = start(tree, '--data', data);
    while (!run.output.stderr.includes('scanning')) await once(run.child.stderr!, 'data');
    run.child.kill('SIGINT');
    expect(await run.exited).toBe(130);
    expect(run.output.stderr).toContain('the bus is closed');
    const again = await finish(tree, '--data', data, '--no-crash');
    expect(again.result.wrong).toEqual([]);
    expect(again.code).toBe(0);
  });

  test('refuses wrong usage with 2 and says what is wrong', async () => {
    const missing = start(join(root, 'none'));
    expect(await missing.exited).toBe(2);
    expect(missing.output.stderr).toContain('is not a directory');
    const workers = start(root, '--workers', '0');
    expect(await workers.exited).toBe(2);
    expect(workers.output.stderr).toContain('--workers 0');
    const both = start(root, '--data', root, '--connect', 'http://127.0.0.1:7400');
    expect(await both.exited).toBe(2);
    expect(both.output.stderr).toContain('not both');
  });
});
