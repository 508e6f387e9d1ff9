import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createGateway } from '../../../src/gateway/create-gateway.js';
import { FakeEndpoint } from '../support/fake-endpoint.js';
import { openGateway } from '../support/open-gateway.js';
import { sendRaw, statusOf } from './support/raw-request.js';

/** Requests that proxies, old clients and hostile clients send, on raw sockets. */

const EVENT = JSON.stringify({ topic: 'a.b', type: 'note', payload: 'x'.repeat(1000) });
const CLOSE = 'host: localhost\r\nconnection: close\r\n';

function post(body: string, headers: string): string {
  const length = `content-length: ${body.length}\r\ncontent-type: application/json\r\n`;
  return `POST /v1/events HTTP/1.1\r\nhost: localhost\r\n${length}${headers}\r\n${body}`;
}

describe('a request to upgrade to an unknown protocol', () => {
  it('is answered without an upgrade, and so is a request that follows its body', async () => {
    const { port, endpoint } = await openGateway();
    const upgrade =
      'connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n';
    const next = `GET /livez HTTP/1.1\r\n${CLOSE}\r\n`;
    const answer = await sendRaw(port, post(EVENT, upgrade) + next);
    expect(answer.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
    expect(answer).toContain('"durability":"synced"');
    expect(endpoint.events).toHaveLength(1);
  });

  it('is answered when its body comes later, in pieces', async () => {
    const { port, endpoint } = await openGateway();
    const upgrade = 'connection: Upgrade\r\nupgrade: h2c\r\n';
    const text = post(EVENT, upgrade);
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    const answered = new Promise<string>((resolve) => {
      socket.setEncoding('utf8').once('data', (piece) => resolve(String(piece)));
    });
    for (let at = 0; at < text.length; at += 200) {
      await new Promise<void>((resolve) => {
        socket.write(text.slice(at, at + 200), () => setImmediate(resolve));
      });
    }
    expect(statusOf(await answered)).toBe(200);
    expect(endpoint.events).toHaveLength(1);
    socket.destroy();
  });

  it('is answered with its body by a mounted gateway', async () => {
    const endpoint = new FakeEndpoint();
    const gateway = await createGateway(endpoint);
    const server = createServer((request, response) => gateway.request(request, response));
    server.on('upgrade', (request, socket, head) => gateway.upgrade(request, socket, head));
    await once(server.listen(0), 'listening');
    const upgrade = 'connection: Upgrade\r\nupgrade: h2c\r\n';
    const { port } = server.address() as AddressInfo;
    const isAnswered = (answer: string) => answer.includes('"durability":"synced"');
    expect(statusOf(await sendRaw(port, post(EVENT, upgrade), isAnswered))).toBe(200);
    expect(endpoint.events).toHaveLength(1);
    await gateway.close();
    server.close();
  });

  it('still has its host and origin checked', async () => {
    const { port } = await openGateway();
    const head = 'connection: Upgrade, close\r\nupgrade: h2c\r\n';
    const request = `GET /livez HTTP/1.1\r\nhost: evil.example\r\n${head}\r\n`;
    expect(statusOf(await sendRaw(port, request, (answer) => answer.includes('}')))).toBe(403);
  });
});

describe('a list of over 1 MiB', () => {
  const open = async () => {
    const opened = await openGateway();
    for (let n = 0; n < 1500; n++) await opened.endpoint.publish(JSON.parse(EVENT));
    return opened;
  };
  const path = '/v1/events?topic=*&limit=1500';

  it('goes out whole, without a trailer, to a client of HTTP/1.0', async () => {
    const { port } = await open();
    const answer = await sendRaw(port, `GET ${path} HTTP/1.0\r\nhost: localhost\r\n\r\n`);
    expect(statusOf(answer)).toBe(200);
    const [head, body] = answer.split('\r\n\r\n') as [string, string];
    expect(head.toLowerCase()).not.toMatch(/trailer|transfer-encoding/);
    expect(JSON.parse(body)).toHaveLength(1500);
  });

  it('has the same status and type on HEAD, and no body', async () => {
    const { port } = await open();
    const answer = await sendRaw(port, `HEAD ${path} HTTP/1.1\r\n${CLOSE}\r\n`);
    expect(statusOf(answer)).toBe(200);
    expect(answer.toLowerCase()).toContain('content-type: application/json');
    expect(answer.split('\r\n\r\n')[1]).toBe('');
  });

  it('ends in a trailer with the cursor in HTTP/1.1', async () => {
    const { port } = await open();
    const answer = await sendRaw(port, `GET ${path} HTTP/1.1\r\n${CLOSE}\r\n`);
    expect(answer.toLowerCase()).toMatch(/\r\n0\r\nmillrace-cursor: \S+/);
  });

  it('ends in a reset for a client of HTTP/1.0 if it fails half-way', async () => {
    const { port, endpoint } = await open();
    const socket = connect(port, '127.0.0.1').resume();
    const read = endpoint.read.bind(endpoint);
    endpoint.read = async function* (query: never) {
      let count = 0;
      for await (const event of read(query)) {
        // Fails only when the client has the answer's first bytes.
        if (++count === 1400) await once(socket, 'data');
        if (count === 1401) throw new Error('half-way');
        yield event;
      }
    } as typeof endpoint.read;
    socket.write(`GET ${path} HTTP/1.0\r\nhost: localhost\r\n\r\n`);
    const error = await new Promise((resolve) => {
      socket.once('error', resolve);
      socket.once('close', () => resolve(undefined));
    });
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  });
});

describe('a path that changes when it is normalised', () => {
  it.each([
    '//v1/events?topic=*',
    '/v1//events?topic=*',
    '/v1/../livez',
    '/./livez',
    '/v1/events/.',
    '/%2e/livez',
    '/v1%2fevents?topic=*',
    '/v1/%65vents?topic=*',
    '/%6Civez',
    '/v1\\events?topic=*',
    '/LIVEZ',
    '/livez/',
  ])('%s is not found', async (path) => {
    const { port } = await openGateway();
    expect(statusOf(await sendRaw(port, `GET ${path} HTTP/1.1\r\n${CLOSE}\r\n`))).toBe(404);
  });

  it('is found in a target that is a whole URL, as proxies send', async () => {
    const { port } = await openGateway();
    const request = `GET http://localhost/livez HTTP/1.1\r\n${CLOSE}\r\n`;
    expect(statusOf(await sendRaw(port, request))).toBe(200);
  });
});

describe('a request that contradicts itself or its page', () => {
  it('is refused with two Host headers, even equal ones', async () => {
    const { port } = await openGateway();
    for (const second of ['evil.example', 'localhost']) {
      const answer = await sendRaw(port, `GET /livez HTTP/1.1\r\nHost: ${second}\r\n${CLOSE}\r\n`);
      expect(statusOf(answer)).toBe(400);
      expect(answer).toContain('more than one Host');
    }
  });

  it('is refused if a page of another site embeds it, and allowed as a link', async () => {
    const { port } = await openGateway();
    const get = (headers: string) =>
      sendRaw(port, `GET /v1/events?topic=* HTTP/1.1\r\n${CLOSE}${headers}\r\n`);
    const embedded = 'sec-fetch-mode: no-cors\r\n';
    expect(statusOf(await get(`sec-fetch-site: cross-site\r\n${embedded}`))).toBe(403);
    expect(statusOf(await get(`sec-fetch-site: same-site\r\n${embedded}`))).toBe(403);
    expect(statusOf(await get(`sec-fetch-site: same-origin\r\n${embedded}`))).toBe(200);
    const link = 'sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\n';
    expect(statusOf(await get(link))).toBe(200);
    expect(statusOf(await sendRaw(port, post(EVENT, `connection: close\r\n${link}`)))).toBe(403);
  });
});

describe('a gateway with a base path', () => {
  it('serves all its doors below the base path, and nothing outside it', async () => {
    const { port } = await openGateway({ basePath: '/bus/' });
    const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
    for (const path of ['/bus', '/bus/', '/bus/livez', '/bus/v1/topics']) {
      expect((await get(path)).status, path).toBe(200);
    }
    expect(await (await get('/bus/v1')).text()).toContain('href="/bus/v1/topics"');
    for (const path of ['/', '/livez', '/v1/topics', '/bus/bus/livez', '/busy/livez']) {
      expect((await get(path)).status, path).toBe(404);
    }
    const upgrade = (path: string) =>
      sendRaw(
        port,
        `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n` +
          'sec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n' +
          'sec-websocket-protocol: millrace.v1\r\n\r\n',
        (answer) => answer.includes('\r\n\r\n'),
      );
    expect(statusOf(await upgrade('/bus/events'))).toBe(101);
    expect(statusOf(await upgrade('/events'))).toBe(404);
  });

  it.each(['bus', '/a//b', '/a/../b', '/a?b', '/ä', 7])('refuses %s', async (basePath) => {
    await expect(openGateway({ basePath: basePath as string })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining('basePath'),
    });
  });
});

describe('a request whose body middleware has read already', () => {
  it.each([
    ['what a parser made of it', (body: Buffer) => JSON.parse(body.toString())],
    ['its text', (body: Buffer) => body.toString()],
    ['its bytes', (body: Buffer) => body],
  ])('is published from %s', async (_, parsed) => {
    const endpoint = new FakeEndpoint();
    const gateway = await createGateway(endpoint);
    const server = createServer(async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      Object.assign(request, { body: parsed(Buffer.concat(pieces)) });
      gateway.request(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: EVENT,
    });
    expect(response.status).toBe(200);
    expect(endpoint.events).toMatchObject([{ topic: 'a.b' }]);
    await gateway.close();
    server.closeAllConnections();
    server.close();
  });
});
