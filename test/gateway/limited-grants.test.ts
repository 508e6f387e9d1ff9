import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newKey, temporaryDirectory, writeKeys } from '../auth/support/auth.js';
import { openTestBus } from '../bus/support/open.js';
import { connectTo } from '../client/support/millrace-client.js';

/** What a principal that may do little learns from the calls of operators, over both doors. */

const limited = newKey({
  name: 'limited',
  publish: ['mine.*'],
  subscribe: ['mine.*'],
  admin: ['mine.*'],
});
const operator = newKey({ name: 'operator', subscribe: ['*'], admin: ['*'] });

async function serve() {
  const keysFile = join(temporaryDirectory(), 'keys.json');
  writeKeys(keysFile, limited, operator);
  const bus = await openTestBus({ shards: 2 });
  const { url } = await bus.serve({ port: 0, auth: { keysFile } });
  for (const topic of ['mine.1', 'secret.1']) {
    await bus.publish({ topic, type: 'note', payload: 1 });
  }
  const as = (key: string) => connectTo(url, { getToken: () => key }).client;
  const get = async (path: string, method = 'GET') => {
    const headers = { authorization: `Bearer ${limited.key}` };
    const answer = await fetch(`${url}/v1/${path}`, { method, headers });
    return { status: answer.status, text: await answer.text() };
  };
  return { bus, client: as(limited.key), operator: as(operator.key), get };
}

describe('a principal with grants for some topics', () => {
  it('learns nothing of the bus as a whole, and changes nothing of it', async () => {
    const { client, operator, get } = await serve();
    const { connections } = await operator.connections();
    const { id } = connections[0]!;
    const forbidden = { code: 'FORBIDDEN' };
    const calls = [
      () => client.stats(),
      () => client.figures(),
      () => client.connections(),
      () => client.disconnect(id),
      () => client.subscribers(),
      () => client.subscribers('secret.1'),
      () => client.alerts(),
      () => client.setAlert({ name: 'a', when: 'lag over 5' }),
      () => client.removeAlert('a'),
      () => client.prune({ maxEvents: 1 }),
      () => client.backup('/copy'),
      () => client.subscribe('$sys.alert.*').ready,
    ];
    for (const call of calls) await expect(call(), String(call)).rejects.toMatchObject(forbidden);
    for (const path of ['stats', 'figures', 'connections', 'subscribers', 'alerts']) {
      expect((await get(path)).status, path).toBe(403);
    }
    expect((await get('subscribers?topic=secret.1')).status).toBe(403);
    expect((await get(`connections/${id}`, 'DELETE')).status).toBe(403);
    expect((await get('connections/nobody', 'DELETE')).status).toBe(403);
  });

  it('sees its own topics alone', async () => {
    const { client, get } = await serve();
    expect((await client.topics()).map(({ name }) => name)).toEqual(['mine.1']);
    expect((await get('topics')).text).not.toContain('secret');
    const { principal, ...access } = await client.access();
    expect([principal, ...Object.values(access).flat()]).toEqual([
      'limited',
      ...Array(3).fill('mine.*'),
    ]);
  });

  it('sees who subscribes to a topic that it administers, but not what else they subscribe to', async () => {
    const { bus, client, operator, get } = await serve();
    await bus.subscribe(['mine.*', 'secret.*'], () => {}, { name: 'both' }).ready;
    await bus.subscribe('*', () => {}, { name: 'all' }).ready;
    const expected = [
      { name: 'both', topics: ['mine.*'] },
      { name: 'all', topics: ['*'] },
    ];
    expect(await client.subscribers('mine.1')).toMatchObject(expected);
    const { text } = await get('subscribers?topic=mine.1');
    expect(JSON.parse(text)).toMatchObject(expected);
    expect(text).not.toContain('secret');
    const [both] = await operator.subscribers('mine.1');
    expect(both?.topics).toEqual(['mine.*', 'secret.*']);
  });
});
