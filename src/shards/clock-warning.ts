import type { ErrorData } from '../protocol/errors.js';
import {
  CLOCK_CATCH_UP_DIVISOR,
  CLOCK_CAUTION_MS,
  CLOCK_CONFIRM_MS,
} from '../protocol/limits/shards.js';
import type { ClockStep } from './recording-clock.js';

/** The warning for a step of the wall clock: how far it stepped, and how the shard records time from now on. */
export function clockWarning({ kind, ms }: ClockStep, shard: number): ErrorData {
  const by = `${(ms / 1000).toFixed(1)} s`;
  const slowly =
    `Recorded times advance at 1/${CLOCK_CATCH_UP_DIVISOR} of the normal pace ` +
    'until the clock has caught up with them.';
  const texts = {
    'put forward':
      `the system clock was put forward by ${by}. If it is still ahead in ` +
      `${CLOCK_CONFIRM_MS / 1000} s, the shards record its new time. Retention by age uses the ` +
      `new time in ${CLOCK_CAUTION_MS / 1000} s.`,
    confirmed: `the system clock is still ahead by ${by}. The shards record its new time from now on.`,
    'put back': `the system clock was put back by ${by}. ${slowly}`,
    'ahead at open': `the newest event has a time that is ${by} ahead of the system clock. ${slowly}`,
  } satisfies Record<ClockStep['kind'], string>;
  const details = { shard, kind, ms: Math.round(ms) };
  return { code: 'CLOCK_STEPPED', message: `shard ${shard}: ${texts[kind]}`, details };
}
