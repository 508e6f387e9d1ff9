import { type CheckedEvent, recordOf } from '../../src/testing/events.js';

/** The fields that a test gives an event; the others have defaults. */
export type TestEvent = CheckedEvent;

const DEFAULTS = { timestamp: 0, topic: 'test.topic', type: 'test_type', source: 'tester' };

/** The event as a record in shared memory, where rings keep records. */
export function record(event: TestEvent = {}, padding = 0): Buffer {
  return recordOf({ ...DEFAULTS, ...event }, padding);
}
