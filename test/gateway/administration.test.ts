import { afterEach, describe, expect, it, vi } from 'vitest';
import { ADMINISTRATIONS_PER_SECOND } from '../../src/protocol/limits/gateway.js';
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

describe('acts of administrators', () => {
  const ACTS: readonly [type: string, payload: object][] = [
    ['backup', { dir: '/backups/one' }],
    ['prune', { maxEvents: 0 }],
    ['disconnect', { id: 'nobody' }],
    ['setAlert', { rule: { name: 'quiet', when: 'lag over 5' } }],
    ['removeAlert', { name: 'quiet' }],
  ];
  const limited = {
    code: 'RATE_LIMITED',
    details: { retryAfterMs: 50, perSecond: ADMINISTRATIONS_PER_SECOND, limitOf: 'principal' },
  };

  /** No time passes, so no rate is refilled. */
  const stopTime = (): void => {
    vi.spyOn(performance, 'now').mockReturnValue(performance.now());
  };

  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each(ACTS)('have a rate over all connections and doors: %s', async (type, payload) => {
    const { connect, port, endpoint } = await openGateway();
    const clients = [await connect(), await connect()];
    stopTime();
    for (let n = 0; n < ADMINISTRATIONS_PER_SECOND; n++) {
      const answer = await clients[n % 2]!.ask(type, payload);
      expect(answer.payload).not.toMatchObject(limited);
    }
    const { length } = endpoint.administered;
    for (const client of clients) {
      expect((await client.ask(type, payload)).payload).toMatchObject(limited);
    }
    for (const path of ['alerts/quiet', 'connections/nobody']) {
      const overHttp = await fetch(`http://127.0.0.1:${port}/v1/${path}`, { method: 'DELETE' });
      expect(overHttp.status).toBe(429);
      expect(await overHttp.json()).toMatchObject(limited);
    }
    expect(endpoint.administered).toHaveLength(length);
  });

  it('count also where they are not granted, and beyond the rate the audit log has no lines', async () => {
    const auth = { anonymous: { subscribe: ['*'] } };
    const { connect, logs } = await openGateway({ auth, audit: true });
    const client = await connect();
    stopTime();
    const codes: unknown[] = [];
    for (let n = 0; n < 2 * ADMINISTRATIONS_PER_SECOND; n++) {
      const { payload } = await client.ask('removeAlert', { name: 'quiet' });
      codes.push((payload as { code: string }).code);
    }
    const forbidden = codes.filter((code) => code === 'FORBIDDEN');
    expect(forbidden).toHaveLength(ADMINISTRATIONS_PER_SECOND);
    expect(codes.slice(ADMINISTRATIONS_PER_SECOND)).toEqual(
      Array(ADMINISTRATIONS_PER_SECOND).fill('RATE_LIMITED'),
    );
    const lines = logs.filter(({ message }) => message === 'audit');
    expect(lines).toHaveLength(ADMINISTRATIONS_PER_SECOND);
  });
});
