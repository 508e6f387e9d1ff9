import { afterEach, expect, it, vi } from 'vitest';
import { CLOCK_CAUTION_MS, CLOCK_CONFIRM_MS } from '../../src/protocol/limits/shards.js';
import { EVENT_FLAG_PERSIST, EVENT_FLAG_SYNCED } from '../../src/record/event-record.js';
import { MINUTE } from './clock-machine.js';
import { makeShard, TestLink } from './support.js';

/** A whole shard, of which the test moves the wall clock and the monotonic one: which of its times it uses for what. */

afterEach(() => void vi.restoreAllMocks());

const START = 1_800_000_000_000;

function shardOnClocks() {
  const clocks = { elapsed: 5000, wrong: 0 };
  const hrtime = (): [number, number] => [
    Math.floor(clocks.elapsed / 1000),
    (clocks.elapsed % 1000) * 1e6,
  ];
  vi.spyOn(performance, 'now').mockImplementation(() => clocks.elapsed);
  vi.spyOn(process, 'hrtime').mockImplementation(hrtime as typeof process.hrtime);
  vi.spyOn(Date, 'now').mockImplementation(() => START + clocks.elapsed + clocks.wrong);
  const { log, turn, join } = makeShard();
  const link = new TestLink();
  join(link);
  const pass = (ms: number): void => {
    for (let left = ms; left > 0; left -= 5000) {
      clocks.elapsed += Math.min(left, 5000);
      turn();
    }
    // One turn ends the events, one removes them, and one forgets the step.
    for (let n = 0; n < 3; n++) turn();
  };
  const publish = (ttlMs: number): void => {
    link.publish({ expiry: -ttlMs, flags: EVENT_FLAG_PERSIST | EVENT_FLAG_SYNCED });
    turn();
  };
  return { clocks, log, pass, publish };
}

it('keeps what a clock put forward has ended for ten minutes after the step', () => {
  const { clocks, log, pass, publish } = shardOnClocks();
  publish(60 * MINUTE);
  expect(log.expiry.first).toBe(START + 5000 + 60 * MINUTE);
  clocks.wrong = 90 * MINUTE;
  // By then the shard believes the clock.
  pass(CLOCK_CONFIRM_MS + 5000);
  publish(30 * MINUTE);
  pass(CLOCK_CAUTION_MS - CLOCK_CONFIRM_MS - 20_000);
  expect(log.prunedEvents).toBe(0);
  pass(30_000);
  expect(log.prunedEvents).toBe(1);
});

it('gives an event its end by the wall clock after it was put back', () => {
  const { clocks, log, pass, publish } = shardOnClocks();
  pass(MINUTE);
  clocks.wrong = -10 * MINUTE;
  publish(5 * MINUTE);
  // The recorded time never runs backwards, so it is ahead of the wall clock.
  expect(log.expiry.first).toBe(Date.now() + 5 * MINUTE);
  pass(5 * MINUTE - 1);
  expect(log.prunedEvents).toBe(0);
  pass(1);
  expect(log.prunedEvents).toBe(1);
});
