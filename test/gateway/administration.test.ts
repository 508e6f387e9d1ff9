import { describe, expect, it } from 'vitest';
import { openGateway } from './support/open-gateway.js';

describe('backup and prune over a WebSocket', () => {
  it('are answered with their results on a server without authentication', async () => {
    const { endpoint, connect } = await openGateway();
    const client = await connect();
    const backup = await client.ask('backup', { dir: '/backups/one' });
    expect(backup).toMatchObject({ type: 'result', payload: { backup: { dir: '/backups/one' } } });
    const pruned = await client.ask('prune', { pattern: 'a.*', maxEvents: 0 });
    expect(pruned).toMatchObject({ type: 'result', payload: { pruned: { events: 3, bytes: 30 } } });
    expect(endpoint.administered).toEqual([
      ['backup', '/backups/one'],
      ['prune', { pattern: 'a.*', maxEvents: 0 }],
    ]);
  });

  it('refuse a relative path', async () => {
    const { endpoint, connect } = await openGateway();
    const client = await connect();
    for (const dir of ['', 'backups', './one', '../one']) {
      const { payload } = await client.ask('backup', { dir });
      expect(payload, dir).toMatchObject({ code: 'OPTION_INVALID' });
    }
    expect(endpoint.administered).toEqual([]);
  });

  it('need a grant to administer all topics that they affect', async () => {
    const admin = ['mine.*', 'other.+.x'];
    const anonymous = { subscribe: ['*'], publish: ['*'], admin };
    const { endpoint, connect } = await openGateway({ auth: { anonymous } });
    const client = await connect();
    const refused: readonly [type: string, payload: object][] = [
      ['backup', { dir: '/backups/one' }],
      ['prune', { maxEvents: 0 }],
      ['prune', { pattern: '*', maxEvents: 0 }],
      ['prune', { pattern: 'mine', maxEvents: 0 }],
      ['prune', { pattern: '+.x', maxEvents: 0 }],
      ['prune', { pattern: 'other.*', maxEvents: 0 }],
      ['prune', { pattern: '$sys.*', maxEvents: 0 }],
    ];
    for (const [type, payload] of refused) {
      const answer = await client.ask(type, payload);
      expect(answer.payload, JSON.stringify(payload)).toMatchObject({ code: 'FORBIDDEN' });
    }
    expect(endpoint.administered).toEqual([]);
    for (const pattern of ['mine.*', 'mine.a', 'other.1.x', 'other.+.x']) {
      const { type } = await client.ask('prune', { pattern, maxEvents: 0 });
      expect(type, pattern).toBe('result');
    }
  });
});
