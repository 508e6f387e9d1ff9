import type { DueLetter } from '../../../src/link/consumer-shapes.js';
import { EventRecordEncoder } from '../../../src/record/event-record.js';

export const CONSUMER = '01J9ZQ5H7M2V8X3K4N6P7R8S9T';

/** A due letter of an event with these fields. */
export function dueLetter(
  letter: Partial<DueLetter> = {},
  event: Partial<Pick<EventRecordEncoder, 'correlationId' | 'attributes' | 'payload'>> = {},
): DueLetter & { readonly record: string } {
  const encoder = Object.assign(new EventRecordEncoder(), {
    topic: 'orders.new',
    type: 'order_created',
    source: 'shop',
    id: 'order-7',
    timestamp: Date.UTC(2026, 10, 28),
    payload: '{"n":1}',
    ...event,
  });
  const bytes = Buffer.alloc(encoder.measure());
  encoder.writeTo(bytes, 0);
  return {
    consumer: CONSUMER,
    sequence: 7,
    attempts: 5,
    times: 1,
    cause: 'nak',
    reason: 'no such customer',
    diedAt: Date.UTC(2026, 10, 28, 12),
    ...letter,
    record: bytes.toString('base64'),
  };
}
