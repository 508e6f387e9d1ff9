import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The demo in a process of its own, and the trees that it scans. */

const DEMO = fileURLToPath(new URL('../../../examples/scan/demo.js', import.meta.url));
// Put together here, so that no scanner takes this file for a leak.
const AWS_KEY = `AK${'IA'}Q7RTZ5MX2KLJ3PWE`;
const MARK = `FIX${'ME'}`;

export interface Totals {
  events: number;
  fingerprint: number;
  types: Record<string, number>;
  topics: Record<string, number>;
}

export interface DemoResult {
  crashes: number;
  repeats: number;
  live: Totals;
  replayed: Totals;
  agree: boolean;
  wrong: string[];
}

export interface DemoRun {
  readonly child: ChildProcess;
  readonly output: { stdout: string; stderr: string };
  readonly exited: Promise<number | null>;
}

/** Each file has a mark and is of a size of its own, so any worker finds something in any file. */
export function growTree(root: string, files: number): string {
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

export function startDemo(...args: string[]): DemoRun {
  const child = spawn(process.execPath, [DEMO, ...args]);
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  return { child, output, exited: once(child, 'close').then(([code]) => code as number | null) };
}

/** The result that a run with `--json` printed, and its exit code. */
export async function endOfDemo(
  run: DemoRun,
): Promise<{ code: number | null; result: DemoResult }> {
  const code = await run.exited;
  if (run.output.stdout === '') throw new Error(run.output.stderr);
  return { code, result: JSON.parse(run.output.stdout) as DemoResult };
}
