import {
  DUE_ATTRIBUTE,
  type KeptSchedule,
  SCHEDULE_ATTRIBUTE,
  scheduledId,
} from '../../protocol/schedule-text.js';
import {
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SYNCED,
  EventRecordEncoder,
} from '../../record/event-record.js';

/** Makes the event's record of a schedule's due time. */
export class FiringEncoder {
  readonly #encoder = new EventRecordEncoder();

  /** @param dueAt ms since 1970 */
  encode(name: string, { event, ttlMs = 0 }: KeptSchedule, dueAt: number): Buffer {
    const encoder = this.#encoder;
    const own = { [SCHEDULE_ATTRIBUTE]: name, [DUE_ATTRIBUTE]: new Date(dueAt).toISOString() };
    encoder.flags = EVENT_FLAG_PERSIST | EVENT_FLAG_SYNCED | EVENT_FLAG_SUPPLIED_ID;
    encoder.timestamp = 0;
    encoder.topic = event.topic;
    encoder.type = event.type;
    encoder.source = event.source;
    encoder.id = scheduledId(name, dueAt);
    encoder.correlationId = event.correlationId ?? '';
    encoder.causationId = event.causationId ?? '';
    encoder.attributes = JSON.stringify({ ...event.attributes, ...own });
    encoder.expiry = -ttlMs;
    encoder.payload = JSON.stringify(event.payload);
    const record = Buffer.alloc(encoder.measure());
    encoder.writeTo(record, 0);
    return record;
  }
}
