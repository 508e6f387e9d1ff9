import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startServer } from '../cli/support/command.js';
import { type DemoResult, type DemoRun, endOfDemo, growTree, startDemo } from './support/demo.js';

let root = '';
const children: ChildProcess[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-demo-test-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

function start(...args: string[]): DemoRun {
  const run = startDemo(...args);
  children.push(run.child);
  return run;
}

function finish(...args: string[]): Promise<{ code: number | null; result: DemoResult }> {
  return endOfDemo(start(...args, '--json'));
}

describe('the demo on a small tree', () => {
  test('finds what is there, survives its crash, and its replay agrees', async () => {
    const { code, result } = await finish(growTree(root, 40), '--workers', '2');
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
    const tree = growTree(root, 10);
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
    const { code, result } = await finish(
      growTree(root, 20),
      '--connect',
      server.url,
      '--workers',
      '2',
    );
    expect(result.wrong).toEqual([]);
    expect(code).toBe(0);
    expect(result.crashes).toBe(1);
    expect(result.replayed).toEqual(result.live);
    expect(result.live.types).toMatchObject({ worker_spawned: 3, finding_new: 24 });
    const { stdout } = await server.run(['topics', '--json']);
    expect(stdout).toContain('"findings.mark"');
  });

  test('ends with 1 and the reason if there is no server', async () => {
    const run = start(growTree(root, 1), '--connect', 'http://127.0.0.1:1');
    expect(await run.exited).toBe(1);
    expect(run.output.stderr).toContain('http://127.0.0.1:1');
  });
});

describe('the demo, interrupted', () => {
  test('leaves with 130 and a directory that opens again', async () => {
    const tree = growTree(root, 600);
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
