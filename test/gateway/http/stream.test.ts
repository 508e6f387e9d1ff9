import { describe, expect, it } from 'vitest';
import { BUDGET_LIMITS } from '../../../src/gateway/budget/account.js';
import { Budgets } from '../../../src/gateway/budget/budgets.js';
import { Refusal } from '../../../src/gateway/refusal.js';
import { decodeCursor } from '../../../src/protocol/cursor.js';
import { BusError } from '../../../src/protocol/errors.js';
import { openHttp, principal } from './support/open-http.js';
import { SseClient } from './support/sse-client.js';

const NOTE = { type: 'note', payload: 'x' };

describe('GET /v1/events/stream', () => {
  it('sends events as they happen, each with the cursor after it', async () => {
    const { url, endpoint } = await openHttp();
    const client = await SseClient.open(`${url}/v1/events/stream?topic=a.*&from=earliest`);
    expect(client.response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    const first = await client.next(true);
    const retry = Number(first.retry);
    expect(retry).toBeGreaterThanOrEqual(2000);
    expect(retry).toBeLessThanOrEqual(4000);
    expect(decodeCursor(first.id).positions).toEqual([0]);
    expect(await client.next()).toMatchObject({ event: 'caughtUp' });
    for (let n = 1; n <= 3; n++) await endpoint.publish({ topic: 'a.b', type: 'note', payload: n });
    for (let n = 1; n <= 3; n++) {
      const block = await client.next();
      expect(block.event).toBeUndefined();
      expect(JSON.parse(block.data!)).toMatchObject({ topic: 'a.b', payload: n, sequence: n });
      expect(decodeCursor(block.id).positions).toEqual([n]);
    }
    client.close();
  });

  it('resumes after the last id, by header or parameter, which takes precedence over from', async () => {
    const { url, endpoint } = await openHttp();
    for (let n = 0; n < 8; n++) await endpoint.publish({ topic: 'a', ...NOTE });
    const asked: unknown[] = [];
    const subscribe = endpoint.subscribe.bind(endpoint) as typeof endpoint.subscribe;
    endpoint.subscribe = ((filter: never, handler: never, options: { from?: unknown }) => {
      asked.push(options.from);
      return subscribe(filter, handler, options as never);
    }) as typeof endpoint.subscribe;
    const path = `${url}/v1/events/stream?topic=*&from=earliest`;
    (await SseClient.open(path, { 'last-event-id': 'AQ1' })).close();
    (await SseClient.open(`${path}&lastEventId=AQ2`)).close();
    (await SseClient.open(`${url}/v1/events/stream?topic=*&from=after:AQ3`)).close();
    (
      await SseClient.open(`${url}/v1/events/stream?topic=*&from=since:2026-01-01T00:00:00%2B00:00`)
    ).close();
    (await SseClient.open(`${url}/v1/events/stream?topic=*&from=last:7`)).close();
    (await SseClient.open(`${url}/v1/events/stream?topic=*`)).close();
    expect(asked).toEqual([
      { after: 'AQ1' },
      { after: 'AQ2' },
      { after: 'AQ3' },
      { since: '2026-01-01T00:00:00+00:00' },
      { last: 7 },
      'now',
    ]);
  });

  it('reports gaps, drops and the end as named events', async () => {
    const { url, endpoint } = await openHttp();
    const client = await SseClient.open(`${url}/v1/events/stream?topic=*`);
    await client.named('caughtUp');
    const [subscription] = endpoint.subscriptions;
    subscription!.emit('gap', { shard: 0, from: 1, to: 4, reason: 'pruned' });
    subscription!.emit('dropped', { count: 3 });
    subscription!.fail(new BusError('SLOW_CONSUMER', 'too slow'));
    expect(JSON.parse((await client.named('gap')).data!)).toMatchObject({ from: 1, to: 4 });
    expect(JSON.parse((await client.named('dropped')).data!)).toEqual({ count: 3 });
    const ended = JSON.parse((await client.named('ended')).data!);
    expect(ended).toMatchObject({ code: 'SLOW_CONSUMER', cursor: expect.any(String) });
    await client.closed;
  });

  it('sends heartbeats with the cursor on quiet connections', async () => {
    const { url } = await openHttp({ settings: { heartbeatMs: 20 } });
    const client = await SseClient.open(`${url}/v1/events/stream?topic=*`);
    const block = await client.named('heartbeat');
    expect(block.id).toEqual(expect.any(String));
    expect(Date.parse(JSON.parse(block.data!).time)).not.toBeNaN();
    client.close();
  });

  it('forbids proxies to compress or buffer it', async () => {
    const { url } = await openHttp();
    const client = await SseClient.open(`${url}/v1/events/stream?topic=*`);
    const { headers } = client.response;
    expect(headers['cache-control']).toBe('no-store, no-transform');
    expect(headers['x-accel-buffering']).toBe('no');
    client.close();
  });

  it('answers a temporary refusal with a stream that says when to retry', async () => {
    const details = { retryAfterMs: 7000 };
    const enter = () => {
      throw new Refusal(429, 'RATE_LIMITED', 'too often', details);
    };
    const { url, app } = await openHttp({ enter });
    const client = await SseClient.open(`${url}/v1/events/stream?topic=*`);
    expect(client.response.statusCode).toBe(200);
    const block = await client.next();
    expect(block.event).toBe('ended');
    // Without an id here, the browser keeps the id of the last event that it got, and resumes from there.
    expect(block.id).toBeUndefined();
    expect(Number(block.retry)).toBeGreaterThanOrEqual(7000);
    expect(JSON.parse(block.data!)).toEqual({
      code: 'RATE_LIMITED',
      message: 'too often',
      details,
    });
    await client.closed;
    const head = await fetch(`${url}/v1/events/stream?topic=*`, { method: 'HEAD' });
    expect(head.status).toBe(200);
    const closed = app.close();
    const late = await SseClient.open(`${url}/v1/events/stream?topic=*`);
    expect(JSON.parse((await late.named('ended')).data!).code).toBe('BUS_CLOSED');
    await Promise.all([late.closed, closed]);
  });

  it.each([
    ['RATE_LIMITED', 'comes back'],
    ['LIMIT_EXCEEDED', 'comes back'],
    ['AUTH_UNAVAILABLE', 'comes back'],
    ['BACKPRESSURE', 'comes back'],
    ['BUS_CLOSED', 'comes back'],
    ['SHARD_RESTARTED', 'comes back'],
    ['STORE_LOCKED', 'comes back'],
    ['STORE_FAILED', 'comes back'],
    ['SLOW_CONSUMER', 'comes back'],
    ['TIMEOUT', 'comes back'],
    ['UNAUTHENTICATED', 401],
    ['FORBIDDEN', 403],
    ['CURSOR_INVALID', 400],
    ['CURSOR_EXPIRED', 410],
    ['FILTER_INVALID', 400],
    ['STORE_CORRUPT', 500],
    ['INTERNAL', 500],
  ] as const)(
    'that is refused with %s makes a browser retry, or has a lasting status: %s',
    async (code, end) => {
      const { url, endpoint } = await openHttp();
      endpoint.subscribe = () => {
        throw new BusError(code, 'refused');
      };
      const client = await SseClient.open(`${url}/v1/events/stream?topic=*`);
      expect(client.response.statusCode).toBe(end === 'comes back' ? 200 : end);
      const type = end === 'comes back' ? 'text/event-stream; charset=utf-8' : 'application/json';
      expect(client.response.headers['content-type']).toBe(type);
      client.close();
    },
  );

  it('is refused for good if its filter alone exceeds a limit', async () => {
    const limits = { ...BUDGET_LIMITS, maxPatterns: 3, maxPatternsPerPrincipal: 4 };
    const { url } = await openHttp({ budgets: new Budgets(limits) });
    const stream = `${url}/v1/events/stream?topic=a&topic=b&topic=c`;
    const wide = await fetch(`${stream}&topic=d`);
    expect(wide.status).toBe(400);
    expect(await wide.json()).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      details: { limitOf: 'filter', maxPatterns: 3 },
    });
    // A smaller filter finds no room beside another subscription, and finds it once that one has ended.
    const first = await SseClient.open(stream);
    await first.named('caughtUp');
    const second = await SseClient.open(stream);
    expect(second.response.statusCode).toBe(200);
    const { code, details } = JSON.parse((await second.named('ended')).data!);
    expect([code, details.limitOf]).toEqual(['LIMIT_EXCEEDED', 'principal']);
    first.close();
  });

  it('unsubscribes once the client is gone', async () => {
    let left = 0;
    const enter = () => ({ leave: () => void left++ });
    const { url, endpoint } = await openHttp({ enter });
    const client = await SseClient.open(`${url}/v1/events/stream?topic=*`);
    expect(endpoint.subscriptions.size).toBe(1);
    client.close();
    await until(() => endpoint.subscriptions.size === 0 && left === 1);
  });

  it('grants no credit for a client that does not read, and cuts it', async () => {
    const logs: string[] = [];
    const { url, endpoint } = await openHttp({
      settings: { maxOutboundBytes: 64 * 1024, stallMs: 400 },
      log: (_, message) => void logs.push(message),
    });
    const client = await SseClient.open(`${url}/v1/events/stream?topic=*`);
    client.response.pause();
    const [subscription] = endpoint.subscriptions;
    const payload = 'x'.repeat(10_000);
    for (let n = 0; n < 3000; n++) await endpoint.publish({ topic: 'a', type: 'note', payload });
    await until(() => endpoint.subscriptions.size === 0);
    expect(subscription!.taken).toBeLessThan(3000);
    expect(logs).toContain('stream cut: slow consumer');
    client.close();
  });

  it('puts the events of one turn into one write', async () => {
    const { url, endpoint, server } = await openHttp();
    const writes: string[] = [];
    server.prependListener('request', (_, response) => {
      const write = response.write.bind(response) as (...values: unknown[]) => boolean;
      response.write = ((text: string, ...rest: unknown[]) => {
        writes.push(text);
        return write(text, ...rest);
      }) as typeof response.write;
    });
    const client = await SseClient.open(`${url}/v1/events/stream?topic=*`);
    await client.named('caughtUp');
    const before = writes.length;
    const inputs = Array.from({ length: 50 }, () => ({ topic: 'a', ...NOTE }));
    await endpoint.publishMany(inputs);
    for (let n = 0; n < 50; n++) await client.next();
    expect(writes.length - before).toBe(1);
    client.close();
  });

  it('ends when its token does, when its key is revoked, and when the server stops', async () => {
    const key = principal();
    const soon = principal({ expiresAt: Date.now() + 300 });
    const { url, app, revoke } = await openHttp({ principals: { key, soon } });
    const open = (token: string) =>
      SseClient.open(`${url}/v1/events/stream?topic=*`, { authorization: `Bearer ${token}` });
    const expiring = await open('soon');
    expect((await expiring.named('ended')).data).toContain('expired');
    const revoked = await open('key');
    revoke(key);
    expect((await revoked.named('ended')).data).toContain('UNAUTHENTICATED');
    const last = await open('key');
    const closing = app.close();
    expect((await last.named('ended')).data).toContain('BUS_CLOSED');
    await Promise.all([expiring.closed, revoked.closed, last.closed, closing]);
  });

  it.each([
    ['', 400, 'QUERY_INVALID'],
    ['topic=a&from=yesterday', 400, 'QUERY_INVALID'],
    ['topic=a&from=last:0', 400, 'QUERY_INVALID'],
    ['topic=a&overflow=block', 400, 'QUERY_INVALID'],
    ['topic=a&format=xml', 400, 'QUERY_INVALID'],
    ['topic=a&limit=1', 400, 'QUERY_INVALID'],
    ['topic=a..b', 400, 'PATTERN_INVALID'],
    ['topic=a&category=a_b', 400, 'FILTER_INVALID'],
    ['topic=a&from=after:bad', 400, 'CURSOR_INVALID'],
    [`topic=a&lastEventId=${'a'.repeat(400)}`, 400, 'CURSOR_INVALID'],
  ])('refuses ?%s with its status, before the stream begins', async (query, status, code) => {
    const { url } = await openHttp();
    const response = await fetch(`${url}/v1/events/stream?${query}`);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code });
  });

  it('carries lines of JSON on demand, with the names and cursors of the events', async () => {
    const { url, endpoint, app } = await openHttp();
    await endpoint.publish({ topic: 'a', ...NOTE });
    const accept = 'application/x-ndjson';
    const path = `${url}/v1/events/stream?topic=*&from=earliest`;
    const response = await fetch(path, { headers: { accept } });
    expect(response.headers.get('content-type')).toBe(accept);
    const closed = app.close();
    const lines = (await response.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const names = lines.map(({ event }) => event);
    expect([names[0], names[1], names.at(-1)]).toEqual(['open', 'message', 'ended']);
    const message = lines.find(({ event }) => event === 'message');
    expect(decodeCursor(message.cursor).positions).toEqual([1]);
    expect(message.data).toMatchObject({ topic: 'a', sequence: 1, payload: 'x' });
    const late = await fetch(path, { headers: { accept } });
    expect(late.status).toBe(503);
    expect(await late.json()).toMatchObject({ code: 'BUS_CLOSED' });
    await closed;
  });

  it('carries CloudEvents on demand', async () => {
    const { url, endpoint } = await openHttp();
    const client = await SseClient.open(`${url}/v1/events/stream?topic=*&format=cloudevents`);
    await client.named('caughtUp');
    await endpoint.publish({ topic: 'a', ...NOTE });
    expect(JSON.parse((await client.next()).data!)).toMatchObject({
      specversion: '1.0',
      subject: 'a',
      data: 'x',
    });
    client.close();
  });
});

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}
