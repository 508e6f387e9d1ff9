import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Door, DoorContext } from '../../src/gateway/door.js';
import { openDoors } from '../../src/gateway/doors.js';
import { Gateway } from '../../src/gateway/gateway.js';
import { sendText } from '../../src/gateway/http/exchange.js';
import { FakeEndpoint } from './support/fake-endpoint.js';

/** Opens a gateway with the package's own doors and one more. */
async function openWith(door: (context: DoorContext) => Door) {
  const open = (context: DoorContext) => [...openDoors(context), door(context)];
  const options = { port: 0, basePath: '/bus' };
  const gateway = new Gateway(new FakeEndpoint(), options, () => {}, { open });
  await gateway.listen();
  const url = `http://127.0.0.1:${gateway.port}/bus`;
  return { url, [Symbol.asyncDispose]: () => gateway.close() };
}

describe('the door of WebSockets', () => {
  it('refuses a request without an upgrade with 426', async () => {
    await using gateway = await openWith(() => ({}));
    const answer = await fetch(`${gateway.url}/events`);
    expect([answer.status, answer.headers.get('upgrade')]).toEqual([426, 'websocket']);
    expect(await answer.json()).toMatchObject({ code: 'MESSAGE_INVALID' });
  });
});

describe('a door from a separate module', () => {
  it('answers its routes, with their path parameters, beside the routes of other doors', async () => {
    await using gateway = await openWith(() => ({
      routes: [
        {
          method: 'PUT',
          path: '/v1/events/:id/labels/:label',
          handle: async ({ response, segments }) =>
            sendText(response, 200, 'text/plain', JSON.stringify(segments)),
        },
      ],
    }));
    const ask = (path: string, method = 'PUT') => fetch(`${gateway.url}${path}`, { method });
    const answer = await ask('/v1/events/e1/labels/a%20b');
    expect(await answer.json()).toEqual({ id: 'e1', label: 'a b' });
    const other = await ask('/v1/events/e1/labels/a', 'GET');
    expect([other.status, other.headers.get('allow')]).toEqual([405, 'PUT, OPTIONS']);
    expect((await ask('/v1/events/stream?topic=*', 'GET')).status).toBe(200);
    expect((await ask('/v1/events/e1', 'GET')).status).toBe(404);
  });

  it('accepts upgrades with its subprotocol, and writes the refusals that pages get', async () => {
    const door = ({ settings }: DoorContext): Door => ({
      upgrades: [
        {
          path: '/echo',
          subprotocol: 'echo.v1',
          maxPayload: settings.maxFrameBytes,
          isCompressed: false,
          connect: ({ socket }) => socket.on('message', (data) => socket.send(data)),
          refusalText: ({ code }) => `no: ${code}`,
        },
      ],
    });
    await using gateway = await openWith(door);
    const url = `${gateway.url.replace('http', 'ws')}/echo`;
    const client = new WebSocket(url, ['echo.v1']);
    await once(client, 'open');
    client.send('hello');
    const [data] = await once(client, 'message');
    expect([String(data), client.protocol]).toEqual(['hello', 'echo.v1']);
    client.terminate();
    const wrong = new WebSocket(url, ['millrace.v1']);
    const [, response] = await once(wrong, 'unexpected-response');
    expect(response.statusCode).toBe(400);
    response.destroy();
    const headers = { authorization: 'nonsense' };
    const page = new WebSocket(url, ['echo.v1'], { origin: 'http://localhost', headers });
    const [refusal] = await once(page, 'message');
    expect(String(refusal)).toBe('no: UNAUTHENTICATED');
  });

  it('is closed when the gateway closes, and then cut', async () => {
    const calls: string[] = [];
    const gateway = await openWith(({ closing }) => ({
      close: async () => void calls.push(`close, closing: ${closing.aborted}`),
      cut: async () => void calls.push('cut'),
    }));
    await gateway[Symbol.asyncDispose]();
    expect(calls).toEqual(['close, closing: true', 'cut']);
  });
});
