import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { temporaryDirectory } from '../store/directories.js';

/**
 * Runs a script of Node.js under `strace`, and returns its writes and flushes. Where strace is missing or may not
 * trace, `reasonNotToTrace` says so, and a test says loudly that it saw nothing: `if (skipped(context)) return`.
 */
const probe = spawnSync('strace', ['-f', '-o', '/dev/null', 'true'], { encoding: 'utf8' });
const reasonNotToTrace: string | undefined =
  probe.error !== undefined
    ? `no strace: ${probe.error.message}`
    : probe.status !== 0
      ? `strace does not work here: ${probe.stderr}`
      : undefined;

/** A system call in the order of its end, with the time of its beginning as the line it began on. */
export interface Call {
  readonly name: string;
  readonly text: string;
  readonly began: number;
  readonly ended: number;
}

interface Annotated {
  annotate(message: string): unknown;
}

/** Without strace there is nothing to see: said loudly, where a person and a report look. */
export function skipped(context: Annotated): boolean {
  if (reasonNotToTrace === undefined) return false;
  context.annotate(`not traced: ${reasonNotToTrace}`);
  console.warn(`flushes NOT TESTED: ${reasonNotToTrace}`);
  return true;
}

export function traced(script: URL, ...args: string[]): Call[] {
  const output = join(temporaryDirectory(), 'trace');
  const calls = 'trace=fsync,fdatasync,pwrite64,write,pwritev,writev';
  const strace = ['-f', '-y', '-s', '70000', '-e', calls, '-e', 'signal=none', '-o', output];
  const run = spawnSync('strace', [...strace, process.execPath, script.pathname, ...args], {
    encoding: 'utf8',
    timeout: 50_000,
  });
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
  return parseTrace(readFileSync(output, 'latin1'));
}

/** Joins the halves of calls that other threads' calls interrupted. */
function parseTrace(trace: string): Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<string, { text: string; began: number }>();
  for (const [line, content] of trace.split('\n').entries()) {
    const match = /^(\d+) +(.*)$/.exec(content);
    if (match === null) continue;
    const thread = match[1]!;
    const rest = match[2]!;
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/.exec(rest);
    if (resumed !== null) {
      const begin = unfinished.get(thread)!;
      unfinished.delete(thread);
      const text = begin.text + resumed[2]!;
      calls.push({ name: resumed[1]!, text, began: begin.began, ended: line });
    } else if (rest.endsWith('<unfinished ...>')) {
      unfinished.set(thread, { text: rest.replace(' <unfinished ...>', ''), began: line });
    } else {
      const name = /^\w+/.exec(rest)?.[0] ?? '';
      calls.push({ name, text: rest, began: line, ended: line });
    }
  }
  return calls;
}

export const isLog = ({ text }: Call): boolean => /shard-000\.db(-wal)?>/.test(text);
export const isSync = (call: Call): boolean => /^f(data)?sync$/.test(call.name) && isLog(call);
