import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../bus/support/wait.js';
import { run, startServer, temporaryDirectory } from '../cli/support/command.js';
import { neededCommand } from '../support/needed-command.js';
import { openDashboard, openDashboardBrowser } from './support/dashboard.js';

const chromium = neededCommand('chromium', 'the dashboard in a browser');

/** Makes an administrator's key. */
async function makeKey(file: string): Promise<{ id: string; key: string }> {
  const grants = ['--name', 'operator', '--admin', '*', '--subscribe', '*'];
  const made = await run(['token', 'key', ...grants, '--keys-file', file, '--json']);
  return JSON.parse(made.stdout);
}

/** The page loads its other screens a moment after the first; a slow machine takes longer than that to show the first. */
const NEVER_LOAD_OTHERS = `{
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (task, ms, ...rest) => (ms === 1500 ? 0 : setTimeout(task, ms, ...rest));
}`;

describe.runIf(chromium !== undefined)('the dashboard', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await openDashboardBrowser(chromium!);
  });

  afterAll(async () => {
    await browser?.close();
  });

  it('opens under a base path, names the environment, and shows the figures of the bus', async () => {
    const flags = ['--base-path', '/bus', '--environment', 'staging'];
    const server = await startServer(temporaryDirectory(), flags);
    const address = await fetch(server.url, { redirect: 'manual' });
    expect([address.status, address.headers.get('location')]).toEqual([308, 'bus/']);
    const dashboard = await openDashboard(browser, server.url);
    await dashboard.shows('Live', '.connection');
    await dashboard.shows('staging', '.top');
    await dashboard.shows('Connections', '.screen');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.picture('overview');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('loads at most 120 KiB before it shows the bus, all of it from its own server', async () => {
    const server = await startServer(temporaryDirectory());
    const page = await browser.newPage();
    const session = await page.createCDPSession();
    await session.send('Network.enable');
    const origins = new Set<string>();
    let bytes = 0;
    session.on('Network.requestWillBeSent', ({ request }) =>
      origins.add(new URL(request.url).origin),
    );
    session.on('Network.loadingFinished', ({ encodedDataLength }) => {
      bytes += encodedDataLength;
    });
    await page.evaluateOnNewDocument(NEVER_LOAD_OTHERS);
    await page.goto(server.url, { waitUntil: 'networkidle0' });
    await page.waitForSelector('.screen-overview dd');
    expect([...origins]).toEqual([server.url]);
    expect(bytes).toBeGreaterThan(20 * 1024);
    expect(bytes).toBeLessThanOrEqual(120 * 1024);
    await page.close();
  });

  it('loads a screen that could not be loaded once the server is back', async () => {
    const first = await startServer(temporaryDirectory());
    const dashboard = await openDashboard(browser, first.url, 'topics');
    const { page } = dashboard;
    await page.setCacheEnabled(false);
    await page.setRequestInterception(true);
    let isAway = true;
    page.on('request', (request) => {
      if (isAway && request.url().includes('/assets/stream-')) void request.abort();
      else void request.continue();
    });
    await page.reload();
    await dashboard.shows('Live', '.connection');
    await dashboard.goTo('stream');
    await dashboard.shows('could not be loaded');
    isAway = false;
    await first.stop('SIGKILL');
    await dashboard.shows('Not connected', '.connection');
    await startServer(first.dir, ['--port', String(first.port)]);
    await dashboard.shows('Pause', '.screen');
    await dashboard.close();
  });

  it('says that the server is gone, and goes on by itself when it is back', async () => {
    const first = await startServer(temporaryDirectory());
    const dashboard = await openDashboard(browser, first.url);
    await dashboard.shows('Live', '.connection');
    await first.stop('SIGKILL');
    await dashboard.shows('Not connected', '.connection');
    await startServer(first.dir, ['--port', String(first.port)]);
    await dashboard.shows('Live', '.connection');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('asks for a token where the server wants one, refuses a wrong one, and forgets it on sign-out', async () => {
    const dir = temporaryDirectory();
    const keys = `${dir}/keys.json`;
    const { key } = await makeKey(keys);
    const server = await startServer(dir, ['--keys-file', keys]);
    const dashboard = await openDashboard(browser, server.url);
    await dashboard.shows('asks for a token');
    await dashboard.picture('sign-in');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.fill('Token', 'wrong');
    await dashboard.press('Sign in');
    await dashboard.shows('token', '.fault');
    await dashboard.fill('Token', key);
    await dashboard.press('Sign in');
    await dashboard.shows('Live', '.connection');
    const kept = (): Promise<unknown> => dashboard.page.evaluate('JSON.stringify(sessionStorage)');
    expect(await kept()).toBe('{}');
    await dashboard.press('Sign out');
    await dashboard.shows('asks for a token');
    await dashboard.close();
  });

  it('keeps a token for the tab if the user says so, and no longer than the server takes it', async () => {
    const dir = temporaryDirectory();
    const keys = `${dir}/keys.json`;
    const { id, key } = await makeKey(keys);
    const server = await startServer(dir, ['--keys-file', keys]);
    const dashboard = await openDashboard(browser, server.url);
    await dashboard.fill('Token', key);
    await dashboard.press('Keep it until this tab is closed');
    await dashboard.press('Sign in');
    await dashboard.shows('Live', '.connection');
    await dashboard.page.reload();
    await dashboard.shows('Live', '.connection');
    await run(['token', 'revoke', id, '--keys-file', keys]);
    await dashboard.shows('asks for a token');
    await until(
      'the tab forgets the token',
      async () => (await dashboard.page.evaluate('JSON.stringify(sessionStorage)')) === '{}',
    );
    await dashboard.close();
  });

  it('is not served where it is turned off', async () => {
    const server = await startServer(temporaryDirectory(), ['--dashboard', 'false']);
    const page = await (await fetch(server.url)).text();
    expect(page).toContain('It answers at these addresses');
    expect((await fetch(`${server.url}/assets/index.js`)).status).toBe(404);
  });

  it('keeps the names in its navigation apart on a narrow phone', async () => {
    const server = await startServer();
    const dashboard = await openDashboard(browser, server.url);
    await dashboard.shows('Live', '.connection');
    for (const width of [320, 360, 390]) {
      await dashboard.page.setViewport({ width, height: 640 });
      for (const screen of ['overview', 'subscribers']) {
        await dashboard.goTo(screen);
        await dashboard.page.waitForSelector(`.side a[href*="${screen}"][aria-current]`);
        const boxes = await dashboard.page.$$eval('.side li a > span', (names) =>
          names.map((name) => {
            const { left, right, height } = (
              Reflect.get(name, 'getBoundingClientRect') as () => Record<string, number>
            ).call(name);
            return { left: left!, right: right!, height: height! };
          }),
        );
        expect(boxes).toHaveLength(8);
        boxes.forEach(({ left, right, height }, index) => {
          expect(height, 'it can be seen').toBeGreaterThan(5);
          expect(left).toBeGreaterThanOrEqual(index === 0 ? 0 : boxes[index - 1]!.right + 2);
          expect(right).toBeLessThanOrEqual(width);
        });
      }
    }
    await dashboard.picture('navigation');
    await dashboard.close();
  });
});
