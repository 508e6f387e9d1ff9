import {
  EVENT_FLAG_ID_OF_SOURCE,
  EVENT_FLAG_SUPPLIED_ID,
  type EventRecordView,
} from './event-record.js';

/**
 * Two events are one where this is the same of both: their topic, their id, whether a publisher gave it, and the source where
 * the id is the source's own. For logs that look for repeats among all ids, those that the bus made included.
 */
export function identityOf(view: EventRecordView): string {
  const { flags, topic, id } = view;
  const isOfSource = (flags & EVENT_FLAG_ID_OF_SOURCE) !== 0;
  const isSupplied = (flags & EVENT_FLAG_SUPPLIED_ID) !== 0;
  return JSON.stringify([isSupplied, isOfSource ? view.source : null, topic, id]);
}
