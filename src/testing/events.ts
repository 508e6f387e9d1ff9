import {
  EVENT_FLAG_ID_OF_SOURCE,
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EventRecordEncoder,
  EventRecordView,
} from '../record/event-record.js';
import type { StoredRecord } from '../store/stored-record.js';

/** An event as a check describes it; omitted fields have defaults. */
export interface CheckedEvent {
  readonly topic?: string;
  readonly type?: string;
  readonly source?: string;
  readonly id?: string;
  readonly correlationId?: string;
  readonly causationId?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly payload?: unknown;
  /** ms since 1970. */
  readonly timestamp?: number;
  readonly flags?: number;
  /** As in an event's record: ms since 1970, or minus a time to live. */
  readonly expiry?: number;
}

export const BY_BUS = EVENT_FLAG_PERSIST;
export const BY_PUBLISHER = BY_BUS | EVENT_FLAG_SUPPLIED_ID;
export const BY_SOURCE = BY_PUBLISHER | EVENT_FLAG_ID_OF_SOURCE;

export const RECORDED_AT = 1_700_000_000_000;
/** The offset of a record in its memory, since a record may lie anywhere in a ring. */
export const PADDING = 3;

const encoder = new EventRecordEncoder();
let ids = 0;

/** The event as a record in shared memory, as in a ring, at the offset `padding`. */
export function recordOf(event: CheckedEvent, padding = PADDING): Buffer {
  encoder.flags = event.flags ?? BY_BUS;
  encoder.timestamp = event.timestamp ?? RECORDED_AT;
  encoder.expiry = event.expiry ?? 0;
  encoder.topic = event.topic ?? 'checked.topic';
  encoder.type = event.type ?? 'checked';
  encoder.source = event.source ?? 'checker';
  encoder.id = event.id ?? `id-${++ids}`;
  encoder.correlationId = event.correlationId ?? '';
  encoder.causationId = event.causationId ?? '';
  encoder.attributes = event.attributes === undefined ? '' : JSON.stringify(event.attributes);
  encoder.payload = JSON.stringify(event.payload === undefined ? { n: 1 } : event.payload);
  const length = encoder.measure();
  const bytes = Buffer.from(new SharedArrayBuffer(padding + length));
  encoder.writeTo(bytes, padding);
  return bytes;
}

/** A stored event, decoded from its record. */
export interface ReadEvent {
  readonly sequence: number;
  readonly recordedAt: number;
  readonly topic: string;
  readonly type: string;
  readonly source: string;
  readonly id: string;
  readonly timestamp: number;
  readonly correlationId: string | undefined;
  readonly causationId: string | undefined;
  readonly attributes: Record<string, string> | undefined;
  readonly payload: unknown;
}

const view = new EventRecordView();

export function eventOf({ sequence, recordedAt, bytes, offset }: StoredRecord): ReadEvent {
  view.wrap(bytes, offset);
  const { topic, type, source, id, timestamp, correlationId, causationId, attributes } = view;
  const ties = { correlationId, causationId, attributes };
  const payload: unknown = JSON.parse(view.payloadText);
  return { sequence, recordedAt, topic, type, source, id, timestamp, ...ties, payload };
}
