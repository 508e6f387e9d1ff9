import { expect, test } from 'vitest';
import { withoutUnreadable } from '../../src/gateway/permissions.js';
import { BusError } from '../../src/protocol/errors.js';
import { principal } from './http/support/open-http.js';

const conflict = new BusError('CONFLICT', 'a: its last event is 7, and none was expected', {
  details: { topic: 'a', expected: 'none', sequence: 7, id: 'of-another' },
});

test('a conflict names the id of the event that is there only to those who may read its topic', () => {
  expect(withoutUnreadable(principal({}), conflict)).toBe(conflict);
  const writer = principal({ beyondSubscribe: ([pattern]) => pattern });
  expect(withoutUnreadable(writer, conflict)).toMatchObject({
    code: 'CONFLICT',
    details: { topic: 'a', expected: 'none', sequence: 7 },
  });
  const { details } = withoutUnreadable(writer, conflict) as BusError;
  expect(details).not.toHaveProperty('id');
  const other = new BusError('STORE_FULL', 'full', { details: { id: 'x' } });
  expect(withoutUnreadable(writer, other)).toBe(other);
});
