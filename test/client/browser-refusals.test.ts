import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createProxy } from 'node:net';
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type CreateGatewayOptions,
  createGateway,
  type MountedGateway,
} from '../../src/gateway/create-gateway.js';
import { newKey, temporaryDirectory, writeKeys } from '../auth/support/auth.js';
import { until } from '../bus/support/wait.js';
import { FakeEndpoint } from '../gateway/support/fake-endpoint.js';
import { SocketClient } from '../gateway/support/socket-client.js';
import { neededCommand } from '../support/needed-command.js';
import { bundle, openBrowser, servePage } from './support/browser.js';

/** Browsers hide from a page why an upgrade was refused; the client gives the reason all the same. */

const chromium = neededCommand('chromium', 'the client in a browser whose server refuses it');

interface Told {
  readonly state: string;
  readonly code?: string;
  readonly details?: unknown;
}

/** The first frame of a client with such a token is longer than a goodbye. */
const LONG_TOKEN = `mr_${'x'.repeat(4000)}`;

const closers: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listening(server: Server | ReturnType<typeof createProxy>): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function serve(options: CreateGatewayOptions): Promise<[port: number, MountedGateway]> {
  const gateway = await createGateway(new FakeEndpoint(), options);
  const server = createServer((request, response) => gateway.request(request, response));
  server.on('upgrade', (request, socket, head) => gateway.upgrade(request, socket, head));
  const port = await listening(server);
  closers.push(async () => {
    await gateway.close();
    server.closeAllConnections();
    server.close();
  });
  return [port, gateway];
}

/** A proxy that adds a header which no page can. */
async function withHeader(target: number, header: string): Promise<number> {
  const proxy = createProxy((near) => {
    const far = connect(target, '127.0.0.1');
    near.once('data', (head) => {
      far.write(head.toString('latin1').replace('\r\n', `\r\n${header}\r\n`), 'latin1');
      near.pipe(far);
    });
    far.pipe(near);
    for (const socket of [near, far]) socket.on('error', () => {});
  });
  closers.push(() => void proxy.close());
  return listening(proxy);
}

function keysFile(): string {
  const path = join(temporaryDirectory(), 'keys.json');
  writeKeys(path, newKey({ subscribe: ['*'] }));
  return path;
}

describe.runIf(chromium !== undefined)('a page whose server refuses it', () => {
  let browser: Browser;
  let page: Page;
  let pages: { url: string; server: Server };

  beforeAll(async () => {
    pages = await servePage((await bundle('test/client/browser/refused.ts')).code);
    browser = await openBrowser(chromium!);
    page = await browser.newPage();
    await page.goto(pages.url);
  });

  afterAll(async () => {
    await browser?.close();
    pages?.server.close();
  });

  function call<T>(name: string, ...args: unknown[]): Promise<T> {
    return page.evaluate(
      (what, values) => Reflect.get(globalThis, 'millraceTest')[what](...values),
      name,
      args,
    );
  }

  const begin = (port: number, token?: string): Promise<void> =>
    call('begin', `http://127.0.0.1:${port}`, token ?? null);

  async function toldTimes(count: number, state: string): Promise<Told[]> {
    await until(`${count} times ${state}`, async () => {
      return (await call<Told[]>('states')).filter((told) => told.state === state).length >= count;
    });
    return call<Told[]>('states');
  }

  it('by a limit learns which, goes on trying, and gets in when there is room', async () => {
    const [port] = await serve({ maxConnectionsPerAddress: 1 });
    const first = await SocketClient.open(port);
    await begin(port);
    const states = await toldTimes(3, 'reconnecting');
    for (const told of states.filter(({ state }) => state === 'reconnecting')) {
      const details = { maxConnectionsPerAddress: 1 };
      expect(told).toEqual({ state: 'reconnecting', code: 'LIMIT_EXCEEDED', details });
    }
    await until('it is told', async () => (await call<unknown[]>('errors')).length > 0);
    expect(await call('errors')).toEqual([{ code: 'CONNECTION_FAILED', cause: 'LIMIT_EXCEEDED' }]);
    await first.close();
    await toldTimes(1, 'connected');
  });

  it('by a limit learns so even if it sends a long token at once', async () => {
    const [port] = await serve({ maxConnections: 1, auth: { keysFile: keysFile() } });
    await SocketClient.open(port);
    await begin(port, LONG_TOKEN);
    const states = await toldTimes(10, 'reconnecting');
    const codes = states.filter(({ state }) => state === 'reconnecting').map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set(['LIMIT_EXCEEDED']));
  });

  it('by a stopping server learns so, and goes on trying', async () => {
    const [port, gateway] = await serve({});
    await gateway.close();
    await begin(port);
    const states = await toldTimes(2, 'reconnecting');
    expect(states.at(-1)).toMatchObject({ state: 'reconnecting', code: 'BUS_CLOSED' });
  });

  it('because of its token learns so, and has failed', async () => {
    const [port] = await serve({ auth: { keysFile: keysFile() } });
    await begin(port, LONG_TOKEN);
    const shown = await toldTimes(1, 'failed');
    expect(shown.at(-1)).toMatchObject({ state: 'failed', code: 'UNAUTHENTICATED' });
    expect(await call('errors')).toMatchObject([{ code: 'UNAUTHENTICATED' }]);
    // By one that came with the upgrade, too.
    await begin(await withHeader(port, 'Authorization: Bearer mr_forged'));
    const sent = await toldTimes(1, 'failed');
    expect(sent).toMatchObject([{ state: 'failed', code: 'UNAUTHENTICATED' }]);
    expect(await call('errors')).toMatchObject([{ code: 'UNAUTHENTICATED' }]);
  });
});
