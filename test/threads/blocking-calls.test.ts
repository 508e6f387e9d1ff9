import { Worker } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BlockingCaller, blockingLine } from '../../src/threads/blocking-calls.js';

const ANSWERER = new URL('../../dist/threads/blocking-calls.js', import.meta.url).href;

/** A line to a thread that answers as this code says. */
function lineTo(answer: string): BlockingCaller {
  const { caller, answerer } = blockingLine();
  const code = `
    const { workerData } = require('node:worker_threads');
    const { setTimeout: afterMs } = require('node:timers/promises');
    import(${JSON.stringify(ANSWERER)}).then(({ answerCalls }) => {
      answerCalls(workerData, ${answer}, (error) => ({ told: error.message }));
    });`;
  const worker = new Worker(code, {
    eval: true,
    workerData: answerer,
    transferList: [answerer.port],
  });
  onTestFinished(async () => {
    await worker.terminate();
  });
  const line = new BlockingCaller(caller, (data) => new Error((data as { told: string }).told));
  onTestFinished(() => line.close());
  return line;
}

describe('a call that blocks', () => {
  test('has its answer, one after the other, however late each is', () => {
    const line = lineTo(`async (n) => {
      await afterMs(n % 3);
      return { value: n * 2 };
    }`);
    for (let n = 0; n < 200; n++) expect(line.call(n)).toBe(2 * n);
  });

  test('throws the error of the call, and the next one has its answer', () => {
    const line = lineTo(`async (n) => {
      if (n === 1) throw new Error('not that one');
      return { value: n };
    }`);
    expect(line.call(0)).toBe(0);
    expect(() => line.call(1)).toThrow('not that one');
    expect(line.call(2)).toBe(2);
  });

  test('takes memory along, there and back', () => {
    const line = lineTo(`async (bytes) => {
      const doubled = new Uint8Array(bytes).map((one) => 2 * one).buffer;
      return { value: doubled, transfer: [doubled] };
    }`);
    const bytes = Uint8Array.of(1, 2, 3).buffer;
    expect([...new Uint8Array(line.call<ArrayBuffer>(bytes, [bytes]))]).toEqual([2, 4, 6]);
    expect(bytes.byteLength).toBe(0);
  });

  test('fails as soon as the thread that answers has ended, and so does each later one', () => {
    const line = lineTo(`async (n) => {
      if (n === 1) setImmediate(() => process.exit(1));
      return n === 1 ? new Promise(() => {}) : { value: n };
    }`);
    expect(line.call(0)).toBe(0);
    expect(() => line.call(1)).toThrow('the thread that answers has died');
    expect(() => line.call(2)).toThrow('the thread that answers has died');
    // Less than the silence after which a thread counts as dead that has ended without a word.
  }, 10_000);
});
