import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { type Browser, launch } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { GatewayHandle } from '../../../src/main/gateway-options.js';
import { openBus } from '../../bus/support/millrace.js';
import { neededCommand } from '../../support/needed-command.js';

/** Clients of others, curl and a browser's own EventSource, against the gateway's thread. */
const run = promisify(execFile);
const curlPath = neededCommand('curl', 'the HTTP doors with curl');
const chromium = neededCommand('chromium', "the HTTP doors with a browser's EventSource");

let bus: Bus;
let gateway: GatewayHandle;

beforeAll(async () => {
  bus = await openBus({ dir: ':memory:', shards: 2 });
  gateway = await bus.serve({ port: 0 });
});

afterAll(async () => {
  await bus.close();
});

describe.runIf(curlPath !== undefined)('curl', () => {
  const curl = async (...values: string[]): Promise<string> =>
    (await run('curl', ['-sS', '--fail-with-body', '--max-time', '20', ...values])).stdout;

  it('publishes, queries and follows', async () => {
    const event = JSON.stringify({ topic: 'curl.a', type: 'note', payload: 1 });
    const json = ['-H', 'content-type: application/json'];
    const acks = await curl(`${gateway.url}/v1/events`, ...json, '-d', event);
    expect(JSON.parse(acks)).toMatchObject([{ topic: 'curl.a', durability: 'synced' }]);
    const events = await curl(`${gateway.url}/v1/events?topic=curl.+`);
    expect(JSON.parse(events)).toMatchObject([{ topic: 'curl.a', payload: 1 }]);
    const stream = `${gateway.url}/v1/events/stream?topic=curl.*&from=earliest`;
    const followed = await run('curl', ['-sN', '--max-time', '2', stream]).catch(
      (error: { stdout: string }) => error,
    );
    expect(followed.stdout).toContain('event: caughtUp');
    expect(followed.stdout).toMatch(/^data: .*"curl\.a"/m);
  });
});

describe.runIf(chromium !== undefined)("a browser's EventSource", () => {
  let browser: Browser;
  let pageUrl: string;
  const pages = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>A page</title>');
  });

  beforeAll(async () => {
    await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
    pageUrl = `http://127.0.0.1:${(pages.address() as AddressInfo).port}/`;
    browser = await launch({ executablePath: chromium!, args: ['--no-sandbox'] });
  });

  afterAll(async () => {
    await browser.close();
    pages.closeAllConnections();
    pages.close();
  });

  it('gets every event once and in order, also across a restart of the gateway', async () => {
    const page = await browser.newPage();
    await page.goto(gateway.url);
    expect(await page.title()).toMatch(/Millrace$/);
    // A page of another server on this machine may read only the answers that CORS allows.
    await page.goto(pageUrl);
    await page.evaluate(`
      globalThis.seen = [];
      globalThis.source = new EventSource('${gateway.url}/v1/events/stream?topic=web.a&from=earliest');
      source.onmessage = ({ data }) => seen.push(JSON.parse(data).payload);
      source.addEventListener('ended', ({ data }) => { globalThis.ended = JSON.parse(data).code });
    `);
    const publish = async (from: number, to: number): Promise<void> => {
      for (let n = from; n <= to; n++) {
        await bus.publish({ topic: 'web.a', type: 'note', payload: n });
      }
    };
    await publish(1, 50);
    await page.waitForFunction('seen.length === 50');
    const { port } = gateway;
    await gateway.close();
    await page.waitForFunction("globalThis.ended === 'BUS_CLOSED'");
    await publish(51, 100);
    gateway = await bus.serve({ port });
    await publish(101, 150);
    await page.waitForFunction('seen.length >= 150');
    const seen = (await page.evaluate('seen')) as number[];
    expect(seen).toEqual(Array.from({ length: 150 }, (_, n) => n + 1));
  });

  it('stops for good if a retry would change nothing', async () => {
    const limited = await bus.serve({ port: 0, maxPatterns: 2 });
    const page = await browser.newPage();
    await page.goto(pageUrl);
    const lasting = ['topic=a&topic=b&topic=c', 'topic=a..b', 'topic=a&from=after:bad', 'topic='];
    await page.evaluate(`
      globalThis.sources = ${JSON.stringify(lasting)}.map(
        (query) => new EventSource('${limited.url}/v1/events/stream?' + query),
      );
    `);
    await page.waitForFunction(
      'sources.every(({ readyState }) => readyState === EventSource.CLOSED)',
    );
    await page.close();
    await limited.close();
  });

  it('reconnects by itself when the server was at its limit', async () => {
    const limited = await bus.serve({ port: 0, maxConnectionsPerAddress: 1 });
    const page = await browser.newPage();
    await page.goto(pageUrl);
    const stream = `${limited.url}/v1/events/stream?topic=limit.a&from=earliest`;
    await bus.publish({ topic: 'limit.a', type: 'note', payload: 'here' });
    await page.evaluate(`
      globalThis.first = new EventSource('${stream}');
      first.addEventListener('caughtUp', () => { globalThis.hasPlace = true; });
    `);
    await page.waitForFunction('globalThis.hasPlace');
    await page.evaluate(`
      globalThis.told = [];
      globalThis.second = new EventSource('${stream}');
      second.addEventListener('ended', ({ data }) => told.push(JSON.parse(data).code));
      second.onmessage = ({ data }) => told.push(JSON.parse(data).payload);
    `);
    await page.waitForFunction('told.length > 0');
    await page.evaluate('first.close()');
    await page.waitForFunction("told.includes('here')");
    expect(((await page.evaluate('told')) as string[])[0]).toBe('LIMIT_EXCEEDED');
    await page.close();
    await limited.close();
  });
});
