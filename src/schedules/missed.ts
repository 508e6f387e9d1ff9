import { SCHEDULE_LATE_MS, SCHEDULE_MISSED_MAX } from '../protocol/limits/schedules.js';
import type { MissedDueTimes } from '../protocol/schedules.js';
import type { DueTimes } from './due-times.js';

/**
 * The time up to which due times are passed over, as they have passed unused: a schedule goes on behind it.
 * @param handledUntil up to here all is done with
 * @param now ms since 1970
 */
export function passedOver(
  times: DueTimes,
  missed: MissedDueTimes,
  handledUntil: number,
  now: number,
): number {
  const next = times.after(handledUntil);
  const late = now - SCHEDULE_LATE_MS;
  if (next === undefined || next >= late) return handledUntil;
  if (missed === 'none') return late - 1;
  if (missed === 'last') {
    const [last = next] = times.until(late - 1, 1);
    return Math.max(handledUntil, last - 1);
  }
  if (times.next(handledUntil, SCHEDULE_MISSED_MAX + 1).at(-1)! > now) return handledUntil;
  const [first = next] = times.until(now, SCHEDULE_MISSED_MAX);
  return Math.max(handledUntil, first - 1);
}
