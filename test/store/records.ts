import { EventRecordEncoder } from '../../src/record/event-record.js';

/** The fields that a test gives an event; the others have defaults. */
export interface TestEvent {
  topic?: string;
  type?: string;
  source?: string;
  id?: string;
  correlationId?: string;
  causationId?: string;
  attributes?: Record<string, string>;
  payload?: unknown;
  timestamp?: number;
  flags?: number;
}

const encoder = new EventRecordEncoder();
let ids = 0;

/** The event as a record in shared memory, where rings keep records. */
export function record(event: TestEvent = {}, padding = 0): Buffer {
  encoder.flags = event.flags ?? 1;
  encoder.timestamp = event.timestamp ?? 0;
  encoder.topic = event.topic ?? 'test.topic';
  encoder.type = event.type ?? 'test_type';
  encoder.source = event.source ?? 'tester';
  encoder.id = event.id ?? `id-${++ids}`;
  encoder.correlationId = event.correlationId ?? '';
  encoder.causationId = event.causationId ?? '';
  encoder.attributes = event.attributes ? JSON.stringify(event.attributes) : '';
  encoder.payload = JSON.stringify(event.payload === undefined ? { n: 1 } : event.payload);
  const length = encoder.measure();
  const bytes = Buffer.from(new SharedArrayBuffer(padding + length));
  encoder.writeTo(bytes, padding);
  return bytes;
}
