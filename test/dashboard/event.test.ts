import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../dist/client.js';
import { until } from '../bus/support/wait.js';
import { startServer } from '../cli/support/command.js';
import { neededCommand } from '../support/needed-command.js';
import { openDashboard, openDashboardBrowser } from './support/dashboard.js';

const chromium = neededCommand('chromium', 'an event in a browser');

const DRAWER = '.event-drawer';

describe.runIf(chromium !== undefined)('an event in the dashboard', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await openDashboardBrowser(chromium!);
  });

  afterAll(async () => {
    await browser?.close();
  });

  it('shows its JSON as it was sent, how it differs from the one before, and how to publish it again', async () => {
    const server = await startServer();
    await using client = connect(server.url);
    const event = { topic: 'orders.new', type: 'order_created', correlationId: 'run-1' };
    const { id: cause } = await client.publish({ ...event, payload: { total: 1, paid: false } });
    const text = '{"total":9007199254740993,"paid":false,"items":[{"sku":"A"},{"sku":"B"}]}';
    const rest = JSON.stringify({ ...event, id: 'exact', causationId: cause }).slice(0, -1);
    const answer = await fetch(`${server.url}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `${rest},"payload":${text}}`,
    });
    expect(answer.status).toBe(200);
    const place = 'overview?event=orders.new/exact';
    const dashboard = await openDashboard(browser, server.url, place);
    await dashboard.shows('run-1', DRAWER);
    // JavaScript holds no such number, and the tree says so.
    await dashboard.shows('≈ 9007199254740992', DRAWER);
    await dashboard.press('JSON');
    await dashboard.shows(text, DRAWER);
    await dashboard.shows('as it was sent', DRAWER);
    await dashboard.press('Changes');
    await dashboard.shows('2 changes', DRAWER);
    expect(await dashboard.text('.changes')).toMatch(/changed total.*added items/s);
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.picture('event-changes');
    await dashboard.press('Copy as');
    await dashboard.shows(`curl -sS ${server.url}/v1/events`, DRAWER);
    await dashboard.shows('millrace pub', DRAWER);
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.picture('event-copies');
    await dashboard.press(cause);
    await dashboard.shows('sequence 1', DRAWER);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('is the one of its source where another source has the same id, from the list and by its address', async () => {
    const server = await startServer();
    await using client = connect(server.url);
    const event = { topic: 'orders.new', type: 'order_created', payload: {}, id: 'o1' };
    for (const source of ['first/shop', 'second@shop']) {
      await client.publish({ ...event, source }, { idScope: 'source' });
    }
    const dashboard = await openDashboard(browser, server.url, 'stream');
    await dashboard.page.locator('.stream-row ::-p-text(first/shop)').click();
    await dashboard.shows('sequence 1', DRAWER);
    expect(await dashboard.page.$('.stream-row .is-warning')).toBeNull();
    await dashboard.page.reload();
    await dashboard.shows('sequence 1', DRAWER);
    await dashboard.press('Publish again …');
    await until('the form has it', async () =>
      dashboard.page
        .$eval('#publish-source', (field) => Reflect.get(field, 'value') === 'first/shop')
        .catch(() => false),
    );
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('says so where there is no such event', async () => {
    const server = await startServer();
    const dashboard = await openDashboard(browser, server.url, 'overview?event=a.b/none');
    await dashboard.shows('There is no stored event none on a.b', DRAWER);
    await dashboard.press('Close the event');
    await until('it is closed', async () => (await dashboard.page.$(DRAWER)) === null);
    await dashboard.close();
  });

  it('of a MiB shows only what is opened, and the page answers meanwhile', async () => {
    const server = await startServer();
    await using client = connect(server.url);
    const many = Array.from({ length: 60_000 }, (_, n) => n);
    const payload = { many, long: 'x'.repeat(500_000), deep: { a: { b: [many.slice(0, 200)] } } };
    await client.publish({ topic: 'large', type: 't', payload, id: 'one' });
    const dashboard = await openDashboard(browser, server.url, 'stream?event=large/one');
    await dashboard.shows('many', '.payload-tree');
    const elements = (): Promise<number> =>
      dashboard.page.$$eval(`${DRAWER} *`, (all) => all.length);
    expect(await elements()).toBeLessThan(120);
    await dashboard.page.locator('.payload-tree .branch').click();
    await dashboard.shows('100 more of 59,900', '.payload-tree');
    expect(await elements()).toBeLessThan(500);
    await dashboard.press('100 more of 59,900');
    await dashboard.shows('100 more of 59,800', '.payload-tree');
    await dashboard.page.locator('.leaf.is-string .link').click();
    await until('the long text is whole', async () =>
      dashboard.page.$$eval('.leaf.is-string', (all) =>
        all.some((one) => String(Reflect.get(one, 'textContent')).length > 500_000),
      ),
    );
    await dashboard.press('JSON');
    await dashboard.press('Show all 849,623 characters');
    await until('the JSON is whole', async () =>
      dashboard.page.$eval(
        '.long-text',
        (one) => String(Reflect.get(one, 'textContent')).length > 800_000,
      ),
    );
    await dashboard.press('Close the event');
    await until('it is closed', async () => (await dashboard.page.$(DRAWER)) === null);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });
});
