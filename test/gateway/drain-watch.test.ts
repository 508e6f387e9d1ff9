import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { DrainWatch } from '../../src/gateway/drain-watch.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function watched(minDrainBytesPerSecond: number) {
  const stalled = vi.fn();
  return { stalled, watch: new DrainWatch({ stallMs: 10_000, minDrainBytesPerSecond }, stalled) };
}

it('a client that takes a byte a second has stalled, and one that keeps the least rate has not', () => {
  for (const [bytes, isStalled] of [
    [1, true],
    [4096, false],
  ] as const) {
    const { stalled, watch } = watched(4096);
    watch.begin();
    for (let second = 0; second < 30; second++) {
      watch.took(bytes);
      vi.advanceTimersByTime(1000);
    }
    expect(stalled.mock.calls.length > 0).toBe(isStalled);
    watch.end();
  }
});

it('without a least rate, a client that takes nothing has stalled after stallMs', () => {
  const { stalled, watch } = watched(0);
  watch.begin();
  vi.advanceTimersByTime(9999);
  expect(stalled).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(stalled).toHaveBeenCalledTimes(1);
  watch.end();
});

it('a client is no longer watched once it has room', () => {
  const { stalled, watch } = watched(4096);
  watch.begin();
  watch.end();
  vi.advanceTimersByTime(60_000);
  expect(stalled).not.toHaveBeenCalled();
});
