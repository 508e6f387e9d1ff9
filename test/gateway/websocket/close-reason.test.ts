import { describe, expect, it } from 'vitest';
import { openGateway } from '../support/open-gateway.js';
import { SocketClient } from '../support/socket-client.js';

/** A close frame has room for 123 bytes of reason. `ws` throws if there are more, which would end the thread. */

const jwt = {
  secret: 'a secret of thirty-two bytes or more',
  issuer: 'test',
  audience: 'millrace',
};

describe('an unauthenticated client whose first frame has a fault with a long message', () => {
  it.each([
    ['ASCII', 'y'.repeat(300)],
    ['characters of several bytes', 'é'.repeat(300)],
    ['characters of several bytes, at another offset', `y${'€'.repeat(300)}`],
  ])('is closed with 1008 and as much of the reason as fits: %s', async (_, type) => {
    const gateway = await openGateway({ auth: { jwt } });
    const client = new SocketClient(gateway.port);
    await client.next('welcome');
    client.socket.send(JSON.stringify({ type, payload: {} }));
    const { payload } = await client.next('error');
    const { code, reason } = await client.closed;
    expect(code).toBe(1008);
    expect(Buffer.byteLength(payload.message)).toBeGreaterThan(123);
    expect(Buffer.byteLength(reason)).toBeGreaterThan(119);
    expect(payload.message.startsWith(reason)).toBe(true);
  });
});
