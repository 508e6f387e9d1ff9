import {
  EVENT_FLAG_ID_OF_SOURCE,
  EVENT_FLAG_SUPPLIED_ID,
  type EventRecordView,
} from './event-record.js';

/**
 * The identity of an event, for logs that look for repeats among all ids, even those that the bus has made. Two events
 * are the same if they agree in topic and id, in whether a publisher supplied the id and, if the id is unique within
 * its source only, in source.
 */
export function identityOf(view: EventRecordView): string {
  const { flags, topic, id } = view;
  const isOfSource = (flags & EVENT_FLAG_ID_OF_SOURCE) !== 0;
  const isSupplied = (flags & EVENT_FLAG_SUPPLIED_ID) !== 0;
  return JSON.stringify([isSupplied, isOfSource ? view.source : null, topic, id]);
}
