import { expect, test } from 'vitest';
import { RestartPolicy } from '../../src/main/restart-policy.js';
import { SHARD_RESTARTS_MAX } from '../../src/protocol/limits/shards.js';

test('a thread that never gets ready is given up, however long it tries', () => {
  const policy = new RestartPolicy();
  const waits: (number | undefined)[] = [];
  for (let now = 0; waits.length < SHARD_RESTARTS_MAX; ) {
    policy.started(7);
    now += 60_000;
    waits.push(policy.ended(now, 7, false));
  }
  expect(waits).toEqual([50, 100, 200, 400, undefined]);
});

test('the time in which a thread opens its log does not count as its life', () => {
  const policy = new RestartPolicy();
  policy.started(0);
  policy.ready(30_000);
  expect(policy.ended(30_999, 0, false)).toBe(50);
  policy.started(0);
  policy.ready(60_000);
  expect(policy.ended(61_000, 0, false)).toBe(0);
});

test('a thread that stored something, or was killed, is started again at once and counts anew', () => {
  const policy = new RestartPolicy();
  for (const [progress, wasKilled, wait] of [
    [0, false, 50],
    [1, false, 0],
    [1, false, 50],
    [1, true, 0],
    [1, false, 50],
    [1, false, 100],
  ] as const) {
    policy.started(progress === 1 && wait === 0 && !wasKilled ? 0 : progress);
    policy.ready(0);
    expect(policy.ended(10, progress, wasKilled)).toBe(wait);
  }
});

test('a log that finds no room to open is tried again without limit', () => {
  const policy = new RestartPolicy();
  for (let n = 0; n < 100; n++) {
    policy.started(7);
    expect(policy.ended(n, 7, false, true)).toBe(1000);
  }
  policy.started(7);
  expect(policy.ended(100, 7, false)).toBe(50);
});
