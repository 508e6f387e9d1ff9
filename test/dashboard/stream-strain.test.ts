import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../dist/client.js';
import { until } from '../bus/support/wait.js';
import { startServer } from '../cli/support/command.js';
import { neededCommand } from '../support/needed-command.js';
import { openDashboard, openDashboardBrowser } from './support/dashboard.js';

const chromium = neededCommand('chromium', 'the stream under strain');

const ROW_HEIGHT = 28;
const ROWS_MAX = 20_000;

const eventOf = (n: number, payload: unknown = { n }) => ({ topic: 'load', type: 'step', payload });

describe.runIf(chromium !== undefined)('the stream under strain', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await openDashboardBrowser(chromium!);
  });

  afterAll(async () => {
    await browser?.close();
  });

  it('has no hole after its server was killed in the middle and came back', async () => {
    const first = await startServer();
    const dashboard = await openDashboard(browser, first.url, 'stream?from=now');
    // Tall enough for every row.
    await dashboard.page.setViewport({ width: 1280, height: 9000 });
    await dashboard.shows('Live', '.tail-state');
    const events = 250;
    await using client = connect(first.url, { reconnectMaxMs: 500 });
    const acks: Promise<unknown>[] = [];
    const publish = async (to: number): Promise<void> => {
      while (acks.length < to) {
        acks.push(client.publish(eventOf(acks.length)));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    await publish(100);
    await until('the page has some', async () => (await dashboard.text('.matched')) !== '0');
    await first.stop('SIGKILL');
    await publish(150);
    await dashboard.shows('Not connected', '.connection');
    await dashboard.shows('Waiting for the server', '.tail-state');
    await startServer(first.dir, ['--port', String(first.port)]);
    await publish(events);
    await Promise.all(acks);
    await until('all are there', async () => (await dashboard.text('.matched')) === String(events));
    await dashboard.shows('Connected again', '.stream-list');
    const payloads = await dashboard.page.$$eval('.stream-row .payload', (all) =>
      all.map((one) => String(Reflect.get(one, 'textContent'))),
    );
    expect(payloads).toEqual(Array.from({ length: events }, (_, n) => `{"n": ${n}}`));
    expect(await dashboard.page.$('.stream-row .is-warning')).toBeNull();
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('loses no event that it does not count, however fast they come, and keeps to its rows', async () => {
    const server = await startServer();
    const dashboard = await openDashboard(browser, server.url, 'stream?from=now');
    await dashboard.shows('Live', '.tail-state');
    await using client = connect(server.url);
    const events = 30_000;
    for (let n = 0; n < events; n++) {
      while (!client.tryPublish(eventOf(n))) await client.drained();
    }
    await client.drain();
    await until('all are there', async () => (await dashboard.text('.matched')) === '30,000');
    expect(await dashboard.text('.counts .skipped')).toBe('10,000');
    await dashboard.shows(`{"n": ${events - 1}}`, '.stream-list');
    const height = await dashboard.page.$eval('.stream-list .virtual > div', (one) =>
      Number(Reflect.get(one, 'offsetHeight')),
    );
    expect(height).toBe(ROWS_MAX * ROW_HEIGHT);
    await dashboard.page.locator('.stream-list .virtual').scroll({ scrollTop: 0 });
    await dashboard.shows(`{"n": ${events - ROWS_MAX}}`, '.stream-list');
    expect((await dashboard.page.$$('.stream-row')).length).toBeLessThan(100);
    await dashboard.close();
  });

  it('keeps to its memory where payloads are of a MiB, and answers a click meanwhile', async () => {
    const server = await startServer();
    const dashboard = await openDashboard(browser, server.url, 'stream?from=now');
    await dashboard.shows('Live', '.tail-state');
    await using client = connect(server.url, { requestTimeoutMs: 60_000 });
    const events = 72;
    for (let n = 0; n < events; n++) {
      await client.publish(eventOf(n, { n, text: 'x'.repeat(1_000_000) }), {
        durability: 'written',
      });
      if (n % 24 === 0) await dashboard.press('Filters');
    }
    await until('all are there', async () => (await dashboard.text('.matched')) === String(events));
    // 64 MiB hold 67 of them.
    expect(await dashboard.text('.counts .skipped')).toBe('5');
    await dashboard.page.locator('.stream-row').click();
    await dashboard.shows('show all 1,000,000 characters', '.event-drawer');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('leaves the browser connections enough for ten pages and a request', async () => {
    const server = await startServer();
    const context = await browser.createBrowserContext();
    const pages = [];
    for (let n = 0; n < 10; n++) {
      const page = await context.newPage();
      await page.goto(`${server.url}/#/stream?from=now`);
      await page.waitForFunction(`document.querySelector('.tail-state')?.textContent === 'Live'`);
      pages.push(page);
    }
    await using client = connect(server.url);
    await client.publish(eventOf(7));
    for (const page of pages) {
      // A page behind another one draws nothing.
      await page.bringToFront();
      await page.waitForFunction(`document.querySelector('.stream-row .payload') !== null`);
    }
    const answer = `fetch('livez').then(({ status }) => status)`;
    for (const page of pages) expect(await page.evaluate(answer)).toBe(200);
    await context.close();
  });
});
