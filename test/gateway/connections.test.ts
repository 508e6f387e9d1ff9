import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { GatewayOptions } from '../../src/main/gateway-options.js';
import type { ConnectionInfo } from '../../src/protocol/operations.js';
import { newKey, temporaryDirectory, writeKeys } from '../auth/support/auth.js';
import { createGateway, gatewayHooks } from '../bus/support/millrace.js';
import { openTestBus } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { connectTo, reconnected } from '../client/support/millrace-client.js';
import { SseClient } from './http/support/sse-client.js';
import { SocketClient } from './support/socket-client.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A bus with two gateways of its own on two ports, and one mounted in this thread's server. */
async function threeGateways(options: GatewayOptions = {}) {
  const bus = await openTestBus({ shards: 2 });
  const first = await bus.serve({ port: 0, ...options });
  const second = await bus.serve({ port: 0, ...options });
  const mounted = await mount(bus, options);
  return { bus, first, second, mounted };
}

async function mount(bus: Bus, options: GatewayOptions): Promise<{ port: number; url: string }> {
  const { port: _, ...rest } = options;
  const gateway = await createGateway(bus, rest);
  const server = createServer((request, response) => gateway.request(request, response));
  server.on('upgrade', (request, socket, head) => gateway.upgrade(request, socket, head));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    await gateway.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { port, url: `http://127.0.0.1:${port}` };
}

const idOf = (connections: readonly ConnectionInfo[], userAgent: string): string =>
  connections.find((one) => one.userAgent === userAgent)!.id;

const named = (name: string) => ({ headers: { 'user-agent': name } });

describe('the connections of a bus', () => {
  it('are those of all its gateways: WebSockets and streams, of threads and of somebody’s own server', async () => {
    const { first, second, mounted } = await threeGateways();
    const sockets = [first, second, mounted].map(
      ({ port }, n) => new SocketClient(port, named(`socket ${n}`)),
    );
    for (const socket of sockets) await socket.next('welcome');
    await sockets[1]!.ask('subscribe', { subscription: 's', filter: 'a.*' });
    const path = `${mounted.url}/v1/events/stream?topic=a`;
    const stream = await SseClient.open(path, { 'user-agent': 'a stream' });
    const { client } = connectTo(second.url);
    const { connections, complete } = await client.connections();
    expect(complete).toBe(true);
    const listed = new Map(connections.map((one) => [one.userAgent, one]));
    const agents = ['a stream', 'socket 0', 'socket 1', 'socket 2'];
    expect([...listed.keys()].filter((agent) => agents.includes(agent ?? '')).sort()).toEqual(
      agents,
    );
    expect(connections).toHaveLength(5);
    const common = { address: '127.0.0.1', principal: 'anonymous', since: expect.any(String) };
    expect(listed.get('socket 1')).toMatchObject({
      ...{ ...common, kind: 'websocket', subscriptions: 1, heldBytes: expect.any(Number) },
    });
    expect(listed.get('a stream')).toMatchObject({ ...common, kind: 'stream', subscriptions: 1 });
    for (const one of connections) expect(new Date(one.since).toISOString()).toBe(one.since);
    expect(await (await fetch(`${first.url}/v1/connections`)).json()).toMatchObject({
      connections: connections.map(({ id }) => ({ id })),
      complete: true,
    });
    stream.close();
    await sockets[0]!.close();
    await until('those that have left are listed no more', async () => {
      return (await client.connections()).connections.length === 3;
    });
  });

  it('tell the bytes that each has sent and was sent', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { port, url } = await bus.serve({ port: 0 });
    const socket = new SocketClient(port, named('counted'));
    await socket.next('welcome');
    const { client } = connectTo(url);
    const counted = async (): Promise<ConnectionInfo> =>
      (await client.connections()).connections.find(({ userAgent }) => userAgent === 'counted')!;
    const before = await counted();
    const payload = 'x'.repeat(10_000);
    await socket.ask('publish', { event: { topic: 'a', type: 'note', payload } });
    const sent = await counted();
    expect(sent.receivedBytes - before.receivedBytes).toBeGreaterThan(10_000);
    expect(sent.sentBytes - before.sentBytes).toBeLessThan(1000);
    await socket.ask('query', { topic: 'a' });
    await until('the answer is counted', async () => {
      return (await counted()).sentBytes - sent.sentBytes > 10_000;
    });
    expect(before.receivedBytes).toBeGreaterThan(0);
  });

  it('show no principal before the client has authenticated', async () => {
    const keysFile = join(temporaryDirectory(), 'keys.json');
    const operator = newKey({ name: 'operator', admin: ['*'] });
    writeKeys(keysFile, operator);
    const bus = await openTestBus({ shards: 1 });
    const { port, url } = await bus.serve({ port: 0, auth: { keysFile } });
    await new SocketClient(port, named('nobody yet')).next('welcome');
    const { client } = connectTo(url, { getToken: () => operator.key });
    const { connections } = await client.connections();
    expect(connections.map(({ principal }) => principal)).toEqual([undefined, 'operator']);
  });
});

describe('a connection that an administrator cuts', () => {
  it('is closed with 4000 and the reason, whichever gateway is asked and has it', async () => {
    const { first, second, mounted } = await threeGateways();
    const pairs: (readonly [asked: { url: string }, has: { port: number }])[] = [
      [first, first],
      [first, second],
      [second, mounted],
      [mounted, first],
    ];
    for (const [asked, has] of pairs) {
      const { client } = connectTo(asked.url);
      const socket = new SocketClient(has.port, named('cut me'));
      await socket.next('welcome');
      const id = idOf((await client.connections()).connections, 'cut me');
      expect(await client.disconnect(id)).toEqual({ disconnected: true });
      const reason = 'an administrator has ended this connection';
      expect(await socket.closed).toEqual({ code: 4000, reason });
      await until('it is gone', async () => !(await client.disconnect(id)).disconnected);
    }
  });

  it('of this client’s own kind connects again by itself, and misses nothing', async () => {
    const bus = await openTestBus({ shards: 2 });
    const { url } = await bus.serve({ port: 0 });
    const { client, states } = connectTo(url);
    const { client: operator } = connectTo(url);
    const seen: unknown[] = [];
    await client.subscribe('a', ({ payload }) => void seen.push(payload)).ready;
    await operator.connected();
    const { connections } = await operator.connections();
    const { id } = connections.find(({ subscriptions }) => subscriptions === 1)!;
    await bus.publish({ topic: 'a', type: 'note', payload: 1 });
    await operator.disconnect(id);
    await bus.publish({ topic: 'a', type: 'note', payload: 2 });
    await reconnected(client, 0);
    await until('both events have come', () => seen.length === 2);
    expect(seen).toEqual([1, 2]);
    const lost = states.find(({ state }) => state === 'reconnecting');
    expect(lost?.error).toMatchObject({ code: 'CONNECTION_FAILED', details: { closeCode: 4000 } });
  });

  it('gets its answer first where it cuts itself', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { port } = await bus.serve({ port: 0 });
    const socket = new SocketClient(port);
    const { payload } = await socket.next('welcome');
    const answer = await socket.ask('disconnect', { id: payload.connection });
    expect(answer.payload).toEqual({ disconnected: true });
    expect((await socket.closed).code).toBe(4000);
  });

  it('ends a stream with the reason and its cursor', async () => {
    const { first, second } = await threeGateways();
    const path = `${first.url}/v1/events/stream?topic=a`;
    const stream = await SseClient.open(path, { 'user-agent': 'stream' });
    expect((await stream.next()).event).toBe('caughtUp');
    const all = await (await fetch(`${second.url}/v1/connections`)).json();
    const id = idOf((all as { connections: ConnectionInfo[] }).connections, 'stream');
    const cut = await fetch(`${second.url}/v1/connections/${id}`, { method: 'DELETE' });
    expect([cut.status, await cut.json()]).toEqual([200, { disconnected: true }]);
    const { event, data } = await stream.next();
    expect(event).toBe('ended');
    expect(JSON.parse(data!)).toMatchObject({ code: 'ABORTED', cursor: expect.any(String) });
    await stream.closed;
  });

  it('is none where the id is unknown, of another bus, or no id at all', async () => {
    const { first } = await threeGateways();
    const other = await openTestBus({ shards: 1 });
    const { port } = await other.serve({ port: 0 });
    const stranger = new SocketClient(port);
    const { payload } = await stranger.next('welcome');
    const { client } = connectTo(first.url);
    for (const id of [payload.connection, 'x', '__proto__', 'a'.repeat(10_000), '../stats']) {
      expect(await client.disconnect(id)).toEqual({ disconnected: false });
    }
    await expect(client.disconnect('')).rejects.toMatchObject({ code: 'MESSAGE_INVALID' });
    const response = await fetch(`${first.url}/v1/connections/x`, { method: 'DELETE' });
    expect(response.status).toBe(404);
    expect((await stranger.ask('ping', {})).type).toBe('pong');
  });
});

describe('who may see and cut connections', () => {
  it('is who administers the whole bus; attempts and acts are counted', async () => {
    const keysFile = join(temporaryDirectory(), 'keys.json');
    const all = { publish: ['*'], subscribe: ['*', '$sys.*'] };
    const some = newKey({ name: 'some', ...all, admin: ['a.*', '$sys.*'] });
    const operator = newKey({ name: 'operator', admin: ['*'] });
    writeKeys(keysFile, some, operator);
    const { first } = await threeGateways({ auth: { keysFile } });
    const { client } = connectTo(first.url, { getToken: () => some.key });
    const refusal = { code: 'FORBIDDEN' };
    await expect(client.connections()).rejects.toMatchObject(refusal);
    await expect(client.disconnect('x')).rejects.toMatchObject(refusal);
    const url = `${first.url}/v1/connections`;
    const headers = { authorization: `Bearer ${some.key}` };
    expect((await fetch(url, { headers })).status).toBe(403);
    expect((await fetch(`${url}/x`, { method: 'DELETE', headers })).status).toBe(403);
    const { client: may } = connectTo(first.url, { getToken: () => operator.key });
    expect((await may.connections()).connections).toHaveLength(2);
    await may.disconnect('x');
    const ofOperator = { authorization: `Bearer ${operator.key}` };
    const metrics = await (await fetch(`${first.url}/metrics`, { headers: ofOperator })).text();
    expect(metrics).toContain('millrace_admin_total{act="disconnect",result="refused"} 2');
    expect(metrics).toContain('millrace_admin_total{act="disconnect",result="failed"} 1');
  });
});

describe('a gateway that hangs', () => {
  it('is left out of the list, which says so, and its connections may or may not be cut', async () => {
    const { first, second } = await threeGateways();
    const kept = new SocketClient(second.port, named('kept'));
    await kept.next('welcome');
    const hung = new SocketClient(first.port, named('hung'));
    await hung.next('welcome');
    const { client } = connectTo(second.url);
    const id = idOf((await client.connections()).connections, 'hung');
    await gatewayHooks(first).hurt('hang');
    // The order to hang and the question come by two ports, so the question may be answered first.
    await until('it hangs', async () => !(await client.connections()).complete);
    const { connections, complete } = await client.connections();
    expect(complete).toBe(false);
    expect(connections.map(({ userAgent }) => userAgent)).toContain('kept');
    expect(connections.map(({ userAgent }) => userAgent)).not.toContain('hung');
    await expect(client.disconnect(id)).rejects.toMatchObject({ code: 'TIMEOUT' });
  });
});

// 23.0 is older than 22.12.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const maySharePort = (major === 22 && minor >= 12) || (major === 23 && minor >= 1) || major > 23;

describe('several threads on one port', () => {
  if (maySharePort) {
    it('list all connections, and each cuts those of the others', async () => {
      const bus = await openTestBus({ shards: 1 });
      const { port, url } = await bus.serve({ port: 0, gateways: 2 });
      const sockets = Array.from({ length: 8 }, (_, n) => new SocketClient(port, named(`s ${n}`)));
      for (const socket of sockets) await socket.next('welcome');
      const { client } = connectTo(url);
      const { connections, complete } = await client.connections();
      expect([connections.length, complete]).toEqual([9, true]);
      for (const [n, socket] of sockets.entries()) {
        const id = idOf(connections, `s ${n}`);
        expect(await client.disconnect(id)).toEqual({ disconnected: true });
        expect((await socket.closed).code).toBe(4000);
      }
    });
  } else {
    it('are refused on this Node', async () => {
      const bus = await openTestBus({ shards: 1 });
      await expect(bus.serve({ port: 0, gateways: 2 })).rejects.toMatchObject({
        code: 'OPTION_INVALID',
        message: expect.stringContaining('needs Node 22.12 or later'),
      });
    });
  }
});
