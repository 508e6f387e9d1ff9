import type { Server } from 'node:http';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../bus/support/wait.js';
import { startServer, temporaryDirectory } from '../cli/support/command.js';
import { neededCommand } from '../support/needed-command.js';
import { type Bundle, bundle, openBrowser, servePage } from './support/browser.js';

/** The client in a browser, over the browser's own WebSocket, against a server in a process of its own. */

const chromium = neededCommand('chromium', 'the client in a browser');

describe('a bundle for browsers', () => {
  it('contains the client and nothing of Node', async () => {
    const { code, modules, bytes, gzipBytes } = await bundle('dist/client.js');
    console.log(`the client in a bundle: ${bytes} bytes, ${gzipBytes} with gzip`);
    expect(modules.filter((id) => /node:|__vite-browser-external|\/ws\//.test(id))).toEqual([]);
    expect(modules.some((id) => id.endsWith('browser-socket.js'))).toBe(true);
    expect(modules.some((id) => id.endsWith('node-socket.js'))).toBe(false);
    expect(modules.some((id) => id.includes('valibot'))).toBe(false);
    expect(code).not.toMatch(/node:|require\(/);
  });
});

describe.runIf(chromium !== undefined)('a browser', () => {
  let browser: Browser;
  let made: Bundle;
  let pages: { url: string; server: Server };

  beforeAll(async () => {
    made = await bundle('test/client/browser/page.ts');
    pages = await servePage(made.code);
    browser = await openBrowser(chromium!);
  });

  afterAll(async () => {
    await browser?.close();
    pages?.server.close();
  });

  /** Calls what the page offers. */
  function call<T>(page: Page, name: string, ...args: number[]): Promise<T> {
    return page.evaluate(
      (what, values) => Reflect.get(globalThis, 'millraceTest')[what](...values),
      name,
      args,
    );
  }

  async function open(server: string): Promise<{ page: Page; faults: string[] }> {
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(String(error)));
    await page.goto(`${pages.url}?server=${encodeURIComponent(server)}`);
    await until('connected', async () => (await call(page, 'state')) === 'connected');
    return { page, faults };
  }

  it('publishes and subscribes, and no event is lost or repeated when its server is killed', async () => {
    let server = await startServer(temporaryDirectory(), ['--shards', '2']);
    const { page, faults } = await open(server.url);
    expect(await call(page, 'publish', 0, 50)).toBe(50);
    const waiting = call<number>(page, 'publish', 50, 100);
    await server.stop('SIGKILL');
    await until('it is noticed', async () => (await call(page, 'state')) === 'reconnecting');
    const offline = call<number>(page, 'publish', 100, 150);
    server = await startServer(server.dir, ['--port', String(server.port), '--shards', '2']);
    expect(await waiting).toBe(50);
    expect(await offline).toBe(50);
    const numbers = Array.from({ length: 150 }, (_, n) => n);
    await until('all', async () => (await call<unknown[]>(page, 'seen')).length >= 150);
    expect(await call(page, 'seen')).toEqual(numbers);
    expect(await call(page, 'query')).toBe(150);
    expect(await call<number>(page, 'reconnects')).toBeGreaterThanOrEqual(1);
    const shown = `connected live ${numbers.join(',')}`;
    await until('React shows it', async () => {
      return (await page.$eval('#out', (element) => Reflect.get(element, 'textContent'))) === shown;
    });
    expect(faults).toEqual([]);
    await page.close();
  });

  it('holds at most a window of events that are not consumed, and loses none', async () => {
    const server = await startServer(temporaryDirectory(), ['--shards', '1']);
    const { page, faults } = await open(server.url);
    for (let from = 0; from < 2000; from += 500) await call(page, 'publish', from, from + 500);
    await until('the other has all', async () => {
      return (await call<unknown[]>(page, 'seen')).length === 2000;
    });
    expect(await call<number>(page, 'pending')).toBeLessThanOrEqual(64);
    const numbers = Array.from({ length: 2000 }, (_, n) => n);
    expect(await call(page, 'read', 2000)).toEqual(numbers);
    expect(faults).toEqual([]);
    await page.close();
  });
});
