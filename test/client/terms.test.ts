import { describe, expect, test } from 'vitest';
import { openTestBus } from '../bus/support/open.js';
import { connectTo } from './support/millrace-client.js';

const event = (topic: string, id?: string) => ({
  topic,
  type: 'note',
  payload: 1,
  ...(id === undefined ? {} : { id }),
});

async function served() {
  const bus = await openTestBus({ shards: 1 });
  const { url } = await bus.serve({ port: 0 });
  return { bus, url };
}

describe('groups and expectations over a connection', () => {
  test('are judged as in process', async () => {
    const { bus, url } = await served();
    const { client } = connectTo(url);
    const first = await client.publish(event('a'), { expect: 'none' });
    await expect(client.publish(event('a'), { expect: 'none' })).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { sequence: 1, id: first.id },
    });
    const acks = await client.publishMany([event('a'), event('b')], {
      atomic: true,
      expect: { a: { sequence: 1 }, b: 'none' },
    });
    expect(acks.map(({ sequence }) => sequence)).toEqual([2, 3]);
    const refused = client.publishMany([event('a'), event('b')], {
      atomic: true,
      expect: { b: { sequence: 2 } },
    });
    await expect(refused).rejects.toMatchObject({ code: 'CONFLICT', details: { index: 1 } });
    expect(await bus.query({ topic: '*' })).toHaveLength(3);
  });

  test('refuse in the client what no server would take', async () => {
    const { url } = await served();
    const { client } = connectTo(url);
    await client.publish(event('a'));
    const large = { ...event('a'), payload: 'x'.repeat(300_000) };
    await expect(client.publishMany(Array(5).fill(large), { atomic: true })).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
    });
    await expect(
      client.publishMany([event('a', 'x'), event('a', 'x')], { atomic: true }),
    ).rejects.toMatchObject({ code: 'EVENT_INVALID' });
    await expect(client.publishMany([event('a')], { expect: 'none' })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
    expect(await client.query({ topic: '*' })).toHaveLength(1);
  });
});

describe('groups and expectations over HTTP', () => {
  const post = async (url: string, query: string, body: unknown, headers = {}) => {
    const response = await fetch(`${url}/v1/events${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    const answer = (await response.json()) as { code?: string };
    return { status: response.status, body: answer };
  };

  test('are named by parameters or headers', async () => {
    const { bus, url } = await served();
    expect(await post(url, '?expect=none', event('a'))).toMatchObject({ status: 200 });
    const conflict = await post(url, '', event('a'), { 'millrace-expect': '7' });
    expect(conflict).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    const terms = '?atomic=true&expect=a:1&expect=b:none';
    expect(await post(url, terms, [event('a'), event('b')])).toMatchObject({ status: 200 });
    const again = await post(url, terms, [event('a'), event('b')]);
    expect(again).toMatchObject({ status: 409, body: { details: { index: 0, sequence: 2 } } });
    const headers = { 'millrace-atomic': 'true', 'millrace-expect': 'a:2, b:3' };
    expect(await post(url, '', [event('b'), event('a')], headers)).toMatchObject({ status: 200 });
    expect(await bus.query({ topic: '*' })).toHaveLength(5);
  });

  test('are refused where they have no meaning', async () => {
    const { bus, url } = await served();
    const wrong = ['?expect=0', '?expect=last', '?atomic=perhaps', '?expect=a:1&expect=a:2'];
    for (const query of wrong) {
      const { status, body } = await post(url, query, [event('a')]);
      expect([query, status, body.code]).toEqual([query, 400, 'OPTION_INVALID']);
    }
    const lines = { 'content-type': 'application/x-ndjson' };
    expect(await post(url, '?atomic=true', event('a'), lines)).toMatchObject({
      body: { code: 'OPTION_INVALID' },
    });
    expect(await bus.query({ topic: '*' })).toEqual([]);
  });
});
