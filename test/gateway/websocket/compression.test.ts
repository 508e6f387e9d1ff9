import { describe, expect, it } from 'vitest';
import { openGateway } from '../support/open-gateway.js';
import { SocketClient } from '../support/socket-client.js';

const event = { topic: 'a', type: 'x', payload: 'again and '.repeat(1000) };
const offer = { perMessageDeflate: true };

describe('compression', () => {
  it('is used only if the server is configured for it and the client offers it', async () => {
    const [without, configured] = [await openGateway(), await openGateway({ compression: true })];
    const extensionsOf = async (port: number, options: object): Promise<string> => {
      const client = new SocketClient(port, options);
      await client.next('welcome');
      return client.socket.extensions;
    };
    expect(await extensionsOf(without.port, offer)).toBe('');
    expect(await extensionsOf(configured.port, { perMessageDeflate: false })).toBe('');
    expect(await extensionsOf(configured.port, offer)).toBe('permessage-deflate');
  });

  it('gives clients with and without it the same events in order, and reads their frames', async () => {
    const { port } = await openGateway({ compression: true });
    const clients = [
      new SocketClient(port, offer),
      new SocketClient(port, { perMessageDeflate: false }),
    ];
    for (const client of clients) {
      await client.next('welcome');
      await client.ask('subscribe', { subscription: 's', filter: 'a' });
      await client.next('caughtUp');
    }
    const before = clients.map(({ received }) => received());
    clients[0]!.send({ type: 'publish', payload: { events: Array(50).fill(event) } });
    for (const client of clients) {
      const sequences: number[] = [];
      while (sequences.length < 50) {
        const { type, payload } = await client.next();
        if (type !== 'events') continue;
        for (const one of payload.events) {
          expect(one.payload).toBe(event.payload);
          sequences.push(one.sequence);
        }
      }
      expect(sequences).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
    }
    const bytes = clients.map(({ received }, index) => received() - before[index]!);
    expect(bytes[1]).toBeGreaterThan(50 * event.payload.length);
    expect(bytes[0]).toBeLessThan(bytes[1]! / 10);
  });

  it('does not let a small frame inflate beyond the limit', async () => {
    const { port, endpoint } = await openGateway({ compression: true, maxFrameBytes: 2048 });
    const client = new SocketClient(port, offer);
    await client.next('welcome');
    client.send({ type: 'publish', payload: { event } });
    expect((await client.closed).code).toBe(1009);
    expect(endpoint.published).toEqual([]);
  });
});
