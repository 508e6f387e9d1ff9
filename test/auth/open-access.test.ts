import { expect, it } from 'vitest';
import { openAccess } from '../../src/auth/open-access.js';

it('without authentication everybody may do everything, also in the topics of the bus itself', async () => {
  const everybody = await openAccess().authenticate(undefined);
  expect(everybody).toMatchObject({
    id: 'anonymous',
    name: 'anonymous',
    isAnonymous: true,
    isRevoked: false,
    rates: {},
    redacts: false,
    readable: ['*'],
    access: {
      publish: ['*'],
      subscribe: ['*', '$sys.*'],
      consume: ['*'],
      admin: ['*', '$sys.*'],
    },
  });
  expect(everybody.mayConsume('mail')).toBe(true);
  const event = {
    id: '1',
    topic: 'a',
    type: 'b',
    payload: { card: 1 },
    source: 's',
    timestamp: '2026-01-31T12:00:00.000Z',
    shard: 0,
  };
  expect(everybody.redact(event)).toBe(event);
});
