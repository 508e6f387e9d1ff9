import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createGateway, type MountedGateway } from '../../src/gateway/create-gateway.js';
import { FakeEndpoint } from './support/fake-endpoint.js';
import { SocketClient } from './support/socket-client.js';

/** The gateway in an application's own server, in the application's thread. */

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function mount(gateway: MountedGateway): Promise<number> {
  const server = createServer((request, response) => {
    if (request.url === '/mine') response.end('mine');
    else gateway.request(request, response);
  });
  server.on('upgrade', (request, socket, head) => gateway.upgrade(request, socket, head));
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe('a mounted gateway', () => {
  it('answers beside the server’s own routes, and leaves the server running', async () => {
    const gateway = await createGateway(new FakeEndpoint());
    const port = await mount(gateway);
    const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    expect(await get('/mine')).toBe('mine');
    expect((await get('/livez')).trim()).toBe('ok');
    const client = await SocketClient.open(port);
    expect((await client.ask('ping', {})).type).toBe('pong');
    await gateway.close();
    expect((await client.closed).code).toBe(1001);
    expect(await get('/mine')).toBe('mine');
    const late = new SocketClient(port);
    const [, response] = await once(late.socket, 'unexpected-response');
    expect(response.statusCode).toBe(503);
    late.socket.terminate();
  });

  it('goes on if onLog throws, and warns of it once', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    const onLog = (): never => {
      throw Object.create(null);
    };
    const gateway = await createGateway(new FakeEndpoint(), { onLog });
    const port = await mount(gateway);
    for (let n = 0; n < 3; n++) {
      const client = await SocketClient.open(port);
      expect((await client.ask('ping', {})).type).toBe('pong');
      client.socket.terminate();
    }
    await gateway.close();
    process.off('warning', onWarning);
    expect(warnings).toMatchObject([{ code: 'HANDLER_FAILED' }]);
  });

  it('logs its work, and authenticates clients', async () => {
    const messages: string[] = [];
    const gateway = await createGateway(new FakeEndpoint(), {
      auth: { anonymous: { subscribe: ['a'] } },
      onLog: (_level, message) => messages.push(message),
    });
    const port = await mount(gateway);
    const client = await SocketClient.open(port);
    const event = { topic: 'a', type: 'x', payload: 1 };
    expect((await client.ask('publish', { event })).payload.code).toBe('FORBIDDEN');
    expect(messages).toContain('connection opened');
    await gateway.close();
  });

  it('refuses options for a server of its own, and unknown options', async () => {
    const endpoint = new FakeEndpoint();
    for (const options of [{ port: 1 }, { tls: {} }, { gateways: 2 }, { stallMs: -1 }, { x: 1 }]) {
      await expect(createGateway(endpoint, options)).rejects.toMatchObject({
        code: 'OPTION_INVALID',
      });
    }
  });
});
