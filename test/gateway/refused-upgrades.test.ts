import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { REFUSALS_REPORTED_MAX } from '../../src/protocol/limits/gateway.js';
import { openGateway } from './support/open-gateway.js';
import { SocketClient } from './support/socket-client.js';

/** A page of this machine, whose origin is always allowed. */
const page = { origin: 'http://localhost:3000' };

async function statusOf(client: SocketClient): Promise<number> {
  const [, response] = await once(client.socket, 'unexpected-response');
  client.socket.terminate();
  return response.statusCode;
}

const UPGRADE =
  'GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\n` +
  `Origin: ${page.origin}\r\n\r\n`;

/** A server without room for another connection. */
async function full() {
  const gateway = await openGateway({ maxConnectionsPerAddress: 1 });
  await gateway.connect();
  return gateway;
}

describe('a page whose upgrade is refused', () => {
  it('gets the reason in a frame, and a close code', async () => {
    const { port } = await full();
    const client = new SocketClient(port, page);
    expect((await client.next('error')).payload).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      details: { maxConnectionsPerAddress: 1 },
    });
    expect(await client.closed).toEqual({ code: 4429, reason: 'LIMIT_EXCEEDED' });
  });

  it('is told when to try again if it connects too often', async () => {
    const gateway = await openGateway({ maxConnectsPerSecond: 1 });
    const { port } = gateway;
    await gateway.connect();
    const client = new SocketClient(port, page);
    const { payload } = await client.next('error');
    expect(payload).toMatchObject({ code: 'RATE_LIMITED' });
    expect(payload.details.retryAfterMs).toBeGreaterThan(0);
    expect((await client.closed).code).toBe(4429);
  });

  it('gets no reason if its origin or the host is not allowed', async () => {
    const { port } = await full();
    expect(await statusOf(new SocketClient(port, { origin: 'https://evil.example' }))).toBe(403);
    const named = { ...page, headers: { host: 'evil.example' } };
    expect(await statusOf(new SocketClient(port, named))).toBe(403);
  });

  it('gets the reason only while few pages do, and is cut if it does not leave', async () => {
    // A limit over all addresses lets one address open this many sockets.
    const { port, connect: open } = await openGateway({ maxConnections: 1 });
    await open();
    // These sockets never answer the close frame.
    const staying = Array.from({ length: REFUSALS_REPORTED_MAX }, () => connect(port, '127.0.0.1'));
    const statuses: string[] = [];
    for (const socket of staying) {
      socket.on('error', () => {}).write(UPGRADE);
      const [answer] = await once(socket, 'data');
      statuses.push(String(answer).slice(9, 12));
    }
    expect(new Set(statuses)).toEqual(new Set(['101']));
    expect(await statusOf(new SocketClient(port, page))).toBe(503);
    await Promise.all(staying.map((socket) => socket.closed || once(socket, 'close')));
    const later = new SocketClient(port, page);
    expect((await later.next('error')).payload.code).toBe('LIMIT_EXCEEDED');
  });
});

it('a client that is no browser gets the HTTP status', async () => {
  const { port } = await full();
  expect(await statusOf(new SocketClient(port))).toBe(429);
});
