import { once } from 'node:events';
import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { TokenBucket } from '../../src/auth/token-bucket.js';
import { Gateway } from '../../src/gateway/gateway.js';
import { isLoopbackHost, isLoopbackOrigin } from '../../src/gateway/loopback.js';
import { parseGatewaySettings } from '../../src/gateway/settings.js';
import { FakeEndpoint } from './support/fake-endpoint.js';
import { openGateway } from './support/open-gateway.js';
import { SocketClient } from './support/socket-client.js';

interface Answer {
  status: number;
  body: string;
}

async function http(port: number, path: string, options: object = {}): Promise<Answer> {
  const sent = request({ port, host: '127.0.0.1', path, ...options });
  sent.end();
  const [response] = await once(sent, 'response');
  let body = '';
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, body };
}

async function refusal(port: number, headers: object, protocols?: string[]): Promise<Answer> {
  const client = new SocketClient(port, { headers: { ...headers } }, protocols);
  const [, response] = await once(client.socket, 'unexpected-response');
  let body = '';
  for await (const chunk of response) body += chunk;
  client.socket.terminate();
  return { status: response.statusCode, body };
}

describe('connections', () => {
  it('are limited in all', async () => {
    const { port } = await openGateway({ maxConnections: 2 });
    const clients = [await SocketClient.open(port), await SocketClient.open(port)];
    const { status, body } = await refusal(port, {});
    expect(status).toBe(503);
    expect(JSON.parse(body).code).toBe('LIMIT_EXCEEDED');
    await clients[0]!.close();
    await SocketClient.open(port);
  });

  it('are limited per address', async () => {
    const { port } = await openGateway({ maxConnectionsPerAddress: 1 });
    const client = await SocketClient.open(port);
    expect((await refusal(port, {})).status).toBe(429);
    await client.close();
    await SocketClient.open(port);
  });

  it('are accepted only from pages of this machine or of allowed origins', async () => {
    const { port } = await openGateway({ allowedOrigins: ['https://app.example'] });
    const origins = ['https://evil.example', 'null', 'http://127.0.0.1.evil.example', 'nonsense'];
    for (const origin of origins) {
      const { status, body } = await refusal(port, { origin });
      expect(status, origin).toBe(403);
      expect(JSON.parse(body)).toMatchObject({ code: 'FORBIDDEN' });
    }
    for (const origin of ['http://localhost:5173', 'http://[::1]', 'https://app.example']) {
      const client = new SocketClient(port, { headers: { origin } });
      await client.next('welcome');
    }
  });

  it('are refused with an unknown subprotocol', async () => {
    const { port } = await openGateway();
    expect((await refusal(port, {}, ['mqtt'])).status).toBe(400);
    const client = new SocketClient(port, {}, ['mqtt', 'millrace.v1']);
    await client.next('welcome');
    expect(client.socket.protocol).toBe('millrace.v1');
  });
});

describe('publishing', () => {
  it('is limited in events per second if the option is set', async () => {
    const { endpoint, connect } = await openGateway({ maxPublishPerSecond: 10 });
    const client = await connect();
    const event = { topic: 'a', type: 'agent_log', payload: 1 };
    const first = await client.ask('publish', { events: Array(10).fill(event) });
    expect(first.type).toBe('published');
    const { payload } = await client.ask('publish', { events: Array(10).fill(event) });
    expect(payload.code).toBe('RATE_LIMITED');
    expect(payload.details.retryAfterMs).toBeGreaterThan(0);
    expect(endpoint.events).toHaveLength(10);
  });

  it('has an allowance that refills evenly, up to that of one second', () => {
    let now = 0;
    const limit = new TokenBucket(10, () => now);
    expect(limit.take(10)).toBe(0);
    expect(limit.take(1)).toBe(100);
    now += 99;
    expect(limit.take(1)).toBe(1);
    now += 1;
    expect(limit.take(1)).toBe(0);
    now += 3_600_000;
    expect(limit.take(10)).toBe(0);
    expect(limit.take(1)).toBe(100);
    now += 1000;
    expect(limit.take(30)).toBe(0);
    expect(limit.take(1)).toBe(2100);
  });
});

describe('plain HTTP', () => {
  it('answers the probes, and 404 elsewhere', async () => {
    const { port } = await openGateway();
    for (const path of ['/livez', '/readyz', '/readyz?verbose']) {
      expect((await http(port, path)).status).toBe(200);
    }
    expect((await http(port, '/livez', { method: 'HEAD' })).status).toBe(200);
    expect((await http(port, '/livez', { method: 'POST' })).status).toBe(405);
    const missing = await http(port, '/no/such?x=1');
    expect(missing.status).toBe(404);
    expect(JSON.parse(missing.body)).toMatchObject({
      message: expect.stringContaining('/no/such'),
    });
    expect((await http(port, '/events')).status).toBe(426);
  });

  it('refuses an upgrade anywhere but at /events', async () => {
    const { port } = await openGateway();
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    };
    expect((await http(port, '/elsewhere', { headers })).status).toBe(404);
    expect(
      (await http(port, '/events?x=1', { headers: { ...headers, upgrade: 'h2c' } })).status,
    ).toBe(426);
  });
});

describe('a server', () => {
  it('listens for this machine only', () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.1', 'example.com', '127.0.0.1.example.com']) {
      expect(() => parseGatewaySettings({ host }), host).toThrow(
        expect.objectContaining({ code: 'INSECURE_BIND' }),
      );
    }
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'localhost', 'LOCALHOST']) {
      expect(parseGatewaySettings({ host }).port).toBe(7400);
    }
    expect(isLoopbackHost('127.1')).toBe(false);
    expect(isLoopbackOrigin('ftp://localhost')).toBe(false);
  });

  it('fails with a clear error if the port is in use', async () => {
    const { port } = await openGateway();
    const second = new Gateway(new FakeEndpoint(), { port }, () => {});
    await expect(second.listen()).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: `port ${port} on 127.0.0.1 cannot be bound: it is in use; choose another, or 0 for a free one`,
    });
  });

  it('refuses invalid options, and names the offending value', () => {
    const bad = [
      { port: 65_536 },
      { port: 1.5 },
      { port: '80' },
      { maxConnections: 0 },
      { stallMs: Number.NaN },
      { host: '' },
      { allowedOrigins: 'https://a.example' },
      { allowedOrigins: ['a.example'] },
      { allowedOrigins: ['https://a.example/path'] },
      { unknown: 1 },
    ];
    for (const options of bad) {
      expect(() => parseGatewaySettings(options as object), JSON.stringify(options)).toThrow(
        expect.objectContaining({ code: 'OPTION_INVALID' }),
      );
    }
  });
});
