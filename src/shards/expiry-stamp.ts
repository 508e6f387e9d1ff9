import type { EventRecordView } from '../record/event-record.js';
import type { DueClock } from './later/later-publishes.js';

/**
 * Gives an event its expiry when the shard records it. A record that a dead thread had stamped already keeps its time: the
 * ring has it, and its publisher may have seen the thread's answer.
 */
export function stampExpiry(view: EventRecordView, clock: DueClock): void {
  if (!view.hasExpiry) return;
  const { expiry } = view;
  if (expiry < 0) view.expiry = clock.dueNow - expiry;
}
