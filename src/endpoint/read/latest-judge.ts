import { compilePredicate } from '../../protocol/filter.js';
import { EventRecordView } from '../../record/event-record.js';
import type { ParsedQuery } from './parse-query.js';

/**
 * Says whether a topic's newest event is one that a query wants. Everything but the topic is looked at here: the newest
 * event of a topic is found first, and an event that does not fit is not replaced by an older one.
 */
export function latestJudge({
  filter,
  sinceMs,
  untilMs,
}: ParsedQuery): (bytes: Buffer, offset: number, recordedAt: number) => boolean {
  const view = new EventRecordView();
  const predicate = compilePredicate(filter);
  return (bytes, offset, recordedAt) => {
    if (sinceMs !== undefined && recordedAt < sinceMs) return false;
    if (untilMs !== undefined && recordedAt >= untilMs) return false;
    return predicate === undefined || predicate(view.wrap(bytes, offset));
  };
}
