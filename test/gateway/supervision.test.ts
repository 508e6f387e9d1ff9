import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Gateway } from '../../src/gateway/gateway.js';
import type { GatewayHandle } from '../../src/main/gateway-options.js';
import type * as starter from '../../src/main/gateway-starter.js';
import type { GatewayHarm } from '../../src/main/test-hooks.js';
import type { Event } from '../../src/protocol/event.js';
import { gatewayHooks } from '../bus/support/millrace.js';
import { errorsTold, openTestBus, temporaryDirectory } from '../bus/support/open.js';
import { until, within } from '../bus/support/wait.js';
import { connectTo } from '../client/support/millrace-client.js';
import { FakeEndpoint } from './support/fake-endpoint.js';
import { SocketClient } from './support/socket-client.js';

/** A gateway's thread dies for different reasons; the bus reports it, and clients reconnect. */

const built: typeof starter = await import(
  /* @vite-ignore */ new URL('../../dist/main/gateway-starter.js', import.meta.url).href
);

async function hurt(handle: GatewayHandle, how: GatewayHarm): Promise<void> {
  const before = handle.restarts;
  await gatewayHooks(handle).hurt(how);
  if (how === 'hang') return;
  await until('its thread is replaced', () => handle.restarts > before, 60_000);
}

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

const event = (n: number) => ({ topic: `t.${n % 7}`, type: 'agent_log', payload: n });
const readiness = async (url: string): Promise<string> =>
  (await fetch(`${url}/readyz?verbose`)).text();

describe("a gateway's thread that dies", () => {
  it.each(['kill', 'crash', 'exhaust'] as const)(
    'by a %s is replaced by a thread on the same port',
    async (how) => {
      const bus = await openTestBus({ shards: 1 });
      const told: Event[] = [];
      await bus.subscribe('$sys.gateways.*', (one) => void told.push(one)).ready;
      const handle = await built.startGateway(bus, { port: 0 }, { heapMiB: 64 });
      closers.push(() => handle.close());
      const { port, url } = handle;
      await until('its start is told', () => told.length === 1);
      const clients = [await SocketClient.open(port), await SocketClient.open(port)];
      expect((await bus.stats()).connections).toBe(2);
      await hurt(handle, how);
      for (const client of clients) await client.closed;
      await until('it listens', async () => (await bus.stats()).gateways[0]?.state === 'listening');
      expect([handle.port, handle.url]).toEqual([port, url]);
      await (await SocketClient.open(port)).ask('publish', { event: event(1) });
      expect(await readiness(url)).toContain('[+]gateway-0 ok');
      const stats = await bus.stats();
      expect(stats.gateways).toEqual([{ gateway: 0, state: 'listening', restarts: 1 }]);
      expect(stats.gatewayRestarts).toBe(1);
      await until('the dead thread counts no more', async () => {
        const { connections, endpoints } = await bus.stats();
        return connections === 1 && endpoints === 2;
      });
      const metrics = await (await fetch(`${url}/metrics`)).text();
      expect(metrics).toContain('millrace_gateway_restarts_total 1');
      expect(metrics).toContain('millrace_gateways 1');
      await until('all is told', () => told.length === 3);
      expect(told.map(({ topic }) => topic.split('.')[2])).toEqual(['started', 'died', 'started']);
      expect(told[1]?.payload).toMatchObject({ gateway: 0, port, retryInMs: 0 });
      expect(errorsTold(bus)).toMatchObject([{ code: 'GATEWAY_FAILED', details: { port } }]);
    },
  );

  it('neither loses nor repeats an event for clients that reconnect', async () => {
    const bus = await openTestBus({ shards: 2 });
    const handle = await bus.serve({ port: 0 });
    const { client } = connectTo(handle.url, {});
    closers.push(() => client.close());
    const seen: number[] = [];
    await client.subscribe('t.*', ({ payload }) => void seen.push(payload as number)).ready;
    const acks: Promise<unknown>[] = [];
    for (let n = 0; n < 600; n++) {
      acks.push(n % 2 === 0 ? client.publish(event(n)) : bus.publish(event(n)));
      if (n % 200 !== 150) continue;
      const before = client.reconnects;
      await hurt(handle, n === 150 ? 'crash' : 'kill');
      await until('it is back', () => client.reconnects > before && client.state === 'connected');
    }
    await within('all acks', Promise.all(acks));
    await until('all events', () => seen.length >= 600);
    expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: 600 }, (_, n) => n));
    for (let topic = 0; topic < 7; topic++) {
      const stored = await bus.query({ topic: `t.${topic}`, limit: 600 });
      const delivered = seen.filter((n) => n % 7 === topic);
      expect(delivered).toEqual(stored.map(({ payload }) => payload));
    }
    expect(handle.restarts).toBe(3);
  });

  it('is given up, and reported, if its successor cannot start', async () => {
    const bus = await openTestBus({ shards: 1, dir: temporaryDirectory() });
    const restarts = { triesMax: 1, waitMsMax: 10 };
    const handle = await built.startGateway(bus, { port: 0 }, { restarts });
    closers.push(() => handle.close());
    const { port } = handle;
    const closed = handle.closed.catch((error: unknown) => error);
    // Another server takes the port at once, and keeps it.
    const thief = createServer();
    closers.push(() => new Promise((resolve) => thief.close(resolve)));
    const steal = (): void => void thief.listen(port, '127.0.0.1');
    thief.on('error', () => setImmediate(steal));
    steal();
    await hurt(handle, 'kill');
    expect(await within('it is given up', closed, 60_000)).toMatchObject({
      code: 'GATEWAY_FAILED',
      details: { port, isGivenUp: true, reason: expect.stringContaining('it is in use') },
    });
    expect((await bus.stats()).gateways).toMatchObject([{ state: 'failed' }]);
    expect(errorsTold(bus).at(-1)).toMatchObject({ details: { isGivenUp: true } });
    await handle.close();
    expect((await bus.stats()).gateways).toEqual([]);
    await bus.publish(event(1));
  });

  it('is not restarted after a close, even if a restart was due', async () => {
    const bus = await openTestBus({ shards: 1 });
    const handle = await bus.serve({ port: 0 });
    await hurt(handle, 'kill');
    await handle.close();
    await handle.closed;
    await until('it has left', async () => (await bus.stats()).endpoints === 1);
    expect((await bus.stats()).gateways).toEqual([]);
    const again = await bus.serve({ port: handle.port });
    expect(again.restarts).toBe(0);
  });
});

describe('the successor of a thread', () => {
  it('waits for a port that is still bound', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as { port: number };
    let onWaiting = (): void => {};
    const waiting = new Promise<void>((resolve) => {
      onWaiting = resolve;
    });
    const gateway = new Gateway(new FakeEndpoint(), { port }, (_, message) => {
      if (message === 'the port is in use still') onWaiting();
    });
    closers.push(() => gateway.close());
    const listening = gateway.listen({ isSuccessor: true });
    await within('it has found the port in use', waiting);
    holder.close();
    await within('it listens', listening);
    await SocketClient.open(port);
  });
});
