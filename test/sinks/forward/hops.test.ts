import { expect, test } from 'vitest';
import type { Event } from '../../../src/protocol/event.js';
import { outgoing } from '../../../src/sinks/forward/hops.js';

const EVENT: Event = {
  id: 'one',
  topic: 'a',
  type: 'note',
  payload: 1,
  source: 'test',
  timestamp: '2026-01-01T00:00:00.000Z',
} as Event;
const ROUTE = { here: 'here', there: 'there', topicOf: ({ topic }: Event) => topic };

test('a forwarded event keeps the time at which it expires', () => {
  const expiresAt = '2026-01-02T00:00:00.000Z';
  expect(outgoing({ ...EVENT, expiresAt }, ROUTE)).toMatchObject({ input: { expiresAt } });
});

test('a forwarded event that does not expire has no such field', () => {
  expect(outgoing(EVENT, ROUTE)).not.toHaveProperty('input.expiresAt');
});
