import { get, type IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { decodeCursor } from '../../../src/protocol/cursor.js';
import { openHttp, principal } from './support/open-http.js';

async function fill(endpoint: Awaited<ReturnType<typeof openHttp>>['endpoint'], count: number) {
  for (let n = 0; n < count; n++) {
    await endpoint.publish({ topic: `a.${n % 3}`, type: 'note', payload: n });
  }
}

describe('GET /v1/events', () => {
  it('returns an array, with the cursor after its last event', async () => {
    const { url, endpoint } = await openHttp();
    await fill(endpoint, 5);
    const response = await fetch(`${url}/v1/events?topic=a.+&limit=3`);
    expect(response.status).toBe(200);
    const events = (await response.json()) as { payload: number }[];
    expect(events.map(({ payload }) => payload)).toEqual([0, 1, 2]);
    const cursor = response.headers.get('millrace-cursor');
    expect(decodeCursor(cursor)).toEqual({ epoch: 'epoch-1', positions: [3] });
    expect(endpoint.queries[0]).toEqual({ topic: ['a.+'], limit: 3 });
  });

  it('passes every parameter to the bus', async () => {
    const { url, endpoint } = await openHttp();
    const query =
      'topic=a.*&topic=b.%2B&since=2026-01-01T00:00:00+00:00&until=2027-01-01T00:00:00Z' +
      '&type=x&type=y&source=my+scanner&correlationId=r&attribute=agentId=7&attribute=agentId=a%3Db&reverse&limit=7';
    expect(await (await fetch(`${url}/v1/events?${query}`)).json()).toEqual([]);
    expect(endpoint.queries[0]).toEqual({
      topic: ['a.*', 'b.+'],
      since: '2026-01-01T00:00:00+00:00',
      until: '2027-01-01T00:00:00Z',
      types: ['x', 'y'],
      sources: ['my scanner'],
      correlationIds: ['r'],
      attributes: { agentId: ['7', 'a=b'] },
      reverse: true,
      limit: 7,
    });
  });

  it('has no cursor if the newest events come first', async () => {
    const { url } = await openHttp();
    const response = await fetch(`${url}/v1/events?topic=*&reverse=true`);
    expect(response.headers.get('millrace-cursor')).toBeNull();
  });

  it.each([
    ['', 'topic'],
    ['topic=a&x=1', 'x'],
    ['topic=a&limit=0', 'limit'],
    ['topic=a&limit=1&limit=2', 'limit'],
    ['topic=a&limit=9007199254740993', 'limit'],
    ['topic=a&reverse=perhaps', 'reverse'],
    ['topic=a&attribute=b', 'attribute'],
    ['topic=%ff', 'topic'],
    ['%ff=a', ''],
  ])('refuses ?%s and says which parameter is at fault', async (query, path) => {
    const { url } = await openHttp();
    const response = await fetch(`${url}/v1/events?${query}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'QUERY_INVALID', details: { path } });
  });

  it.each([
    ['too long', `topic=${'a'.repeat(12_300)}`],
    ['of too many parameters', 'topic=a&'.repeat(1100)],
  ])('refuses a query that is %s', async (_, query) => {
    const { url } = await openHttp();
    const response = await fetch(`${url}/v1/events?${query}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'QUERY_INVALID' });
  });

  it('returns lines on demand, and refuses types that it does not offer', async () => {
    const { url, endpoint } = await openHttp();
    await fill(endpoint, 2);
    const accept = (type: string) =>
      fetch(`${url}/v1/events?topic=*`, { headers: { accept: type } });
    const lines = await accept('application/x-ndjson');
    expect((await lines.text()).split('\n').map((line) => line.length > 0)).toEqual([
      true,
      true,
      false,
    ]);
    const liked = await accept('text/html, application/x-ndjson;q=0.4, application/json;q=0.5');
    expect(liked.headers.get('content-type')).toBe('application/json');
    const none = await accept('application/json;q=0, text/html');
    expect(none.status).toBe(406);
    await none.body?.cancel();
  });

  it('streams a long answer, with the cursor as a trailer', async () => {
    const { port, endpoint } = await openHttp();
    const payload = 'x'.repeat(10_000);
    for (let n = 0; n < 300; n++) await endpoint.publish({ topic: 'a', type: 'note', payload });
    const response = await open(port, '/v1/events?topic=a&limit=300');
    expect(response.headers.trailer).toBe('millrace-cursor');
    expect(JSON.parse(await textOf(response))).toHaveLength(300);
    expect(decodeCursor(response.trailers['millrace-cursor']).positions).toEqual([300]);
  });

  it('reads the log only as fast as its client reads, and cuts a client that stops', async () => {
    const stalled: string[] = [];
    const { port, endpoint } = await openHttp({
      settings: { maxOutboundBytes: 64 * 1024, stallMs: 300 },
      log: (_, message) => void stalled.push(message),
    });
    const payload = 'x'.repeat(10_000);
    for (let n = 0; n < 3000; n++) await endpoint.publish({ topic: 'a', type: 'note', payload });
    let read = 0;
    const whole = endpoint.read.bind(endpoint);
    endpoint.read = async function* counted<P>(query: Parameters<typeof whole>[0]) {
      for await (const event of whole<P>(query)) {
        read++;
        yield event;
      }
    };
    const response = await open(port, '/v1/events?topic=a&limit=3000');
    response.pause();
    while (stalled.length === 0) await new Promise((resolve) => setImmediate(resolve));
    response.destroy();
    expect(read).toBeLessThan(3000);
    expect(stalled).toContain('request cut: its answer is not read');
  });

  it('breaks off an answer that fails half-way, so that it looks incomplete', async () => {
    const { port, endpoint } = await openHttp();
    endpoint.read = async function* failing<P>() {
      const payload = 'x'.repeat(100_000) as P;
      const fields = { topic: 'a', type: 'note', source: 's', timestamp: '', shard: 0 };
      for (let n = 1; n < 20; n++) yield { ...fields, id: `e${n}`, payload, sequence: n };
      throw new Error('the disk is gone');
    };
    const response = await open(port, '/v1/events?topic=a');
    await expect(textOf(response)).rejects.toThrow('aborted');
  });

  it('answers HEAD as it answers GET, without the body', async () => {
    const { url, endpoint } = await openHttp();
    await fill(endpoint, 2);
    const response = await fetch(`${url}/v1/events?topic=*`, { method: 'HEAD' });
    expect(response.headers.get('millrace-cursor')).not.toBeNull();
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(100);
    expect(await response.text()).toBe('');
  });

  it('masks the fields that its principal may not see, in every format', async () => {
    const reader = principal({
      redacts: true,
      redact: (event) => ({ ...event, payload: '***' }),
      beyondSubscribe: (patterns) => patterns.find((pattern) => pattern !== 'a.0'),
    });
    const { url, endpoint } = await openHttp({ principals: { t: reader } });
    await endpoint.publish({ topic: 'a.0', type: 'note', payload: 'secret' });
    const ask = (topic: string, accept: string) =>
      fetch(`${url}/v1/events?topic=${topic}`, { headers: { authorization: 'Bearer t', accept } });
    for (const type of [
      'application/json',
      'application/x-ndjson',
      'application/cloudevents-batch+json',
    ]) {
      const text = await (await ask('a.0', type)).text();
      expect(text).toContain('***');
      expect(text).not.toContain('secret');
    }
    const beyond = await ask('*', '*/*');
    expect(beyond.status).toBe(403);
    await beyond.body?.cancel();
  });
});

function open(port: number, path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get({ port, path, host: '127.0.0.1', agent: false }, resolve).on('error', reject);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const part of response) text += part;
  return text;
}
