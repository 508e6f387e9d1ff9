import { expect, test } from 'vitest';
import { COMMIT_BATCH_BYTES } from '../../../src/protocol/limits/shards.js';
import { AtHand, type HeldEvent, indexBehind } from '../../../src/store/shared/at-hand.js';

const event = (sequence: number, bytes = 1): HeldEvent => ({
  sequence,
  recordedAt: 1,
  record: Buffer.alloc(bytes),
});

test('fetched runs are bounded by their bytes, and the run fetched last is always kept', () => {
  const atHand = new AtHand();
  const starts = Array.from({ length: 10 }, (_, n) => 100 * n);
  for (const after of starts) {
    atHand.keep({ after, through: after + 1, events: [event(after + 1, COMMIT_BATCH_BYTES)] });
    expect(atHand.runAfter(after)?.events).toHaveLength(1);
  }
  expect(starts.filter((after) => atHand.runAfter(after) !== undefined)).toEqual([800, 900]);
});

test('a run knows which events it lacks because they were removed', () => {
  const atHand = new AtHand();
  atHand.keep({ after: 10, through: 20, events: [event(12), event(15)] });
  expect(atHand.runAfter(9)).toBeUndefined();
  expect(atHand.runAfter(20)).toBeUndefined();
  const run = atHand.runAfter(10)!;
  expect(atHand.runAfter(19)).toEqual(run);
  expect([10, 11, 12, 14, 15].map((after) => indexBehind(run, after))).toEqual([0, 0, 1, 1, 2]);
});

test('the newest events begin anew behind events that were removed before they came', () => {
  const atHand = new AtHand();
  for (const sequence of [1, 2, 3, 7, 8]) atHand.add(event(sequence));
  expect(atHand.runAfter(3)).toBeUndefined();
  expect(atHand.runAfter(6)).toEqual({ after: 6, through: 8, events: [event(7), event(8)] });
});

test('the newest events are kept within their bound', () => {
  const atHand = new AtHand();
  for (let sequence = 1; sequence <= 513; sequence++) atHand.add(event(sequence));
  expect(atHand.runAfter(256)).toBeUndefined();
  expect(atHand.runAfter(257)?.events).toHaveLength(256);
});
