import { openBus } from 'millrace';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../bus/support/wait.js';
import { startServer, temporaryDirectory } from '../cli/support/command.js';
import { neededCommand } from '../support/needed-command.js';
import { type Dashboard, openDashboard, openDashboardBrowser } from './support/dashboard.js';

const chromium = neededCommand('chromium', 'the dashboard in a browser');
const MANY = 100_000;

describe.runIf(chromium !== undefined)('the topics screen', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await openDashboardBrowser(chromium!);
  });

  afterAll(async () => {
    await browser?.close();
  });

  const names = (dashboard: Dashboard): Promise<string[]> =>
    dashboard.page.$$eval('.tree-row .name a', (links) =>
      links.map((link) => String(Reflect.get(link, 'title'))),
    );

  it('shows topics as a tree with counts, opens branches by mouse and keyboard, and finds names', async () => {
    const server = await startServer(temporaryDirectory(), ['--shards', '2']);
    const config = ['orders.created', 'orders.paid', 'orders.paid.twice', 'users.joined'];
    for (const topic of config) {
      await server.run(['pub', topic, '{"n":1}', '--type', 'note', '--count', '3']);
    }
    const dashboard = await openDashboard(browser, server.url, 'topics');
    await dashboard.shows('users');
    expect(await names(dashboard)).toEqual([
      'orders',
      'orders.created',
      'orders.paid',
      'orders.paid.twice',
      'users',
      'users.joined',
    ]);
    await dashboard.shows('4 topics, 12 events', '[role=status]:not(.hidden)');
    await dashboard.press('Close orders');
    await until('orders is closed', async () => (await names(dashboard)).length === 3);
    await dashboard.page.focus('[role=tree]');
    await dashboard.page.keyboard.press('Home');
    await dashboard.page.keyboard.press('ArrowRight');
    await until('orders is open', async () => (await names(dashboard)).length === 6);
    await server.run(['pub', 'users.left', '{}', '--type', 'note']);
    await dashboard.shows('left', '.tree');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.picture('topics');
    await dashboard.fill('Find topics', 'PAID');
    await until('two topics are found', async () => (await names(dashboard)).length === 2);
    expect(await dashboard.page.evaluate('location.hash')).toBe('#/topics?find=PAID');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('stays usable with 100,000 topics: few rows in the document, and every one can be reached', async () => {
    const dir = temporaryDirectory();
    await using bus = await openBus({ dir, shards: 2 });
    for (let from = 0; from < MANY; from += 10_000) {
      const inputs = Array.from({ length: 10_000 }, (_, n) => {
        const number = String(from + n).padStart(6, '0');
        return { topic: `tenant${number.slice(0, 2)}.device.${number}`, type: 'note', payload: 1 };
      });
      await bus.publishMany(inputs, { durability: 'written' });
    }
    await bus.close();
    const server = await startServer(dir);
    const dashboard = await openDashboard(browser, server.url, 'topics');
    await dashboard.shows('100,000 topics, 100,000 events', '[role=status]:not(.hidden)');
    expect((await names(dashboard)).length).toBeLessThan(100);
    await dashboard.page.focus('[role=tree]');
    await dashboard.page.keyboard.press('End');
    await until('the last branch is in sight', async () =>
      (await names(dashboard)).includes('tenant09'),
    );
    await dashboard.fill('Find topics', 'device.099999');
    await until('one topic is found', async () => (await names(dashboard)).length === 1);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });
});
