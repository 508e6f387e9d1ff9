import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BusClient } from '../../src/client.js';
import { newKey, temporaryDirectory, writeKeys } from '../auth/support/auth.js';
import { openTestBus } from '../bus/support/open.js';
import { connectTo, reconnected } from './support/millrace-client.js';
import { send, WrongServer } from './support/wrong-server.js';

const input = (topic: string) => ({ topic, type: 'note', payload: 1 });

describe('a client that looks after a bus', () => {
  test('removes events, and is told how many', async () => {
    const bus = await openTestBus({ shards: 2 });
    const { client } = connectTo((await bus.serve({ port: 0 })).url);
    await client.publishMany(['a.1', 'a.2', 'b'].map(input));
    const pruned = await client.prune({ pattern: 'a.*', before: new Date(Date.now() + 60_000) });
    expect(pruned).toEqual({ events: 2, bytes: expect.any(Number) });
    expect((await client.topics()).map(({ name }) => name)).toEqual(['b']);
    await expect(client.prune({})).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  test('makes a backup on the server’s machine, and learns where it stands', async () => {
    const bus = await openTestBus({ shards: 2 });
    const { client } = connectTo((await bus.serve({ port: 0 })).url);
    await client.publish(input('a'));
    const parent = mkdtempSync(join(tmpdir(), 'millrace-backup-'));
    const dir = join(parent, 'copy');
    try {
      const { heads, ...backup } = await client.backup(dir);
      expect(backup).toMatchObject({ dir, epoch: bus.epoch, cursor: expect.any(String) });
      expect(heads.reduce((sum, head) => sum + head, 0)).toBe(1);
      expect(readdirSync(dir)).toContain('shard-000.db');
      await expect(client.backup(dir)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    } finally {
      rmSync(parent, { recursive: true });
    }
  });

  test.each<[string, (client: BusClient) => Promise<unknown>]>([
    ['prune', (client) => client.prune({ maxEvents: 1 })],
    ['backup', (client) => client.backup('/copy')],
    ['disconnect', (client) => client.disconnect('c1')],
    // A repeat might come behind what another client has set since.
    ['setAlert', (client) => client.setAlert({ name: 'quiet', when: 'lag over 5' })],
    ['removeAlert', (client) => client.removeAlert('quiet')],
  ])(
    'sends %s once: a lost connection ends it, and the next one does not repeat it',
    async (act, ask) => {
      const server = await WrongServer.start();
      server.script = ({ type, requestId }, socket) => {
        if (type === act) socket.close(1001, 'gone');
        if (type !== 'access') return type === act;
        send(socket, { type: 'error', requestId, payload: { code: 'FORBIDDEN', message: 'no' } });
        return true;
      };
      const { client } = connectTo(server.url);
      await client.connected();
      await expect(ask(client)).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
      await reconnected(client, 0);
      await expect(client.access()).rejects.toMatchObject({ code: 'FORBIDDEN' });
      expect(server.count(act)).toBe(1);
    },
  );

  test('waits for the next connection with an act that it was asked for just as the last one ended', async () => {
    const server = await WrongServer.start();
    server.script = ({ type, requestId }, socket) => {
      if (type === 'backup') socket.close(1001, 'gone');
      if (type !== 'prune') return type === 'backup';
      send(socket, { type: 'result', requestId, payload: { pruned: { events: 7, bytes: 1 } } });
      return true;
    };
    const { client } = connectTo(server.url);
    await client.connected();
    const pruned = new Promise((resolve) => {
      client.on('state', ({ state }) => {
        if (state === 'reconnecting') resolve(client.prune({ maxEvents: 1 }));
      });
    });
    await expect(client.backup('/copy')).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(await pruned).toMatchObject({ events: 7 });
  });

  test('waits for a connection before it sends an act, but not for ever', async () => {
    const { client } = connectTo('http://127.0.0.1:1', { requestTimeoutMs: 50 });
    await expect(client.prune({ maxEvents: 1 })).rejects.toMatchObject({ code: 'TIMEOUT' });
  });
});

describe('what a principal may do', () => {
  const operator = newKey({ name: 'operator', publish: ['a.*', 'b'], admin: ['*'] });
  const reader = newKey({
    name: 'reader',
    publish: ['log.*'],
    subscribe: ['a.*', { pattern: 'b.*', redact: ['$.card'] }],
    consume: ['mail.*'],
    source: 'reader-1',
  });

  test('is answered to itself, on the WebSocket and over HTTP alike', async () => {
    const keysFile = join(temporaryDirectory(), 'keys.json');
    writeKeys(keysFile, operator, reader);
    const bus = await openTestBus({ shards: 1 });
    const { url } = await bus.serve({ port: 0, auth: { keysFile } });
    const expected = {
      operator: { publish: ['a.*', 'b'], subscribe: [], consume: [], admin: ['*'] },
      reader: {
        publish: ['log.*'],
        subscribe: ['a.*', 'b.*'],
        consume: ['mail.*'],
        admin: [],
        source: 'reader-1',
      },
    };
    for (const { key, stored } of [operator, reader]) {
      const { name } = stored;
      const { client } = connectTo(url, { getToken: () => key });
      const access = { principal: name, ...expected[name as keyof typeof expected] };
      expect(await client.access()).toEqual(access);
      const headers = { authorization: `Bearer ${key}` };
      expect(await (await fetch(`${url}/v1/access`, { headers })).json()).toEqual(access);
    }
    expect((await fetch(`${url}/v1/access`)).status).toBe(401);
  });

  test('is everything where nobody has to authenticate, the topics of the bus’s own included', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { client } = connectTo((await bus.serve({ port: 0 })).url);
    const all = ['*', '$sys.*'];
    const granted = { publish: ['*'], subscribe: all, consume: ['*'], admin: all };
    const expected = { principal: 'anonymous', ...granted };
    expect(await client.access()).toEqual(expected);
  });
});
