import { describe, expect, test } from 'vitest';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { type Call, isSync, skipped, traced } from '../../support/traced.js';
import { temporaryDirectory } from '../directories.js';

/**
 * Counts the flushes of a log by the system calls of a process. A batch may hold rows without an event: the head then
 * stays where it is, and must not be taken for a sign that everything is flushed.
 */
const script = new URL('./flush-marks.mjs', import.meta.url);

let trace: readonly Call[] | undefined;

function lineOf(calls: readonly Call[], line: string): Call {
  const found = calls.find(({ name, text }) => name === 'write' && text.includes(`"${line}\\n"`));
  if (found === undefined) throw new Error(`no line "${line}" in the trace`);
  return found;
}

/** How often the log was flushed during an act of the script. */
function flushesDuring(act: string): number {
  trace ??= traced(script, shardFile(temporaryDirectory(), 0));
  const begin = lineOf(trace, `begin ${act}`);
  const end = lineOf(trace, `end ${act}`);
  return trace.filter((call) => isSync(call) && call.began > begin.ended && call.ended < end.began)
    .length;
}

describe('the log', () => {
  test.for([
    ['flushes no commit that need not be flushed', 'rows alone, written', 0],
    ['flushes rows that were committed without an event', 'a flush of those rows', 1],
    ['flushes nothing twice', 'nothing new to flush', 0],
    ['does not flush a written event', 'an event, written', 0],
    [
      'flushes earlier commits although the one that asks for it changes nothing',
      'a flushed commit without changes',
      1,
    ],
    ['flushes no written rows', 'rows alone, written again', 0],
    ['flushes a commit of rows alone', 'rows alone, flushed', 1],
  ] as const)('%s', ([, act, flushes], context) => {
    if (skipped(context)) return;
    expect(flushesDuring(act)).toBe(flushes);
  });
});
