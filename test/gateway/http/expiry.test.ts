import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { Event } from '../../../src/protocol/event.js';
import { openHttp, principal } from './support/open-http.js';

/** An upload or an answer can last for hours, and ends with its token. */

const line = `${JSON.stringify({ topic: 'a.b', type: 'agent_log', payload: 1 })}\n`;

const event: Event = {
  id: 'x',
  topic: 'a.b',
  type: 'agent_log',
  payload: 1,
  source: 's',
  timestamp: '2026-01-31T00:00:00.000Z',
  shard: 0,
  sequence: 1,
};

describe('an NDJSON upload', () => {
  it.each([
    ['expires', { expiresAt: 0 }, 'the token has expired'],
    ['is revoked', { isRevoked: true }, 'the key or token was revoked or changed'],
  ])('publishes no further line once its token %s', async (_, end, reason) => {
    const held = { ...principal() };
    const { port, endpoint } = await openHttp({ principals: { t: held } });
    const upload = request({
      port,
      path: '/v1/events',
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', authorization: 'Bearer t' },
    });
    upload.write(line);
    const [response] = (await once(upload, 'response')) as [IncomingMessage];
    response.setEncoding('utf8');
    const acks = response[Symbol.asyncIterator]();
    expect(JSON.parse((await acks.next()).value)).toMatchObject({ topic: 'a.b' });
    Object.assign(held, end);
    upload.end(line);
    const { error } = JSON.parse((await acks.next()).value);
    expect(error).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
    expect(error.message).toContain(reason);
    expect(endpoint.published).toHaveLength(1);
  });
});

describe('a query', () => {
  it('returns no further event once its token has expired', async () => {
    const held = { ...principal() };
    const { url, endpoint } = await openHttp({ principals: { t: held } });
    endpoint.events.push(event);
    held.beyondSubscribe = () => void Object.assign(held, { expiresAt: 0 });
    const answer = await fetch(`${url}/v1/events?topic=*`, {
      headers: { authorization: 'Bearer t' },
    });
    expect(answer.status).toBe(401);
  });
});
