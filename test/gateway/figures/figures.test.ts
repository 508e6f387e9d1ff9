import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createGateway } from '../../../src/gateway/create-gateway.js';
import type { Operations } from '../../../src/gateway/operations.js';
import { OperationRequests } from '../../../src/gateway/websocket/operation-requests.js';
import type { Outbound } from '../../../src/gateway/websocket/outbound.js';
import type { Figures } from '../../../src/protocol/operations.js';
import { newKey, temporaryDirectory, writeKeys } from '../../auth/support/auth.js';
import { gatewayHooks } from '../../bus/support/millrace.js';
import { openTestBus } from '../../bus/support/open.js';
import { until } from '../../bus/support/wait.js';
import { connectTo } from '../../client/support/millrace-client.js';
import { send, WrongServer } from '../../client/support/wrong-server.js';

const input = { topic: 'a', type: 'note', payload: 1 };

async function figuresOf(url: string): Promise<Figures> {
  return (await fetch(url)).json() as Promise<Figures>;
}

describe('the figures of a bus', () => {
  it('are there before anybody has asked, on the WebSocket and over HTTP', async () => {
    const bus = await openTestBus({ shards: 2 });
    const { url } = await bus.serve({ port: 0 });
    const { client } = connectTo(url);
    await until('a sample shows what is published', async () => {
      await client.publish(input);
      const { samples } = await client.figures();
      return samples.some(({ publishedPerSecond }) => publishedPerSecond > 0);
    });
    const { everyMs, samples } = await client.figures();
    expect(everyMs).toBe(2000);
    const busy = samples.find(({ publishedPerSecond }) => publishedPerSecond > 0)!;
    expect(busy.shards).toHaveLength(2);
    expect(busy.commitMs).toMatchObject({ p50: expect.any(Number), p99: expect.any(Number) });
    expect(busy.connections).toBe(1);
    expect(busy.rssBytes).toBeGreaterThan(busy.heapBytes);
    expect(await client.figures({ after: samples.at(-1)!.at })).toMatchObject({ everyMs });
    const overHttp = await figuresOf(`${url}/v1/figures`);
    expect(overHttp.samples.slice(0, samples.length)).toEqual(samples);
    const later = await fetch(`${url}/v1/figures?after=${Date.now() + 1000}`);
    expect(await later.json()).toMatchObject({ samples: [] });
    expect((await fetch(`${url}/v1/figures?after=x`)).status).toBe(400);
  });

  it('outlive the gateway’s thread: the one that replaces it goes on with them', async () => {
    const bus = await openTestBus({ shards: 1 });
    const gateway = await bus.serve({ port: 0 });
    const { client } = connectTo(gateway.url);
    await until('there is a sample', async () => (await client.figures()).samples.length > 0);
    const { samples } = await client.figures();
    await gatewayHooks(gateway).hurt('kill');
    await until('the thread is replaced', () => gateway.restarts === 1);
    const after = await client.figures();
    expect(after.samples.slice(0, samples.length)).toEqual(samples);
  });

  it('are kept by a gateway in somebody’s own server as well', async () => {
    const bus = await openTestBus({ shards: 1 });
    const gateway = await createGateway(bus);
    const server = createServer((request, response) => gateway.request(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/figures`;
    try {
      await until('there is a sample', async () => {
        return (await figuresOf(url)).samples.length > 0;
      });
    } finally {
      await gateway.close();
      server.closeAllConnections();
      server.close();
    }
  });

  it('are for administrators of the whole bus alone', async () => {
    const keysFile = join(temporaryDirectory(), 'keys.json');
    const all = { publish: ['*'], subscribe: ['*'] };
    const some = newKey({ name: 'some', ...all, admin: ['a.*'] });
    const whole = newKey({ name: 'whole', admin: ['*'] });
    writeKeys(keysFile, some, whole);
    const bus = await openTestBus({ shards: 1 });
    const { url } = await bus.serve({ port: 0, auth: { keysFile } });
    const asking = async (key: string): Promise<number> => {
      const headers = { authorization: `Bearer ${key}` };
      return (await fetch(`${url}/v1/figures`, { headers })).status;
    };
    expect(await asking(some.key)).toBe(403);
    expect(await asking(whole.key)).toBe(200);
    const { client } = connectTo(url, { getToken: () => some.key });
    await expect(client.figures()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('go out in frames of bounded length, which the client joins', async () => {
    const samples = Array.from({ length: 250 }, (_, at) => ({ at }));
    const frames: { payload: object }[] = [];
    const outbound = {
      isOpen: true,
      relieved: async () => {},
      send: (text: string) => frames.push(JSON.parse(text)),
    } as object as Outbound;
    const operations = { figures: () => ({ everyMs: 2000, samples }) } as object as Operations;
    const requests = new OperationRequests(operations, outbound);
    const frame = { type: 'figures', requestId: 1, payload: {} } as const;
    await requests.answer(frame, {} as Parameters<typeof requests.answer>[1]);
    expect(frames.map(({ payload }) => 'more' in payload)).toEqual([true, true, false]);
    const server = await WrongServer.start();
    server.script = ({ type, requestId }, socket) => {
      if (type !== 'figures') return false;
      for (const part of frames) send(socket, { ...part, requestId });
      return true;
    };
    const { client } = connectTo(server.url);
    expect(await client.figures()).toEqual({ everyMs: 2000, samples });
  });
});
