import { once } from 'node:events';
import { get, IncomingMessage } from 'node:http';
import { connect, Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { RateLimiter } from '../../../src/auth/rate-limiter.js';
import { Budgets } from '../../../src/gateway/budget/budgets.js';
import { BodyBudget, bodyLines } from '../../../src/gateway/http/body.js';
import { PLAIN_CONNECTIONS_PER_ADDRESS_MAX } from '../../../src/protocol/limits/gateway.js';
import { openGateway } from '../support/open-gateway.js';
import { openHttp, principal } from './support/open-http.js';

/** Limits other than those of bodies: how long a client may stay, and how many clients may. */

const HEAD =
  'POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n';
const LINE = `${JSON.stringify({ topic: 'a', type: 'note', payload: 1 })}\n`;

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Checks the condition in each turn of the event loop until it holds. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

describe('an app that is closed', () => {
  it('answers the requests that it has, and refuses later ones', async () => {
    const { url, endpoint, app } = await openHttp();
    let release: () => void = () => {};
    endpoint.gate = new Promise((resolve) => {
      release = resolve;
    });
    const headers = { 'content-type': 'application/json' };
    const publishing = fetch(`${url}/v1/events`, { method: 'POST', headers, body: LINE });
    await until(() => app.pending === 1);
    let isClosed = false;
    const closed = app.close().then(() => {
      isClosed = true;
    });
    const late = await fetch(`${url}/v1/topics`);
    expect([late.status, late.headers.get('connection')]).toEqual([503, 'close']);
    expect(await late.json()).toMatchObject({ code: 'BUS_CLOSED' });
    expect(isClosed).toBe(false);
    release();
    expect((await publishing).status).toBe(200);
    await closed;
    expect(app.pending).toBe(0);
  });
});

describe('a client that leaves', () => {
  it('leaves nothing behind if its upload was being slowed down', async () => {
    const slow = principal({ rates: { publishPerSecond: 1 } });
    const { port, app, endpoint } = await openHttp({ principals: { t: slow } });
    const socket = await dial(port);
    socket.write(`${HEAD}authorization: Bearer t\r\ntransfer-encoding: chunked\r\n\r\n`);
    // The first events put the rate into debt; the events behind them would wait for minutes.
    const body = LINE.repeat(1000);
    socket.write(`${body.length.toString(16)}\r\n${body}\r\n`);
    await until(() => endpoint.events.length > 0);
    socket.destroy();
    await until(() => app.pending === 0);
    expect(endpoint.events.length).toBeLessThan(1000);
  });

  it('is cut if it goes on sending after its answer', async () => {
    const { port } = await openGateway();
    const socket = await dial(port);
    socket.write('POST / HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 1000000\r\n\r\n');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toContain('403');
    socket.resume();
    // The client goes on sending, because Node itself would end a silent connection.
    const sending = setInterval(() => socket.write('x'), 50);
    await once(socket, 'close');
    clearInterval(sending);
  }, 20_000);
});

describe('incomplete lines', () => {
  it('count against the bytes that all requests may hold', async () => {
    const budget = new BodyBudget(1000);
    const request = new IncomingMessage(new Socket());
    const lines = bodyLines(request, budget);
    request.push(Buffer.from(`1\n${'x'.repeat(900)}`));
    expect((await lines.next()).value).toMatchObject([{ number: 1 }]);
    const next = lines.next();
    await until(() => {
      try {
        budget.take(200);
      } catch {
        return true;
      }
      budget.giveBack(200);
      return false;
    });
    request.push(Buffer.from('x'.repeat(200)));
    await expect(next).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(() => budget.take(1000)).not.toThrow();
  });
});

describe('an answer that is not read', () => {
  const KIB = 1024;
  const BIG = { topic: 'a', type: 'note', payload: 'x'.repeat(64 * KIB) };
  /** More events than the kernel's buffers of two sockets hold, so that the rest stays with the server. */
  const EVENTS = 400;

  it.each([
    ['a stream', '/v1/events/stream?topic=*&from=earliest', 'it reads on'],
    ['a stream', '/v1/events/stream?topic=*&from=earliest', 'it leaves'],
    ['a list', '/v1/events?topic=*&limit=400', 'it reads on'],
    ['a list', '/v1/events?topic=*&limit=400', 'it leaves'],
  ])('%s (%s) counts towards the memory of its principal, until %s', async (_, path, end) => {
    const budgets = new Budgets();
    const { url, endpoint } = await openHttp({ budgets });
    for (let n = 0; n < EVENTS; n++) await endpoint.publish(BIG);
    const [response] = (await once(get(`${url}${path}`), 'response')) as [IncomingMessage];
    response.on('error', () => {});
    await until(() => budgets.heldBytes > 512 * KIB);
    if (end === 'it leaves') response.destroy();
    else response.resume();
    await until(() => budgets.heldBytes === 0);
    response.destroy();
  });
});

describe('one address', () => {
  it('cannot occupy all sockets without sending anything', async () => {
    const { port } = await openGateway({ maxConnectionsPerAddress: 2 });
    const most = 2 + PLAIN_CONNECTIONS_PER_ADDRESS_MAX;
    const sockets: Socket[] = [];
    for (let n = 0; n < most; n++) sockets.push(await dial(port));
    const refused = await dial(port);
    refused.resume();
    await once(refused, 'close');
    expect(sockets.every((socket) => !socket.destroyed)).toBe(true);
    const left = sockets.pop()!;
    left.destroy();
    await once(left, 'close');
    // The place becomes free when the server notices that the socket is gone.
    for (;;) {
      const socket = await dial(port);
      socket.write('GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
      const told = await Promise.race([once(socket, 'data'), once(socket, 'close')]);
      if (String(told[0]).includes('200')) break;
    }
    for (const socket of sockets) socket.destroy();
  });
});

describe('rates', () => {
  const event = JSON.stringify({ topic: 'a', type: 'note', payload: 1 });
  const headers = (token: string) => ({
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
  });

  it('count all requests of a principal together, to publish and to query', async () => {
    const perConnection = { publishPerSecond: 0.01, queryPerSecond: 0.01 };
    const { url, endpoint } = await openHttp({
      rates: new RateLimiter({ perConnection }),
      principals: { a: principal({ id: 'a' }), b: principal({ id: 'b' }) },
    });
    const publish = (token: string) =>
      fetch(`${url}/v1/events`, { method: 'POST', headers: headers(token), body: event });
    const paths = ['/v1/events?topic=a', '/v1/topics', '/v1/subscribers', '/v1/stats'];
    const query = (token: string, path: string) =>
      fetch(`${url}${path}`, { headers: headers(token) });
    expect((await publish('a')).status).toBe(200);
    const refused = await publish('a');
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ code: 'RATE_LIMITED' });
    expect((await publish('b')).status).toBe(200);
    expect(endpoint.events).toHaveLength(2);
    expect((await query('a', paths[0]!)).status).toBe(200);
    for (const path of paths) expect((await query('a', path)).status, path).toBe(429);
    expect((await query('b', paths[1]!)).status).toBe(200);
  });
});
