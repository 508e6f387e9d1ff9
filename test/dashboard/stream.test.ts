import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../dist/client.js';
import { until } from '../bus/support/wait.js';
import { startServer, type TestServer } from '../cli/support/command.js';
import { neededCommand } from '../support/needed-command.js';
import { type Dashboard, openDashboard, openDashboardBrowser } from './support/dashboard.js';

const chromium = neededCommand('chromium', 'the stream in a browser');

const ROWS = '.stream-list .virtual';

async function publish(
  server: TestServer,
  topics: readonly string[],
  fields: { type?: string; source?: string } = {},
): Promise<void> {
  await using client = connect(server.url);
  await client.publishMany(
    topics.map((topic, n) => ({ topic, type: 'order_created', payload: { n }, ...fields })),
  );
}

const hash = (dashboard: Dashboard): Promise<unknown> => dashboard.page.evaluate('location.hash');

describe.runIf(chromium !== undefined)('the stream', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await openDashboardBrowser(chromium!);
  });

  afterAll(async () => {
    await browser?.close();
  });

  it('shows what was and what comes, of the topics that are chosen, and keeps the choice in the address', async () => {
    const server = await startServer();
    await publish(server, ['orders.new', 'refunds.new']);
    const dashboard = await openDashboard(browser, server.url, 'stream');
    await dashboard.shows('orders.new', ROWS);
    await dashboard.shows('refunds.new', ROWS);
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.page.locator('::-p-aria(Topics)').click();
    await dashboard.page.keyboard.type('ord');
    await dashboard.shows('orders.*', '.offers');
    await dashboard.page.keyboard.press('ArrowDown');
    await dashboard.page.keyboard.press('Enter');
    await until('only orders are shown', async () => {
      const rows = await dashboard.text(ROWS);
      return rows.includes('orders.new') && !rows.includes('refunds.new');
    });
    expect(await hash(dashboard)).toBe('#/stream?topic=orders.*');
    await publish(server, ['orders.later', 'refunds.later']);
    await dashboard.shows('orders.later', ROWS);
    expect(await dashboard.text(ROWS)).not.toContain('refunds');
    await dashboard.picture('stream');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('goes on after a pause where it was', async () => {
    const server = await startServer();
    const dashboard = await openDashboard(browser, server.url, 'stream');
    await dashboard.shows('Live', '.tail-state');
    await publish(server, ['before.one']);
    await dashboard.shows('before.one', ROWS);
    await dashboard.press('Pause');
    await dashboard.shows('Paused', '.tail-state');
    await publish(server, ['during.one', 'during.two']);
    await dashboard.press('Go on');
    await dashboard.shows('during.two', ROWS);
    expect(await dashboard.text('.counts .matched')).toBe('3');
    await dashboard.close();
  });

  it('opens an event beside the list, from the row or from the address', async () => {
    const server = await startServer();
    await publish(server, ['orders.new'], { source: 'shop' });
    const dashboard = await openDashboard(browser, server.url, 'stream');
    await dashboard.shows('orders.new', ROWS);
    await dashboard.page.locator('.stream-row.is-event').click();
    await dashboard.shows('shop', '.event-drawer');
    await dashboard.shows('order_created', '.event-drawer h2');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.picture('event');
    await dashboard.page.reload();
    await dashboard.shows('shop', '.event-drawer');
    await dashboard.page.keyboard.press('Escape');
    await until(
      'the drawer is gone',
      async () => (await dashboard.page.$('.event-drawer')) === null,
    );
    expect(await hash(dashboard)).toBe('#/stream');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });
});
