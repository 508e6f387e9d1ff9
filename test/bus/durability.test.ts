import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { temporaryDirectory } from './support/open.js';

/**
 * Compares the durability that an ack confirms with the system calls of the process. A child process is run under
 * `strace`: the page that holds an event's payload is written to the shard's log, and, for `synced`, an fsync of that
 * log begins after that and has ended before the ack is told.
 */
const publisher = fileURLToPath(new URL('./support/publisher.js', import.meta.url));

let reasonNotToTrace: string | undefined;

beforeAll(() => {
  const probe = spawnSync('strace', ['-f', '-o', '/dev/null', 'true'], { encoding: 'utf8' });
  if (probe.error !== undefined) reasonNotToTrace = `no strace: ${probe.error.message}`;
  else if (probe.status !== 0) reasonNotToTrace = `strace does not work here: ${probe.stderr}`;
});

/** A system call in the order of its end, with the time of its beginning as the line it began on. */
interface Call {
  readonly name: string;
  readonly text: string;
  readonly began: number;
  readonly ended: number;
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

function trace(...args: string[]): Call[] {
  const output = join(temporaryDirectory(), 'trace');
  const calls = 'trace=fsync,fdatasync,pwrite64,write,pwritev,writev';
  const strace = ['-f', '-y', '-s', '70000', '-e', calls, '-e', 'signal=none', '-o', output];
  const run = spawnSync('strace', [...strace, process.execPath, publisher, ...args], {
    encoding: 'utf8',
    timeout: 50_000,
  });
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
  return parseTrace(readFileSync(output, 'latin1'));
}

const isLog = ({ text }: Call): boolean => /shard-000\.db(-wal)?>/.test(text);
const isSync = (call: Call): boolean => /^f(data)?sync$/.test(call.name) && isLog(call);

/** The calls that tell of one event: its mark before, its page, its ack. */
function marksOf(calls: readonly Call[], payload: string): { page: Call; ack: Call } {
  const told = (mark: string): Call => {
    const call = calls.find(({ name, text }) => name === 'write' && text.includes(`"${mark}`));
    if (call === undefined) throw new Error(`no line "${mark}" in the trace`);
    return call;
  };
  const ack = told(`ack ${payload}`);
  const [text] = payload.split(' ');
  const page = calls.find((call) => isLog(call) && call.text.includes(text!));
  if (page === undefined) throw new Error(`no page with ${payload} was written`);
  return { page, ack };
}

const syncsBetween = (calls: readonly Call[], page: Call, ack: Call): Call[] =>
  calls.filter((call) => isSync(call) && call.began > page.ended && call.ended < ack.began);

const COUNT = 20;
const payloads = Array.from({ length: COUNT }, (_, n) => `payload-${String(n).padStart(4, '0')}-`);

describe('an ack that says', () => {
  test('synced comes after an fsync of the pages that hold the event', (context) => {
    if (skipped(context)) return;
    const calls = trace('marks', temporaryDirectory(), 'synced', String(COUNT));
    for (const payload of payloads) {
      const { page, ack } = marksOf(calls, payload);
      expect(ack.text).toContain('synced');
      expect(page.ended, `${payload} written before its ack`).toBeLessThan(ack.began);
      expect(syncsBetween(calls, page, ack).length, payload).toBeGreaterThan(0);
    }
  });

  test('written needs no fsync, and comes after the pages were written', (context) => {
    if (skipped(context)) return;
    const calls = trace('marks', temporaryDirectory(), 'written', String(COUNT));
    let unsynced = 0;
    for (const payload of payloads) {
      const { page, ack } = marksOf(calls, payload);
      expect(page.ended, `${payload} written before its ack`).toBeLessThan(ack.began);
      if (syncsBetween(calls, page, ack).length === 0) unsynced++;
    }
    expect(unsynced).toBeGreaterThan(0);
  });

  test('synced for a repeat of an event that was only written comes after an fsync', (context) => {
    if (skipped(context)) return;
    const calls = trace('repeat', temporaryDirectory());
    const { page, ack: written } = marksOf(calls, 'payload-0000- for written');
    expect(written.text).toContain('for written: written true');
    expect(syncsBetween(calls, page, written)).toEqual([]);
    const { ack: synced } = marksOf(calls, 'payload-0000- for synced');
    expect(synced.text).toContain('for synced: synced true');
    expect(syncsBetween(calls, page, synced).length).toBeGreaterThan(0);
  });
});

interface Annotated {
  annotate(message: string): unknown;
}

/** Without strace there is nothing to see: said loudly, where a person and a report look. */
function skipped(context: Annotated): boolean {
  if (reasonNotToTrace === undefined) return false;
  context.annotate(`not traced: ${reasonNotToTrace}`);
  console.warn(`fsync before ack NOT TESTED: ${reasonNotToTrace}`);
  return true;
}
