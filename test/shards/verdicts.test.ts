import { expect, it } from 'vitest';
import { NOT_EXPECTED } from '../../src/link/publish-records.js';
import { EventRecordView } from '../../src/record/event-record.js';
import { refusalOfVerdict } from '../../src/shards/verdicts.js';
import { PADDING, recordOf } from '../../src/testing/events.js';

it.each([
  [0, 7, 'a: it has no event, and 7 was expected', { expected: { sequence: 7 } }],
  [5, 7, 'a: its last event is 5, and 7 was expected', { expected: { sequence: 7 }, sequence: 5 }],
  [5, 0, 'a: its last event is 5, and none was expected', { expected: 'none', sequence: 5 }],
])(
  'a publish that found %i where %i was expected is refused in words and numbers',
  (found, expected, message, details) => {
    const event = new EventRecordView().wrap(recordOf({ topic: 'a' }), PADDING);
    const refused = { event, expected, found, id: undefined, index: undefined };
    expect(refusalOfVerdict(NOT_EXPECTED, refused)).toEqual({
      code: 'CONFLICT',
      message,
      details: { topic: 'a', ...details },
    });
    const inGroup = refusalOfVerdict(NOT_EXPECTED, { ...refused, id: 'i', index: 2 });
    expect(inGroup.details).toEqual({ topic: 'a', ...details, id: 'i', index: 2 });
  },
);
