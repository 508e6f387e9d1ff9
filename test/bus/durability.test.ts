import { describe, expect, test } from 'vitest';
import { type Call, isLog, isSync, skipped, traced } from '../support/traced.js';
import { temporaryDirectory } from './support/open.js';

/**
 * Compares the durability that an ack confirms with the system calls of the process. A child process is run under
 * `strace`: the page that holds an event's payload is written to the shard's log, and, for `synced`, an fsync of that
 * log begins after that and has ended before the ack is told.
 */
const publisher = new URL('./support/publisher.js', import.meta.url);

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
    const calls = traced(publisher, 'marks', temporaryDirectory(), 'synced', String(COUNT));
    for (const payload of payloads) {
      const { page, ack } = marksOf(calls, payload);
      expect(ack.text).toContain('synced');
      expect(page.ended, `${payload} written before its ack`).toBeLessThan(ack.began);
      expect(syncsBetween(calls, page, ack).length, payload).toBeGreaterThan(0);
    }
  });

  test('written needs no fsync, and comes after the pages were written', (context) => {
    if (skipped(context)) return;
    const calls = traced(publisher, 'marks', temporaryDirectory(), 'written', String(COUNT));
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
    const calls = traced(publisher, 'repeat', temporaryDirectory());
    const { page, ack: written } = marksOf(calls, 'payload-0000- for written');
    expect(written.text).toContain('for written: written true');
    expect(syncsBetween(calls, page, written)).toEqual([]);
    const { ack: synced } = marksOf(calls, 'payload-0000- for synced');
    expect(synced.text).toContain('for synced: synced true');
    expect(syncsBetween(calls, page, synced).length).toBeGreaterThan(0);
  });
});
